// Webhooks of the account: addresses that are told of alerts and batches, signed; the secret is shown once.

import { call } from "./api.ts";
import { field, openForm, openNotice } from "./dialog.ts";
import { announce, copyButton, h, scrollable } from "./dom.ts";
import { formatTime } from "./format.ts";
import type { Webhook } from "./types.ts";

interface CreatedWebhook extends Webhook {
  readonly secret: string;
}

interface TestResult {
  readonly delivered: boolean;
  readonly detail: string;
}

export function webhooksPanel(webhooks: readonly Webhook[], refresh: () => Promise<void>): HTMLElement {
  return h(
    "section",
    { class: "panel full" },
    h("h3", {}, "Webhooks"),
    h(
      "p",
      { class: "muted small" },
      "Signed as Standard Webhooks says: verify the signature with the secret that is shown when you add one.",
    ),
    webhooks.length > 0 && scrollable("Webhooks", webhooksTable(webhooks, refresh)),
    h("p", { class: "actions" }, h("button", { type: "button", onclick: () => addWebhook(refresh) }, "Add webhook")),
  );
}

function webhooksTable(webhooks: readonly Webhook[], refresh: () => Promise<void>): HTMLTableElement {
  const names = ["Address", "State", "Last attempt"];
  return h(
    "table",
    { class: "data" },
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
    h("tbody", {}, ...webhooks.map((webhook) => row(webhook, refresh))),
  );
}

function row(webhook: Webhook, refresh: () => Promise<void>): HTMLTableRowElement {
  const { last_attempt: last } = webhook;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, webhook.url)),
    h(
      "td",
      {},
      h("span", { class: "badge", "data-status": webhook.status }, webhook.status),
      webhook.disabled_reason !== null && ` ${webhook.disabled_reason}`,
    ),
    h("td", {}, last === null ? "none yet" : `${formatTime(last.at)}: ${last.detail}`),
    h(
      "td",
      { class: "actions-cell" },
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": `Test ${webhook.url}`,
          onclick: () => testWebhook(webhook, refresh),
        },
        "Test",
      ),
      h(
        "button",
        {
          type: "button",
          class: "quiet danger",
          "aria-label": `Delete ${webhook.url}`,
          onclick: () => deleteWebhook(webhook, refresh),
        },
        "Delete",
      ),
    ),
  );
}

function addWebhook(refresh: () => Promise<void>): void {
  openForm({
    title: "Add webhook",
    fields: [
      h(
        "div",
        { class: "fields" },
        fullWidth(
          field(
            "Address",
            h("input", { name: "url", type: "url", required: true, placeholder: "https://", autocomplete: "off" }),
            "Public https addresses alone",
          ),
        ),
      ),
    ],
    submit: "Add",
    onSubmit: async (data) => {
      const { body } = await call<CreatedWebhook>("/v1/webhooks", { method: "POST", body: { url: data.get("url") } });
      await refresh();
      const secret = h("input", { readonly: true, value: body.secret, "aria-label": "Signing secret" });
      openNotice("The webhook’s signing secret", [
        h("p", {}, "Copy it now: it is shown once."),
        h(
          "p",
          { class: "secret" },
          secret,
          copyButton(() => body.secret),
        ),
      ]);
    },
  });
}

function testWebhook(webhook: Webhook, refresh: () => Promise<void>): void {
  openForm({
    title: "Send a test?",
    fields: [h("p", {}, "A signed webhook.test goes to ", h("code", {}, webhook.url), " now.")],
    submit: "Send",
    onSubmit: async () => {
      const { body } = await call<TestResult>(`/v1/webhooks/${webhook.id}/test`, { method: "POST", body: {} });
      await refresh();
      openNotice(body.delivered ? "Delivered" : "Not delivered", [h("p", {}, body.detail)]);
    },
  });
}

function deleteWebhook(webhook: Webhook, refresh: () => Promise<void>): void {
  openForm({
    title: "Delete the webhook?",
    fields: [h("p", {}, h("code", {}, webhook.url), " is told nothing any more.")],
    submit: "Delete",
    isDangerous: true,
    onSubmit: async () => {
      await call(`/v1/webhooks/${webhook.id}`, { method: "DELETE" });
      await refresh();
      announce("The webhook was deleted");
    },
  });
}

function fullWidth(element: HTMLElement): HTMLElement {
  element.classList.add("full");
  return element;
}
