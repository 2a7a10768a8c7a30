// Batches with their progress; running ones are asked for again while the view is open.

import { API, call, getIfThere } from "./api.ts";
import { openForm } from "./dialog.tsx";
import { announce, h, scrollable } from "./dom.ts";
import { formatCount, formatTime } from "./format.ts";
import type { Batch, List } from "./types.ts";
import type { View } from "./view.ts";

const PAGE = 50;
const REFRESH_MS = 5000;
const RUNNING: ReadonlySet<string> = new Set(["validating", "in_progress", "finalizing", "cancelling"]);

export const batchesView: View = async (body) => {
  const list = await getIfThere<List<Batch>>(`/v1/batches?limit=${PAGE}`);
  if (list === undefined) {
    body.replaceChildren(
      h("p", { class: "note" }, "Batches are not open to the key you signed in with, or not served here."),
    );
    return;
  }
  if (list.data.length === 0) {
    body.replaceChildren(
      h("p", { class: "state" }, "No batches yet: upload a file to /v1/files, then create one with /v1/batches."),
    );
    return;
  }
  body.replaceChildren(
    scrollable(
      "Batches",
      table(list.data, () => batchesView(body)),
    ),
  );
  if (!list.data.some(({ status }) => RUNNING.has(status))) return;
  setTimeout(() => {
    // Another view may be open by now, or the focus may be on one of these buttons.
    if (body.closest("[hidden]") === null && !body.contains(document.activeElement)) void batchesView(body);
  }, REFRESH_MS);
};

function table(batches: readonly Batch[], refresh: () => Promise<void>): HTMLTableElement {
  const names = ["Batch", "Status", "Progress", "Created"];
  return h(
    "table",
    { class: "data" },
    h("caption", { class: "visually-hidden" }, "Batches"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...names.map((name) => h("th", { scope: "col" }, name)),
        h("td", {}, h("span", { class: "visually-hidden" }, "Acts")),
      ),
    ),
    h("tbody", {}, ...batches.map((batch) => row(batch, refresh))),
  );
}

function row(batch: Batch, refresh: () => Promise<void>): HTMLTableRowElement {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, batch.id), h("br"), h("span", { class: "muted small" }, batch.endpoint)),
    h(
      "td",
      {},
      h("span", { class: "badge", "data-status": batch.status }, batch.status.replaceAll("_", " ")),
      reason(batch),
    ),
    h("td", {}, progress(batch)),
    h("td", { class: "nowrap" }, formatTime(batch.created_at)),
    h(
      "td",
      { class: "actions-cell" },
      file("Output", batch.output_file_id),
      file("Errors", batch.error_file_id),
      RUNNING.has(batch.status) &&
        h(
          "button",
          {
            type: "button",
            class: "quiet danger",
            "aria-label": `Cancel ${batch.id}`,
            onclick: () => cancelBatch(batch, refresh),
          },
          "Cancel",
        ),
    ),
  );
}

/** Why it failed, or will: the first fault, and how many more there are. */
function reason({ errors }: Batch): HTMLElement | false {
  const [first, ...more] = errors?.data ?? [];
  if (first === undefined) return false;
  const where = first.line === null ? "" : `Line ${formatCount(first.line)}: `;
  const rest = more.length === 0 ? "" : ` And ${formatCount(more.length)} more.`;
  return h("p", { class: "small" }, `${where}${first.message}${rest}`);
}

function cancelBatch(batch: Batch, refresh: () => Promise<void>): void {
  openForm({
    title: "Cancel the batch?",
    fields: [h("p", {}, h("code", {}, batch.id), " ends where it stands; what was done is charged and kept.")],
    submit: "Cancel the batch",
    isDangerous: true,
    onSubmit: async () => {
      await call(`/v1/batches/${batch.id}/cancel`, { method: "POST", body: {} });
      await refresh();
      announce(`${batch.id} is being cancelled`);
    },
  });
}

function progress({ id, request_counts: counts }: Batch): HTMLElement {
  if (counts === null || counts === undefined || counts.total === 0)
    return h("span", { class: "muted" }, "not counted yet");
  const { total, completed, failed } = counts;
  const text = `${formatCount(completed)} of ${formatCount(total)}${failed === 0 ? "" : `, ${formatCount(failed)} failed`}`;
  return h(
    "div",
    {},
    h("progress", { max: total, value: completed + failed, "aria-label": `Progress of ${id}` }),
    h("br"),
    h("span", { class: "small" }, text),
  );
}

function file(label: string, id: string | null | undefined): HTMLElement | false {
  return (
    id !== null &&
    id !== undefined &&
    h("a", { href: `${API}/v1/files/${id}/content`, download: `${id}.jsonl` }, label, " ")
  );
}
