// The account itself: who it is, its books in short, everything it holds as a file, and its end.

import { API, call, get, getIfThere } from "./api.ts";
import { creditPanel } from "./credit-panel.tsx";
import { openForm } from "./dialog.tsx";
import { find, h } from "./dom.ts";
import { formatMoney, formatTime } from "./format.ts";
import { sessionsPanel } from "./sessions-panel.tsx";
import type { Account, AutoTopUp, List, SignedIn } from "./types.ts";
import type { View } from "./view.ts";

function heldRow({ held_nano_usd: held }: Account): readonly [string, string] {
  return [
    "Set aside",
    `${formatMoney(held)} for calls of the last half minute; what they do not use comes back by itself`,
  ];
}

export const accountView: View = async (body) => {
  const [account, auto, signedIn] = await Promise.all([
    get<Account>("/v1/account"),
    getIfThere<AutoTopUp>("/v1/auto-top-up"),
    getIfThere<List<SignedIn>>("/v1/sessions"),
  ]);
  const rows: readonly (readonly [string, string | Node])[] = [
    ["Name", account.name],
    ["Id", h("code", {}, account.id)],
    ["Status", h("span", { class: "badge", "data-status": account.status }, account.status)],
    ["Since", formatTime(account.created_at)],
    ["Balance", formatMoney(account.balance_nano_usd)],
    // Nothing is held half a minute after the last call: there is nothing to explain then.
    ...(account.held_nano_usd === 0 ? [] : [heldRow(account)]),
  ];
  body.replaceChildren(
    h(
      "div",
      { class: "panels" },
      h(
        "section",
        { class: "panel" },
        h("h3", {}, "This account"),
        h(
          "dl",
          { class: "specs" },
          ...rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
        ),
      ),
      auto === undefined ? "" : creditPanel(auto, () => accountView(body)),
      signedIn === undefined ? "" : sessionsPanel(signedIn.data, () => accountView(body)),
      h(
        "section",
        { class: "panel" },
        h("h3", {}, "Your data"),
        h(
          "p",
          { class: "muted" },
          "Everything that is kept of this account: books, statement, usage, keys without their secrets.",
        ),
        h(
          "p",
          {},
          h(
            "a",
            { class: "button", href: `${API}/v1/account/export`, download: `${account.id}.json` },
            "Export the account",
          ),
        ),
        h("h3", {}, "Delete the account"),
        h(
          "p",
          { class: "muted" },
          "Keys stop at once; files and usage are removed. Credit that is left is lost, except where the law says otherwise.",
        ),
        h(
          "p",
          {},
          h(
            "button",
            { type: "button", class: "danger", onclick: () => deleteAccount(account) },
            "Delete the account …",
          ),
        ),
      ),
    ),
  );
};

function deleteAccount(account: Account): void {
  const confirmation = h("input", {
    name: "id",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    id: "confirm-id",
    pattern: account.id,
  });
  openForm({
    title: "Delete this account?",
    fields: [
      h("p", {}, `Its credit of ${formatMoney(account.balance_nano_usd)} is given up. This cannot be undone.`),
      h("p", {}, h("label", { for: "confirm-id" }, `Type ${account.id} to confirm`), confirmation),
    ],
    submit: "Delete for good",
    isDangerous: true,
    onSubmit: async () => {
      await call(`/v1/account?confirm=${account.id}`, { method: "DELETE" });
      // The session's key is gone too.
      find('form[action="/dashboard/sign-out"]', HTMLFormElement).submit();
    },
  });
}
