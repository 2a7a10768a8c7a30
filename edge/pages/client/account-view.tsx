// The account view: name and balance, credit, sessions, export and deletion.

import type { VNode } from "preact";
import { API, call, get, getIfThere } from "./api.ts";
import { creditPanel } from "./credit-panel.tsx";
import { openForm } from "./dialog.tsx";
import { find } from "./dom.ts";
import { Field } from "./fields.tsx";
import { formatMoney, formatTime } from "./format.ts";
import type { Spec } from "./parts.tsx";
import { Panel, badge, button, specs } from "./parts.tsx";
import { sessionsPanel } from "./sessions-panel.tsx";
import type { Account, AutoTopUp, List, SignedIn } from "./types.ts";
import type { View } from "./view.tsx";

export const accountView: View = async () => {
  const [account, auto, signedIn] = await Promise.all([
    get<Account>("/v1/account"),
    getIfThere<AutoTopUp>("/v1/auto-top-up"),
    getIfThere<List<SignedIn>>("/v1/sessions"),
  ]);
  return (
    <div class="panels">
      <Panel title="This account">{specs(specsOf(account))}</Panel>
      {auto !== undefined && creditPanel(auto)}
      {signedIn !== undefined && sessionsPanel(signedIn.data)}
      {dataPanel(account)}
    </div>
  );
};

function specsOf(account: Account): readonly Spec[] {
  const held = account.held_nano_usd;
  const rows: readonly Spec[] = [
    ["Name", account.name],
    ["Id", <code>{account.id}</code>],
    ["Status", badge(account.status)],
    ["Since", formatTime(account.created_at)],
    ["Balance", formatMoney(account.balance_nano_usd)],
  ];
  // All held credit is free half a minute after the last call.
  if (held === 0) return rows;
  return [
    ...rows,
    ["Set aside", `${formatMoney(held)} for calls of the last half minute; what they do not use is released`],
  ];
}

function dataPanel(account: Account): VNode {
  return (
    <Panel title="Your data">
      <p class="muted">
        Everything that is kept about this account: books, statement, usage, keys without their secrets.
      </p>
      <p>
        <a class="button" href={`${API}/v1/account/export`} download={`${account.id}.json`}>
          Export the account
        </a>
      </p>
      <h3>Delete the account</h3>
      <p class="muted">
        Keys stop at once; files and usage are removed. Credit that is left is lost, except where the law says
        otherwise.
      </p>
      <p>{button("Delete the account …", () => deleteAccount(account), "danger")}</p>
    </Panel>
  );
}

function deleteAccount({ id, balance_nano_usd: balance }: Account): void {
  openForm({
    title: "Delete this account?",
    fields: (
      <>
        <p>Its credit of {formatMoney(balance)} is given up. This cannot be undone.</p>
        <div class="fields">
          <Field
            label={`Type ${id} to confirm`}
            name="id"
            required
            pattern={id}
            autocomplete="off"
            spellcheck={false}
            isFull
          />
        </div>
      </>
    ),
    submit: "Delete for good",
    isDangerous: true,
    onSubmit: async () => {
      await call("DELETE", `/v1/account?confirm=${id}`);
      // The session's key is gone too.
      find('form[action="/dashboard/sign-out"]', HTMLFormElement).submit();
    },
  });
}
