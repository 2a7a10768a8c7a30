// Webhooks: addresses that are sent alerts and batch events, signed. The signing secret is shown once.

import type { VNode } from "preact";
import { call } from "./api.ts";
import { openForm, openNotice, openSecret } from "./dialog.tsx";
import { Check, Field } from "./fields.tsx";
import { formatTime } from "./format.ts";
import { Panel, Table, action, badge, button } from "./parts.tsx";
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

export function webhooksPanel(webhooks: readonly Webhook[]): VNode {
  return (
    <Panel title="Webhooks" isFull>
      <p class="muted small">
        Signed as Standard Webhooks specifies. Verify with the secret that is shown when you add one.
      </p>
      {webhooks.length > 0 && (
        <Table label="Webhooks" columns={["Address", "Events", "State", "Last attempt"]} hasActions>
          {webhooks.map(row)}
        </Table>
      )}
      <p class="actions">{button("Add webhook", addWebhook)}</p>
    </Panel>
  );
}

function row(webhook: Webhook): VNode {
  const { url, events, status, disabled_reason: reason, last_attempt: last } = webhook;
  return (
    <tr key={webhook.id}>
      <th scope="row">
        <code>{url}</code>
      </th>
      <td>{events === null ? "all" : events.join(", ")}</td>
      <td>
        {badge(status)}
        {reason !== null && ` ${reason}`}
      </td>
      <td>{last === null ? "none yet" : `${formatTime(last.at)}: ${last.detail}`}</td>
      <td class="actions-cell">
        {action("Test", url, () => testWebhook(webhook))}
        {action("Change", url, () => changeWebhook(webhook))}
        {action("Rotate", url, () => rotateWebhook(webhook))}
        {action("Delete", url, () => deleteWebhook(webhook), "danger")}
      </td>
    </tr>
  );
}

function addWebhook(): void {
  openForm({
    title: "Add webhook",
    fields: termFields(undefined),
    submit: "Add",
    onSubmit: async (data) => {
      const { url, events } = termsOf(data);
      const terms = events === null ? { url } : { url, events };
      const { body } = await call<CreatedWebhook>("POST", "/v1/webhooks", terms);
      showSecret("The webhook’s signing secret", body);
    },
    done: "The webhook was added",
  });
}

function changeWebhook(webhook: Webhook): void {
  openForm({
    title: "Change the webhook",
    fields: termFields(webhook),
    submit: "Save",
    onSubmit: (data) => call("PATCH", `/v1/webhooks/${webhook.id}`, termsOf(data)),
    done: "The webhook was saved",
  });
}

/** The address, and a box for each event. */
function termFields(webhook: Webhook | undefined): VNode {
  const chosen = webhook?.events ?? EVENT_TYPES;
  return (
    <div class="fields">
      <Field
        label="Address"
        name="url"
        type="url"
        required
        placeholder="https://"
        autocomplete="off"
        defaultValue={webhook?.url}
        help="A public https address"
        isFull
      />
      <fieldset class="full">
        <legend>Events</legend>
        {EVENT_TYPES.map((type) => (
          <Check name="events" value={type} label={type} isChecked={chosen.includes(type)} />
        ))}
      </fieldset>
    </div>
  );
}

/** `events` null: all, including those added later. */
function termsOf(data: FormData): {
  readonly url: FormDataEntryValue | null;
  readonly events: readonly string[] | null;
} {
  const events = data.getAll("events").map(String);
  return { url: data.get("url"), events: events.length === EVENT_TYPES.length ? null : events };
}

function rotateWebhook(webhook: Webhook): void {
  openForm({
    title: "Rotate the signing secret?",
    fields: (
      <>
        <p>
          What goes to <code>{webhook.url}</code> is signed with a new secret. The old one can sign too for a day, so
          that the receiver takes either.
        </p>
        <Check name="overlap" label="Sign with the old secret too for 24 hours" isChecked />
      </>
    ),
    submit: "Rotate",
    onSubmit: async (data) => {
      const body = { overlap_s: data.get("overlap") === null ? 0 : OVERLAP_S };
      const rotated = await call<CreatedWebhook>("POST", `/v1/webhooks/${webhook.id}/rotate`, body);
      showSecret("The new signing secret", rotated.body);
    },
    done: "The signing secret was rotated",
  });
}

function showSecret(title: string, { secret }: CreatedWebhook): void {
  openSecret(title, "Signing secret", secret, "Copy it now: it is shown once.");
}

function testWebhook(webhook: Webhook): void {
  openForm({
    title: "Send a test?",
    fields: (
      <p>
        A signed webhook.test goes to <code>{webhook.url}</code> now.
      </p>
    ),
    submit: "Send",
    onSubmit: async () => {
      const { body } = await call<TestResult>("POST", `/v1/webhooks/${webhook.id}/test`, {});
      openNotice(body.delivered ? "Delivered" : "Not delivered", <p>{body.detail}</p>);
    },
    done: "The test was sent",
  });
}

function deleteWebhook(webhook: Webhook): void {
  openForm({
    title: "Delete the webhook?",
    fields: (
      <p>
        <code>{webhook.url}</code> receives nothing any more.
      </p>
    ),
    submit: "Delete",
    isDangerous: true,
    onSubmit: () => call("DELETE", `/v1/webhooks/${webhook.id}`),
    done: "The webhook was deleted",
  });
}
