// Webhooks of the account: addresses that are told of alerts and batches, signed; the secret is shown once. Address and
// events can be changed, the secret rotated.

import { call } from "./api.ts";
import { field, openForm, openNotice } from "./dialog.tsx";
import { announce, copyButton, h, scrollable } from "./dom.ts";
import { formatTime } from "./format.ts";
import type { Webhook } from "./types.ts";
import { EVENT_TYPES } from "../../../shared/event-types.ts";

interface CreatedWebhook extends Webhook {
  readonly secret: string;
}

interface TestResult {
  readonly delivered: boolean;
  readonly detail: string;
}

const OVERLAP_S = 86_400;

/** Of each row, as buttons. */
const ACTS: readonly {
  readonly name: string;
  readonly isDangerous?: boolean;
  readonly act: (webhook: Webhook, refresh: () => Promise<void>) => void;
}[] = [
  { name: "Test", act: testWebhook },
  { name: "Change", act: changeWebhook },
  { name: "Rotate", act: rotateWebhook },
  { name: "Delete", isDangerous: true, act: deleteWebhook },
];

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
  const names = ["Address", "Events", "State", "Last attempt"];
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
    h("td", {}, webhook.events === null ? "all" : webhook.events.join(", ")),
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
      ...ACTS.map(({ name, isDangerous, act }) =>
        h(
          "button",
          {
            type: "button",
            class: isDangerous === true ? "quiet danger" : "quiet",
            "aria-label": `${name} ${webhook.url}`,
            onclick: () => act(webhook, refresh),
          },
          name,
        ),
      ),
    ),
  );
}

function addWebhook(refresh: () => Promise<void>): void {
  openForm({
    title: "Add webhook",
    fields: termFields(undefined),
    submit: "Add",
    onSubmit: async (data) => {
      const { url, events } = termsOf(data);
      const terms = events === null ? { url } : { url, events };
      const { body } = await call<CreatedWebhook>("/v1/webhooks", { method: "POST", body: terms });
      await refresh();
      showOnce(body, "The webhook’s signing secret");
    },
  });
}

function changeWebhook(webhook: Webhook, refresh: () => Promise<void>): void {
  openForm({
    title: "Change the webhook",
    fields: termFields(webhook),
    submit: "Save",
    onSubmit: async (data) => {
      await call(`/v1/webhooks/${webhook.id}`, { method: "PATCH", body: termsOf(data) });
      await refresh();
      announce("The webhook was saved");
    },
  });
}

/** The address, and a box for each event. */
function termFields(webhook: Webhook | undefined): readonly HTMLElement[] {
  const chosen = webhook?.events ?? EVENT_TYPES;
  const url = h("input", {
    name: "url",
    type: "url",
    required: true,
    placeholder: "https://",
    autocomplete: "off",
    value: webhook?.url ?? "",
  });
  const boxes = EVENT_TYPES.map((type) =>
    h(
      "label",
      { class: "check" },
      h("input", { type: "checkbox", name: "events", value: type, checked: chosen.includes(type) }),
      type,
    ),
  );
  return [
    h(
      "div",
      { class: "fields" },
      fullWidth(field("Address", url, "Public https addresses alone")),
      fullWidth(h("fieldset", {}, h("legend", {}, "Events"), ...boxes)),
    ),
  ];
}

/** `events` null: all, those too that come to be later. */
function termsOf(data: FormData): {
  readonly url: FormDataEntryValue | null;
  readonly events: readonly string[] | null;
} {
  const events = data.getAll("events").map(String);
  return { url: data.get("url"), events: events.length === EVENT_TYPES.length ? null : events };
}

function rotateWebhook(webhook: Webhook, refresh: () => Promise<void>): void {
  openForm({
    title: "Rotate the signing secret?",
    fields: [
      h(
        "p",
        {},
        "What goes to ",
        h("code", {}, webhook.url),
        " is signed with a new secret. The old one can sign too for a day, so that the receiver takes either.",
      ),
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "overlap", checked: true }),
        "Sign with the old secret too for 24 hours",
      ),
    ],
    submit: "Rotate",
    onSubmit: async (data) => {
      const body = { overlap_s: data.get("overlap") === null ? 0 : OVERLAP_S };
      const rotated = await call<CreatedWebhook>(`/v1/webhooks/${webhook.id}/rotate`, { method: "POST", body });
      await refresh();
      showOnce(rotated.body, "The signing secret that takes over");
    },
  });
}

function showOnce(webhook: CreatedWebhook, title: string): void {
  openNotice(title, [
    h("p", {}, "Copy it now: it is shown once."),
    h(
      "p",
      { class: "secret" },
      h("input", { readonly: true, value: webhook.secret, "aria-label": "Signing secret" }),
      copyButton(() => webhook.secret),
    ),
  ]);
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
