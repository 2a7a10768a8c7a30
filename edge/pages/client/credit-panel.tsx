// Buying credit: once, on the payment provider's page, or by itself when the balance falls.

import { call } from "./api.ts";
import { field, openForm } from "./dialog.tsx";
import { announce, h } from "./dom.ts";
import { formatMoney } from "./format.ts";
import type { AutoTopUp } from "./types.ts";

export function creditPanel(auto: AutoTopUp, refresh: () => Promise<void>): HTMLElement {
  const { threshold_nano_usd: threshold, target_nano_usd: target, monthly_cap_nano_usd: cap } = auto;
  const isSet = threshold !== undefined && target !== undefined && cap !== undefined;
  const terms = isSet
    ? `Below ${formatMoney(threshold)}, up to ${formatMoney(target)}, at most ${formatMoney(cap)} a month (${formatMoney(auto.spent_this_month_nano_usd)} so far).`
    : "Off.";
  return h(
    "section",
    { class: "panel" },
    h("h3", {}, "Credit"),
    h("p", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: addCredit }, "Add credit")),
    h("h3", {}, "Automatic top-up"),
    h("p", { class: "muted" }, terms),
    auto.disabled_reason !== null && h("p", { class: "note warn" }, `Automatic top-up is off. ${auto.disabled_reason}`),
    isSet && !auto.has_card && h("p", { class: "note" }, "Add credit once by card, so that there is a card to charge."),
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", onclick: () => editTerms(auto, refresh) }, isSet ? "Change" : "Set up"),
      isSet && h("button", { type: "button", onclick: () => turnOff(refresh) }, "Turn off"),
    ),
  );
}

function usdInput(name: string, value: string | number): HTMLInputElement {
  return h("input", { name, type: "number", min: 0.01, step: 0.01, required: true, inputmode: "decimal", value });
}

function addCredit(): void {
  openForm({
    title: "Add credit",
    fields: [
      h(
        "p",
        { class: "muted" },
        "You pay on our payment provider’s page; the credit is there once the payment is confirmed.",
      ),
      h("div", { class: "fields" }, field("USD", usdInput("amount", "20.00"))),
    ],
    submit: "Go on to pay",
    onSubmit: async (data) => {
      const { body } = await call<{ url: string }>("/v1/top-ups", {
        method: "POST",
        body: { amount_usd: data.get("amount") },
      });
      location.assign(body.url);
    },
  });
}

function editTerms(auto: AutoTopUp, refresh: () => Promise<void>): void {
  openForm({
    title: "Automatic top-up",
    fields: [
      h(
        "p",
        { class: "muted" },
        "When the balance falls below the first amount, your card is charged for what the second lacks.",
      ),
      h(
        "div",
        { class: "fields" },
        field("When the balance is below, USD", usdInput("threshold_usd", auto.threshold_usd ?? "5.00")),
        field("Top up to, USD", usdInput("target_usd", auto.target_usd ?? "20.00")),
        field("At most a month, USD", usdInput("monthly_cap_usd", auto.monthly_cap_usd ?? "100.00")),
      ),
    ],
    submit: "Save",
    onSubmit: async (data) => {
      await call("/v1/auto-top-up", { method: "PUT", body: Object.fromEntries(data) });
      await refresh();
      announce("Automatic top-up was saved");
    },
  });
}

function turnOff(refresh: () => Promise<void>): void {
  openForm({
    title: "Turn automatic top-up off?",
    fields: [h("p", {}, "Calls are refused once the credit is spent.")],
    submit: "Turn off",
    onSubmit: async () => {
      await call("/v1/auto-top-up", { method: "DELETE" });
      await refresh();
      announce("Automatic top-up is off");
    },
  });
}
