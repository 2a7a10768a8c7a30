// The account's limits, its alerts on spend and balance, and its webhooks.

import type { VNode } from "preact";
import { call, get, getIfThere } from "./api.ts";
import { openForm } from "./dialog.tsx";
import { Choice, Field } from "./fields.tsx";
import { formatCount, formatMoney, formatTime } from "./format.ts";
import { Panel, Table, action, button, specs } from "./parts.tsx";
import type { Account, Alert, AlertList, List, Webhook } from "./types.ts";
import { nanoOf, usdOf } from "./usd-input.ts";
import type { View } from "./view.tsx";
import { webhooksPanel } from "./webhooks-panel.tsx";

const KINDS: readonly (readonly [kind: string, label: string])[] = [
  ["daily_spend", "a day’s spend reaches"],
  ["monthly_spend", "a month’s spend reaches"],
  ["balance_below", "the balance falls below"],
];
const AMOUNT = { name: "usd", type: "number", min: 0, step: "any", inputmode: "decimal" } as const;

export const alertsView: View = async () => {
  const [account, alerts, webhooks] = await Promise.all([
    get<Account>("/v1/account"),
    getIfThere<AlertList>("/v1/alerts"),
    getIfThere<List<Webhook>>("/v1/webhooks"),
  ]);
  return (
    <div class="panels">
      {limitsPanel(account)}
      {alerts === undefined ? missing("Alerts") : alertsPanel(alerts)}
      {webhooks === undefined ? missing("Webhooks") : webhooksPanel(webhooks.data)}
    </div>
  );
};

function missing(title: string): VNode {
  return (
    <Panel title={title}>
      <p class="muted">Not open to the key you signed in with, or not part of this deployment.</p>
    </Panel>
  );
}

function limitsPanel(account: Account): VNode {
  const { limits, spent_this_month_nano_usd: spent } = account;
  const monthly = limits.monthly_nano_usd;
  return (
    <Panel title="Limits">
      {specs([
        ["Requests", `${formatCount(limits.requests_per_minute)} a minute`],
        ["Tokens", `${formatCount(limits.tokens_per_minute)} a minute`],
        ["Spend", monthly === null ? "no monthly limit" : `${formatMoney(monthly)} a month, then calls are refused`],
        ["This month", spent === undefined ? "–" : formatMoney(spent)],
      ])}
      <p class="actions">{button("Change the monthly limit", () => editMonthlyLimit(account))}</p>
    </Panel>
  );
}

function editMonthlyLimit({ limits }: Account): void {
  openForm({
    title: "Monthly limit",
    fields: (
      <>
        <p class="muted">Calls that would exceed it are refused until the next month (UTC) begins.</p>
        <Field label="USD a month" {...AMOUNT} defaultValue={usdOf(limits.monthly_nano_usd)} help="Empty: no limit" />
      </>
    ),
    submit: "Save",
    onSubmit: (data) => call("PATCH", "/v1/account", { limits: { monthly_nano_usd: nanoOf(data.get("usd")) ?? null } }),
    done: "The monthly limit was saved",
  });
}

function alertsPanel(alerts: AlertList): VNode {
  return (
    <Panel title="Alerts">
      <p class="muted small">
        Sent to every webhook below{alerts.email === "configured" && " and to the account’s e-mail address"}, once a
        period.
      </p>
      {alerts.data.length > 0 && (
        <Table label="Alerts" columns={["Alert", "Last sent"]} hasActions>
          {alerts.data.map((alert) => (
            <tr key={alert.id}>
              <th scope="row">When {sentence(alert)}</th>
              <td>{alert.last_triggered_at === null ? "never yet" : formatTime(alert.last_triggered_at)}</td>
              <td class="actions-cell">{action("Delete", sentence(alert), () => deleteAlert(alert), "danger")}</td>
            </tr>
          ))}
        </Table>
      )}
      <p class="actions">{button("Add alert", addAlert)}</p>
    </Panel>
  );
}

/** `the balance falls below $1.00`. */
function sentence({ kind, threshold_nano_usd: threshold }: Alert): string {
  return `${KINDS.find(([known]) => known === kind)?.[1] ?? kind} ${formatMoney(threshold)}`;
}

function deleteAlert(alert: Alert): void {
  openForm({
    title: "Delete the alert?",
    fields: <p>Nothing is sent any more when {sentence(alert)}.</p>,
    submit: "Delete",
    isDangerous: true,
    onSubmit: () => call("DELETE", `/v1/alerts/${alert.id}`),
    done: "The alert was deleted",
  });
}

function addAlert(): void {
  openForm({
    title: "Add alert",
    fields: (
      <div class="fields">
        <Choice label="Tell me when" name="kind" options={KINDS} />
        <Field label="USD" {...AMOUNT} required />
      </div>
    ),
    submit: "Add",
    onSubmit: (data) =>
      call("POST", "/v1/alerts", { kind: data.get("kind"), threshold_nano_usd: nanoOf(data.get("usd")) }),
    done: "The alert was added",
  });
}
