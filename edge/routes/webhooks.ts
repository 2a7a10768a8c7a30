// /v1/webhooks: addresses that are sent the account's alerts and other events, signed as Standard Webhooks says. The
// secret is shown once. Another account's webhook is unknown.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { CreatedWebhook, WebhookView } from "../account/account-notices.ts";
import type { Context } from "../context.ts";
import type { Repeat } from "../lib/made-once.ts";
import { isRepeat } from "../lib/made-once.ts";
import { acted } from "../middleware/acted.ts";
import type { Caller } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../middleware/once.ts";
import { WEBHOOKS_MAX } from "../notices/notice-store.ts";
import { allowsLoopback, ownHosts } from "../notices/settings.ts";
import type { Outcome } from "../notices/sinks.ts";
import { judgeTarget } from "../notices/target.ts";
import type { Answer } from "../openapi/operation.ts";
import { ONCE } from "../openapi/parameters.ts";
import { always, described, field } from "../openapi/described.ts";
import { answerOf, deletedAnswer, exampleId, ownId, seconds, time } from "./answers.ts";
import { WHOLE_LIST, listPage, pageAnswer, pageOfAll } from "./list-query.ts";
import { idInPath, idParameter, known } from "./object-in-path.ts";
import { keyRoutes } from "./route.ts";
import { apiError } from "../../shared/errors.ts";
import { EVENT_TYPES } from "../../shared/event-types.ts";
import { integer, oneOf, parseBody, parsePatch, text } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 8192;
const OVERLAP_S_MAX = 7 * 86_400;
/** As at Stripe and Svix. */
const OVERLAP_S = 86_400;

const fields = {
  url: text("an https URL"),
  events: z
    .array(oneOf(EVENT_TYPES), { error: () => "an array of event types" })
    .min(1, { error: "at least one event type" })
    .max(EVENT_TYPES.length, { error: `at most ${EVENT_TYPES.length} event types` }),
};
const createWebhookSchema = z.strictObject({ url: fields.url, events: fields.events.optional() });
const patchWebhookSchema = z.strictObject({
  url: fields.url.optional(),
  events: fields.events.nullable().optional(),
});
const rotateWebhookSchema = z.strictObject({ overlap_s: integer(0, OVERLAP_S_MAX).default(OVERLAP_S) });

export const WEBHOOK = described<WebhookView>({
  id: ownId("webhook"),
  object: always("webhook"),
  url: field(z.string(), ({ url }) => url, "https://example.com/hooks"),
  events: field<WebhookView, unknown>(
    z.nullable(z.array(z.enum(EVENT_TYPES))).describe("null: all."),
    ({ events }) => events ?? null,
    null,
  ),
  status: field(
    z.enum(["active", "disabled"]),
    ({ disabledReason }) => (disabledReason === undefined ? "active" : "disabled"),
    "active",
  ),
  disabled_reason: field(z.nullable(z.string()), ({ disabledReason }) => disabledReason ?? null, null),
  created_at: field(time, ({ createdAtMs }) => seconds(createdAtMs), 1_790_000_000),
  previous_secret_until: field(
    time.describe("Until then, the secret that a rotation replaced signs too."),
    ({ previousUntilMs }) => seconds(previousUntilMs),
    null,
  ),
  last_attempt: field(
    z.nullable(z.object({ at: time, detail: z.string() })),
    ({ lastAttempt }) =>
      lastAttempt === undefined ? null : { at: seconds(lastAttempt.atMs), detail: lastAttempt.detail },
    null,
  ),
});

const WEBHOOK_ANSWER = answerOf("Webhook", "The webhook.", WEBHOOK);
const CREATED_WEBHOOK_ANSWER: Answer = {
  description: "The webhook with its secret, shown only here.",
  name: "CreatedWebhook",
  schema: WEBHOOK.schema.extend({
    secret: z.nullable(z.string()).describe("Null in a repeat after more than a minute."),
  }),
  example: { ...WEBHOOK.example, secret: "whsec_…" },
};

