// Limits of the account, who is told when spend or balance crosses a line, and the hard stop of a month.

import { call, get, getIfThere } from "./api.ts";
import { field, openForm } from "./dialog.tsx";
import { announce, h, scrollable } from "./dom.ts";
import { formatCount, formatMoney, formatTime } from "./format.ts";
import type { Account, Alert, AlertList, List, Webhook } from "./types.ts";
import { nanoOf } from "./usd-input.ts";
import type { View } from "./view.ts";
import { webhooksPanel } from "./webhooks-panel.tsx";

const KINDS: readonly (readonly [kind: string, label: string])[] = [
  ["daily_spend", "a day’s spend reaches"],
  ["monthly_spend", "a month’s spend reaches"],
  ["balance_below", "the balance falls below"],
];

export const alertsView: View = async (body) => {
  const [account, alerts, webhooks] = await Promise.all([
    get<Account>("/v1/account"),
    getIfThere<AlertList>("/v1/alerts"),
    getIfThere<List<Webhook>>("/v1/webhooks"),
  ]);
  const refresh = () => alertsView(body);
  body.replaceChildren(
    h(
      "div",
      { class: "panels" },
      limitsPanel(account, refresh),
      alerts === undefined ? missing("Alerts") : alertsPanel(alerts, refresh),
      webhooks === undefined ? missing("Webhooks") : webhooksPanel(webhooks.data, refresh),
    ),
  );
};

function missing(title: string): HTMLElement {
  return h(
    "section",
    { class: "panel" },
    h("h3", {}, title),
    h("p", { class: "muted" }, "Not open to the key you signed in with, or not served here."),
  );
}

function limitsPanel(account: Account, refresh: () => Promise<void>): HTMLElement {
  const { limits } = account;
  const rows: readonly (readonly [string, string])[] = [
    ["Requests", `${formatCount(limits.requests_per_minute)} a minute`],
    ["Tokens", `${formatCount(limits.tokens_per_minute)} a minute`],
    [
      "Spend",
      limits.monthly_nano_usd === null
        ? "no monthly limit"
        : `${formatMoney(limits.monthly_nano_usd)} a month, then calls are refused`,
    ],
    [
      "This month",
      account.spent_this_month_nano_usd === undefined ? "–" : formatMoney(account.spent_this_month_nano_usd),
    ],
  ];
  return h(
    "section",
    { class: "panel" },
    h("h3", {}, "Limits"),
    h("dl", { class: "specs" }, ...rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)))),
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", onclick: () => editMonthlyLimit(account, refresh) }, "Change the monthly limit"),
    ),
  );
}

function editMonthlyLimit({ limits }: Account, refresh: () => Promise<void>): void {
  const value = limits.monthly_nano_usd === null ? "" : limits.monthly_nano_usd / 1e9;
  openForm({
    title: "Monthly limit",
    fields: [
      h("p", { class: "muted" }, "Calls that would pass it are refused until the next month (UTC) begins."),
      field(
        "USD a month",
        h("input", { name: "usd", type: "number", min: 0, step: "any", inputmode: "decimal", value }),
        "Empty: no limit",
      ),
    ],
    submit: "Save",
    onSubmit: async (data) => {
      await call("/v1/account", {
        method: "PATCH",
        body: { limits: { monthly_nano_usd: nanoOf(data.get("usd")) ?? null } },
      });
      await refresh();
      announce("The monthly limit was saved");
    },
  });
}

function alertsPanel(alerts: AlertList, refresh: () => Promise<void>): HTMLElement {
  const isEmail = alerts.email === "configured";
  return h(
    "section",
    { class: "panel" },
    h("h3", {}, "Alerts"),
    h(
      "p",
      { class: "muted small" },
      `Told to every webhook below${isEmail ? " and to the account’s e-mail address" : ""}, once a period.`,
    ),
    alerts.data.length > 0 && scrollable("Alerts", alertsTable(alerts.data, refresh)),
    h("p", { class: "actions" }, h("button", { type: "button", onclick: () => addAlert(refresh) }, "Add alert")),
  );
}

function alertsTable(alerts: readonly Alert[], refresh: () => Promise<void>): HTMLTableElement {
  const rows = alerts.map((alert) => {
    const what = `${KINDS.find(([kind]) => kind === alert.kind)?.[1] ?? alert.kind} ${formatMoney(alert.threshold_nano_usd)}`;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, `When ${what}`),
      h("td", {}, alert.last_triggered_at === null ? "never yet" : formatTime(alert.last_triggered_at)),
      h(
        "td",
        { class: "actions-cell" },
        h(
          "button",
          {
            type: "button",
            class: "quiet danger",
            "aria-label": `Delete: ${what}`,
            onclick: () => deleteAlert(alert, what, refresh),
          },
          "Delete",
        ),
      ),
    );
  });
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "Alert"),
    h("th", { scope: "col" }, "Last told"),
    h("td", {}, h("span", { class: "visually-hidden" }, "Acts")),
  );
  return h("table", { class: "data" }, h("thead", {}, head), h("tbody", {}, ...rows));
}

function deleteAlert(alert: Alert, what: string, refresh: () => Promise<void>): void {
  openForm({
    title: "Delete the alert?",
    fields: [h("p", {}, `Nobody is told any more when ${what}.`)],
    submit: "Delete",
    isDangerous: true,
    onSubmit: async () => {
      await call(`/v1/alerts/${alert.id}`, { method: "DELETE" });
      await refresh();
      announce("The alert was deleted");
    },
  });
}

function addAlert(refresh: () => Promise<void>): void {
  openForm({
    title: "Add alert",
    fields: [
      h(
        "div",
        { class: "fields" },
        field(
          "Tell me when",
          h("select", { name: "kind" }, ...KINDS.map(([kind, label]) => h("option", { value: kind }, label))),
        ),
        field(
          "USD",
          h("input", { name: "usd", type: "number", min: 0, step: "any", required: true, inputmode: "decimal" }),
        ),
      ),
    ],
    submit: "Add",
    onSubmit: async (data) => {
      await call("/v1/alerts", {
        method: "POST",
        body: { kind: data.get("kind"), threshold_nano_usd: nanoOf(data.get("usd")) },
      });
      await refresh();
      announce("The alert was added");
    },
  });
}
