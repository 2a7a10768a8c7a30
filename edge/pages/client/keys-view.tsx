// An account's keys: a table that stays usable with a hundred of them, and the acts on each.

import { call, get } from "./api.ts";
import { openForm, openNotice } from "./dialog.tsx";
import { announce, copyButton, h, scrollable } from "./dom.ts";
import { formatMoney, formatTime } from "./format.ts";
import { keyFields, keyTerms } from "./key-form.tsx";
import { refusalOf } from "./refusal.ts";
import type { ApiKey, CreatedKey, List } from "./types.ts";
import type { View } from "./view.ts";

const KEYS_MAX = 100;
const OVERLAP_S = 86_400;

export const keysView: View = async (body) => {
  const rows = h("tbody");
  const count = h("span", { class: "muted" });
  const search = h("input", { type: "search", id: "key-filter", oninput: filter });
  const toolbar = h(
    "div",
    { class: "toolbar" },
    h("label", { for: "key-filter" }, "Find", search),
    count,
    h("span", { class: "grow" }),
    h(
      "button",
      { type: "button", class: "primary", id: "create-key", onclick: () => createKey(refresh) },
      "Create key",
    ),
  );
  body.replaceChildren(toolbar, scrollable("Keys", table(rows)));
  await refresh();

  async function refresh(): Promise<void> {
    const { data } = await get<List<ApiKey>>("/v1/keys");
    rows.replaceChildren(...data.map((key) => row(key, refresh)));
    filter();
  }

  function filter(): void {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const entry of rows.rows) {
      entry.hidden = wanted !== "" && !(entry.textContent ?? "").toLowerCase().includes(wanted);
      shown += Number(!entry.hidden);
    }
    count.textContent =
      shown === rows.rows.length ? `${shown} of at most ${KEYS_MAX} keys` : `${shown} of ${rows.rows.length}`;
  }
};

function table(rows: HTMLTableSectionElement): HTMLTableElement {
  const names = ["Name", "Key", "May", "Cap", "Last used", "Expires"];
  return h(
    "table",
    { class: "data keys" },
    h("caption", { class: "visually-hidden" }, "Keys of this account"),
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
    rows,
  );
}

function row(key: ApiKey, refresh: () => Promise<void>): HTMLTableRowElement {
  const act = (label: string, run: () => void, isDangerous = false) =>
    h(
      "button",
      {
        type: "button",
        class: isDangerous ? "quiet danger" : "quiet",
        "aria-label": `${label} ${key.name}`,
        onclick: run,
      },
      label,
    );
  const refusal = refusalOf(key);
  return h(
    "tr",
    { "data-key": key.id },
    h("th", { scope: "row" }, key.name, refusal !== undefined && h("p", { class: "small refused" }, refusal)),
    h("td", {}, h("code", {}, `${key.prefix}`)),
    h("td", {}, key.scopes.length >= 6 ? "everything" : key.scopes.join(", ")),
    h("td", { class: "nowrap" }, capOf(key)),
    h("td", { class: "nowrap" }, key.last_used_at === null ? "never" : formatTime(key.last_used_at)),
    h("td", { class: "nowrap" }, key.expires_at === null ? "never" : formatTime(key.expires_at)),
    h(
      "td",
      { class: "actions-cell" },
      act("Edit", () => editKey(key, refresh)),
      act("Rotate", () => rotateKey(key, refresh)),
      act("Revoke", () => revokeKey(key, refresh), true),
    ),
  );
}

function capOf(key: ApiKey): string {
  if (key.cap_nano_usd === null) return "none";
  return `${formatMoney(key.cap_nano_usd)}${key.cap_reset === null ? "" : ` a ${key.cap_reset}`}`;
}

function createKey(refresh: () => Promise<void>): void {
  openForm({
    title: "Create key",
    fields: keyFields(undefined),
    submit: "Create",
    onSubmit: async (data) => {
      const { body } = await call<CreatedKey>("/v1/keys", { method: "POST", body: keyTerms(data) });
      await refresh();
      showOnce(body, "Your new key");
    },
  });
}

/** The only time the key's text is on a screen. */
function showOnce(key: CreatedKey, title: string): void {
  const text: HTMLInputElement = h("input", {
    readonly: true,
    value: key.key,
    "aria-label": `Key ${key.name}`,
    onfocus: () => text.select(),
  });
  openNotice(title, [
    h("p", {}, "Copy it now: it is shown once, and only its hash is kept."),
    h(
      "p",
      { class: "secret" },
      text,
      copyButton(() => key.key),
    ),
  ]);
  announce(`${key.name} was made`);
}

function editKey(key: ApiKey, refresh: () => Promise<void>): void {
  openForm({
    title: `Edit ${key.name}`,
    fields: keyFields(key),
    submit: "Save",
    onSubmit: async (data) => {
      await call(`/v1/keys/${key.id}`, { method: "PATCH", body: keyTerms(data) });
      await refresh();
      announce(`${key.name} was saved`);
    },
  });
}

function rotateKey(key: ApiKey, refresh: () => Promise<void>): void {
  openForm({
    title: `Rotate ${key.name}?`,
    fields: [
      h(
        "p",
        {},
        "A new key with the same terms is made. The old one can go on working for a day, so that you can exchange it.",
      ),
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "overlap", checked: true }),
        "Keep the old key for 24 hours",
      ),
    ],
    submit: "Rotate",
    onSubmit: async (data) => {
      const overlap = data.get("overlap") === null ? 0 : OVERLAP_S;
      const { body } = await call<CreatedKey>(`/v1/keys/${key.id}/rotate`, {
        method: "POST",
        body: { overlap_s: overlap },
      });
      await refresh();
      showOnce(body, "The key that takes over");
    },
  });
}

function revokeKey(key: ApiKey, refresh: () => Promise<void>): void {
  openForm({
    title: `Revoke ${key.name}?`,
    fields: [
      h("p", {}, h("code", {}, `${key.prefix}`), " stops working everywhere within 30 seconds. This cannot be undone."),
    ],
    submit: "Revoke",
    isDangerous: true,
    onSubmit: async () => {
      await call(`/v1/keys/${key.id}`, { method: "DELETE" });
      await refresh();
      announce(`${key.name} was revoked`);
    },
  });
}
