// Batches and their progress, read again regularly while the view is open and a batch runs.

import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { API, call, getIfThere } from "./api.ts";
import { openForm } from "./dialog.tsx";
import { formatCount, formatTime } from "./format.ts";
import { Table, action, badge } from "./parts.tsx";
import type { Batch, List } from "./types.ts";
import { refresh } from "./view.tsx";
import type { View } from "./view.tsx";

const PAGE = 50;
const REFRESH_MS = 5000;
const RUNNING: ReadonlySet<string> = new Set(["validating", "in_progress", "finalizing", "cancelling"]);

export const batchesView: View = async () => {
  const list = await getIfThere<List<Batch>>(`/v1/batches?limit=${PAGE}`);
  if (list === undefined) {
    return <p class="note">Batches are not open to the key you signed in with, or not part of this deployment.</p>;
  }
  if (list.data.length === 0) {
    return <p class="state">No batches yet: upload a file to /v1/files, then create one with /v1/batches.</p>;
  }
  return <Batches batches={list.data} />;
};

function Batches({ batches }: { readonly batches: readonly Batch[] }): VNode {
  const isRunning = batches.some(({ status }) => RUNNING.has(status));
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => {
      if (location.hash === "#batches") void refresh();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [isRunning]);
  return (
    <Table label="Batches" columns={["Batch", "Status", "Progress", "Created"]} hasActions>
      {batches.map((batch) => (
        <tr key={batch.id}>
          <th scope="row">
            <code>{batch.id}</code>
            <br />
            <span class="muted small">{batch.endpoint}</span>
          </th>
          <td>
            {badge(batch.status)}
            {reasonOf(batch)}
          </td>
          <td>{progressOf(batch)}</td>
          <td class="nowrap">{formatTime(batch.created_at)}</td>
          <td class="actions-cell">
            {fileLink("Output", batch.output_file_id)}
            {fileLink("Errors", batch.error_file_id)}
            {RUNNING.has(batch.status) && action("Cancel", batch.id, () => cancelBatch(batch), "danger")}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** Why it failed or will fail: the first fault, and how many others there are. */
function reasonOf({ errors }: Batch): VNode | undefined {
  const [first, ...more] = errors?.data ?? [];
  if (first === undefined) return undefined;
  const where = first.line === null ? "" : `Line ${formatCount(first.line)}: `;
  const rest = more.length === 0 ? "" : ` And ${formatCount(more.length)} more.`;
  return <p class="small">{`${where}${first.message}${rest}`}</p>;
}

function progressOf({ id, request_counts: counts }: Batch): VNode {
  if (counts === null || counts === undefined || counts.total === 0) {
    return <span class="muted">not counted yet</span>;
  }
  const { total, completed, failed } = counts;
  return (
    <>
      <progress max={total} value={completed + failed} aria-label={`Progress of ${id}`} />
      <br />
      <span class="small">
        {`${formatCount(completed)} of ${formatCount(total)}${failed === 0 ? "" : `, ${formatCount(failed)} failed`}`}
      </span>
    </>
  );
}

function fileLink(name: string, id: string | null | undefined): VNode | undefined {
  if (id === null || id === undefined) return undefined;
  return (
    <a href={`${API}/v1/files/${id}/content`} download={`${id}.jsonl`}>
      {name}{" "}
    </a>
  );
}

function cancelBatch({ id }: Batch): void {
  openForm({
    title: "Cancel the batch?",
    fields: (
      <p>
        <code>{id}</code> stops where it is. What is done by then is charged and kept.
      </p>
    ),
    submit: "Cancel the batch",
    isDangerous: true,
    onSubmit: () => call("POST", `/v1/batches/${id}/cancel`, {}),
    done: `${id} is being cancelled`,
  });
}