export const WEBHOOKS = keyRoutes("Account", "account:write", [
  {
    method: "get",
    path: "/v1/webhooks",
    id: "listWebhooks",
    summary: "All webhooks",
    parameters: WHOLE_LIST,
    answers: { 200: pageAnswer("Webhooks", "Webhooks, without their secrets.", WEBHOOK) },
    handler: listWebhooks,
  },
  {
    method: "post",
    path: "/v1/webhooks",
    id: "createWebhook",
    summary: "Have events sent to a URL",
    description: "Signed as Standard Webhooks says.",
    body: { name: "CreateWebhookRequest", schema: createWebhookSchema, example: { url: "https://example.com/hooks" } },
    answers: { 201: CREATED_WEBHOOK_ANSWER },
    parameters: [ONCE],
    errors: ["limit_reached"],
    handler: createWebhook,
  },
  {
    method: "get",
    path: "/v1/webhooks/{id}",
    id: "getWebhook",
    summary: "One webhook",
    parameters: [idParameter("webhook")],
    answers: { 200: WEBHOOK_ANSWER },
    handler: getWebhook,
  },
  {
    method: "patch",
    path: "/v1/webhooks/{id}",
    id: "patchWebhook",
    summary: "Change where events go, or which",
    description: "A new address makes it active again. `events: null`: all events.",
    parameters: [idParameter("webhook")],
    body: { name: "PatchWebhookRequest", schema: patchWebhookSchema, example: { events: ["batch.completed"] } },
    answers: { 200: WEBHOOK_ANSWER },
    handler: patchWebhook,
  },
  {
    method: "post",
    path: "/v1/webhooks/{id}/rotate",
    id: "rotateWebhook",
    summary: "Give a webhook a new signing secret",
    description:
      "The old secret signs too for `overlap_s` seconds, a day by default, so that a receiver may accept either.",
    parameters: [idParameter("webhook"), ONCE],
    body: { name: "RotateWebhookRequest", schema: rotateWebhookSchema, example: { overlap_s: 86_400 } },
    answers: { 200: CREATED_WEBHOOK_ANSWER },
    handler: rotateWebhook,
  },
  {
    method: "delete",
    path: "/v1/webhooks/{id}",
    id: "deleteWebhook",
    summary: "Delete a webhook",
    parameters: [idParameter("webhook")],
    answers: { 200: deletedAnswer("DeletedWebhook", "webhook") },
    handler: deleteWebhook,
  },
  {
    method: "post",
    path: "/v1/webhooks/{id}/test",
    id: "testWebhook",
    summary: "Send a signed test event now",
    description: "At most once in 10 seconds. A success makes a disabled webhook active again.",
    parameters: [idParameter("webhook")],
    answers: {
      200: {
        description: "The outcome.",
        name: "WebhookTest",
        schema: z.object({
          id: z.string(),
          object: z.literal("webhook.test"),
          delivered: z.boolean(),
          detail: z.string(),
        }),
        example: { id: exampleId("webhook"), object: "webhook.test", delivered: true, detail: "200" },
      },
    },
    handler: testWebhook,
  },
]);

async function createWebhook(c: Context, { accountId, by }: Caller): Promise<Response> {
  const body = parseBody(createWebhookSchema, await readJson(c, BODY_BYTES_MAX));
  const webhook = { url: targetOf(c, body.url), ...(body.events === undefined ? {} : { events: body.events }) };
  const created: CreatedWebhook | Repeat<WebhookView> | "too_many" | "reused" = acted(
    await accountStub(c.env, accountId).createWebhook(webhook, by, onceOf(c)),
  );
  if (created === "too_many")
    throw apiError("limit_reached", `An account has at most ${WEBHOOKS_MAX} webhooks: delete one first.`);
  return answerCreated(c, created, 201);
}

/** `events: null`: all events. */
async function patchWebhook(c: Context, { accountId, by }: Caller): Promise<Response> {
  const { url, events } = parsePatch(patchWebhookSchema, await readJson(c, BODY_BYTES_MAX));
  const patch = {
    ...(url === undefined ? {} : { url: targetOf(c, url) }),
    ...(events === undefined ? {} : { events }),
  };
  const patched: WebhookView | "unknown" = acted(
    await accountStub(c.env, accountId).patchWebhook(idInPath(c, "webhook"), patch, by),
  );
  return c.json(WEBHOOK.of(known("webhook", patched)));
}

async function rotateWebhook(c: Context, { accountId, by }: Caller): Promise<Response> {
  const { overlap_s: overlapS } = parseBody(rotateWebhookSchema, await readJson(c, BODY_BYTES_MAX));
  const rotated: CreatedWebhook | Repeat<WebhookView> | "unknown" | "reused" = acted(
    await accountStub(c.env, accountId).rotateWebhook(idInPath(c, "webhook"), overlapS * 1000, by, onceOf(c)),
  );
  return answerCreated(c, known("webhook", rotated), 200);
}

/** The address in its stored form. Throws ApiError. */
function targetOf(c: Context, url: string): string {
  const target = judgeTarget(url, allowsLoopback(c.env), ownHosts(c.env, c.req.url));
  if (target.kind === "allowed") return target.url;
  throw apiError("invalid_value", `\`url\` must be ${target.rule}.`, "url");
}

async function listWebhooks(c: Context, { accountId }: Caller): Promise<Response> {
  const webhooks = acted(await accountStub(c.env, accountId).listWebhooks());
  const page = await pageOfAll(c, accountId, "webhook", webhooks);
  return c.json(listPage(page.items.map(WEBHOOK.of), page.hasMore));
}

async function getWebhook(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(WEBHOOK.of(known("webhook", await accountStub(c.env, accountId).getWebhook(idInPath(c, "webhook")))));
}

async function deleteWebhook(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "webhook");
  known("webhook", acted(await accountStub(c.env, accountId).deleteWebhook(id, by)));
  return c.json({ id, object: "webhook", deleted: true });
}

/** Sends a signed `webhook.test` now. Success makes a disabled webhook active again. */
async function testWebhook(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "webhook");
  const outcome: Outcome | "too_soon" = known(
    "webhook",
    acted(await accountStub(c.env, accountId).testWebhook(id, by)),
  );
  if (outcome === "too_soon")
    throw apiError("rate_limit_exceeded", "A webhook is tested at most once in 10 s.", null, 10);
  return c.json({
    id,
    object: "webhook.test",
    delivered: outcome.kind === "delivered",
    detail: outcome.detail,
  });
}

function answerCreated(
  c: Context,
  created: CreatedWebhook | Repeat<WebhookView> | "reused",
  status: 200 | 201,
): Response {
  if (created === "reused") throw keyReused();
  if (!isRepeat(created)) return c.json({ ...WEBHOOK.of(created), secret: created.secret }, status);
  return answerRepeat(c, { ...WEBHOOK.of(created.again), secret: created.secret }, status);
}
