// An account's keys: a table that stays usable with a hundred keys, and the actions on each.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { call, get } from "./api.ts";
import { openForm, openSecret } from "./dialog.tsx";
import { Check } from "./fields.tsx";
import { formatMoney, formatTime } from "./format.ts";
import { KeyFields, keyTerms } from "./key-form.tsx";
import { Table, action, button } from "./parts.tsx";
import { refusalOf } from "./refusal.ts";
import type { ApiKey, CreatedKey, List } from "./types.ts";
import type { View } from "./view.tsx";

const KEYS_MAX = 100;
const OVERLAP_S = 86_400;

export const keysView: View = async () => <Keys keys={(await get<List<ApiKey>>("/v1/keys")).data} />;

function Keys({ keys }: { readonly keys: readonly ApiKey[] }): VNode {
  const [search, setSearch] = useState("");
  const isFound = (key: ApiKey) => textOf(key).includes(search.trim().toLowerCase());
  const found = keys.filter(isFound).length;
  return (
    <>
      <div class="toolbar">
        <label>
          Find
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
        <span class="muted">
          {found === keys.length ? `${found} of at most ${KEYS_MAX} keys` : `${found} of ${keys.length}`}
        </span>
        <span class="grow" />
        {button("Create key", createKey, "primary")}
      </div>
      <Table label="Keys" columns={["Name", "Key", "Scopes", "Cap", "Last used", "Expires"]} hasActions>
        {keys.map((key) => row(key, !isFound(key)))}
      </Table>
    </>
  );
}

function row(key: ApiKey, isHidden: boolean): VNode {
  const refusal = refusalOf(key);
  return (
    <tr key={key.id} data-key={key.id} hidden={isHidden}>
      <th scope="row">
        {key.name}
        {refusal !== undefined && <p class="small refused">{refusal}</p>}
      </th>
      <td>
        <code>{key.prefix}</code>
      </td>
      <td>{scopesOf(key)}</td>
      <td class="nowrap">{capOf(key)}</td>
      <td class="nowrap">{key.last_used_at === null ? "never" : formatTime(key.last_used_at)}</td>
      <td class="nowrap">{key.expires_at === null ? "never" : formatTime(key.expires_at)}</td>
      <td class="actions-cell">
        {action("Edit", key.name, () => editKey(key))}
        {action("Rotate", key.name, () => rotateKey(key))}
        {action("Revoke", key.name, () => revokeKey(key), "danger")}
      </td>
    </tr>
  );
}

/** The text that a search looks through. */
function textOf(key: ApiKey): string {
  return [key.name, key.prefix, scopesOf(key), capOf(key), refusalOf(key)].join(" ").toLowerCase();
}

function scopesOf({ scopes }: ApiKey): string {
  return scopes.length >= 6 ? "everything" : scopes.join(", ");
}

function capOf(key: ApiKey): string {
  if (key.cap_nano_usd === null) return "none";
  return `${formatMoney(key.cap_nano_usd)}${key.cap_reset === null ? "" : ` a ${key.cap_reset}`}`;
}

function createKey(): void {
  openForm({
    title: "Create key",
    fields: <KeyFields />,
    submit: "Create",
    onSubmit: async (data) => {
      const { body } = await call<CreatedKey>("POST", "/v1/keys", keyTerms(data));
      showKey("Your new key", body);
    },
    done: "The key was made",
  });
}

function showKey(title: string, { name, key }: CreatedKey): void {
  openSecret(title, `Key ${name}`, key, "Copy it now: it is shown once, and only its hash is kept.");
}

function editKey(key: ApiKey): void {
  openForm({
    title: `Edit ${key.name}`,
    fields: <KeyFields of={key} />,
    submit: "Save",
    onSubmit: (data) => call("PATCH", `/v1/keys/${key.id}`, keyTerms(data)),
    done: `${key.name} was saved`,
  });
}

function rotateKey(key: ApiKey): void {
  openForm({
    title: `Rotate ${key.name}?`,
    fields: (
      <>
        <p>A new key with the same terms is made. The old one can keep working for a day while you replace it.</p>
        <Check name="overlap" label="Keep the old key for 24 hours" isChecked />
      </>
    ),
    submit: "Rotate",
    onSubmit: async (data) => {
      const overlap = data.get("overlap") === null ? 0 : OVERLAP_S;
      const { body } = await call<CreatedKey>("POST", `/v1/keys/${key.id}/rotate`, { overlap_s: overlap });
      showKey("The replacement key", body);
    },
    done: "The replacement key was made",
  });
}

function revokeKey(key: ApiKey): void {
  openForm({
    title: `Revoke ${key.name}?`,
    fields: (
      <p>
        <code>{key.prefix}</code> stops working everywhere within 30 seconds. This cannot be undone.
      </p>
    ),
    submit: "Revoke",
    isDangerous: true,
    onSubmit: () => call("DELETE", `/v1/keys/${key.id}`),
    done: `${key.name} was revoked`,
  });
}
