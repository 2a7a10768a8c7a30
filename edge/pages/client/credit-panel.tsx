// Buying credit: once, on the payment provider's page, or automatically when the balance falls.

import type { VNode } from "preact";
import { call } from "./api.ts";
import { openForm } from "./dialog.tsx";
import { Field } from "./fields.tsx";
import { formatMoney } from "./format.ts";
import { Panel, button } from "./parts.tsx";
import type { AutoTopUp } from "./types.ts";

export function creditPanel(auto: AutoTopUp): VNode {
  const { threshold_nano_usd: threshold, target_nano_usd: target, monthly_cap_nano_usd: cap } = auto;
  const isSet = threshold !== undefined && target !== undefined && cap !== undefined;
  return (
    <Panel title="Credit">
      <p class="actions">{button("Add credit", addCredit, "primary")}</p>
      <h3>Automatic top-up</h3>
      <p class="muted">
        {isSet
          ? `Below ${formatMoney(threshold)}, up to ${formatMoney(target)}, at most ${formatMoney(cap)} a month (${formatMoney(auto.spent_this_month_nano_usd)} so far).`
          : "Off."}
      </p>
      {auto.disabled_reason !== null && <p class="note warn">Automatic top-up is off. {auto.disabled_reason}</p>}
      {isSet && !auto.has_card && <p class="note">Add credit once by card, so that there is a card to charge.</p>}
      <p class="actions">
        {button(isSet ? "Change" : "Set up", () => editTerms(auto))}
        {isSet && button("Turn off", turnOff)}
      </p>
    </Panel>
  );
}

const AMOUNT = { type: "number", min: 0.01, step: 0.01, required: true, inputmode: "decimal" } as const;

function addCredit(): void {
  openForm({
    title: "Add credit",
    fields: (
      <>
        <p class="muted">You pay on our payment provider’s page; the credit is there once the payment is confirmed.</p>
        <div class="fields">
          <Field label="USD" name="amount" {...AMOUNT} defaultValue="20.00" />
        </div>
      </>
    ),
    submit: "Continue to payment",
    onSubmit: async (data) => {
      const { body } = await call<{ url: string }>("POST", "/v1/top-ups", { amount_usd: data.get("amount") });
      location.assign(body.url);
    },
  });
}

function editTerms(auto: AutoTopUp): void {
  const amount = (label: string, name: "threshold_usd" | "target_usd" | "monthly_cap_usd", otherwise: string) => (
    <Field label={label} name={name} {...AMOUNT} defaultValue={auto[name] ?? otherwise} />
  );
  openForm({
    title: "Automatic top-up",
    fields: (
      <>
        <p class="muted">
          When the balance falls below the first amount, your card is charged to bring it up to the second.
        </p>
        <div class="fields">
          {amount("When the balance is below, USD", "threshold_usd", "5.00")}
          {amount("Top up to, USD", "target_usd", "20.00")}
          {amount("At most a month, USD", "monthly_cap_usd", "100.00")}
        </div>
      </>
    ),
    submit: "Save",
    onSubmit: (data) => call("PUT", "/v1/auto-top-up", Object.fromEntries(data)),
    done: "Automatic top-up was saved",
  });
}

function turnOff(): void {
  openForm({
    title: "Turn automatic top-up off?",
    fields: <p>Calls are refused once the credit is spent.</p>,
    submit: "Turn off",
    onSubmit: () => call("DELETE", "/v1/auto-top-up"),
    done: "Automatic top-up is off",
  });
}
