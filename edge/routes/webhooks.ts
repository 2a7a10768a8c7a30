// /v1/webhooks: addresses that are told of alerts (and of whatever else the account announces), signed as Standard
// Webhooks says. The secret is shown once. Another account's webhook is unknown.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { CreatedWebhook, WebhookView } from "../account/account-with-notices.ts";
import { WEBHOOKS_MAX } from "../notices/notice-store.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../middleware/once.ts";
import { isRepeat } from "../lib/made-once.ts";
import type { Repeat } from "../lib/made-once.ts";
import { acted } from "../middleware/acted.ts";
import { allowsLoopback, ownHosts } from "../notices/settings.ts";
import type { Outcome } from "../notices/sinks.ts";
import { judgeTarget } from "../notices/target.ts";
import { seconds } from "./answers.ts";
import { listPage, pageOfAll } from "./list-query.ts";
import { apiError } from "../../shared/errors.ts";
import { EVENT_TYPES } from "../../shared/event-types.ts";
import type { Id } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import { integer, oneOf, parseBody, parsePatch, text } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 8192;

const OVERLAP_S_MAX = 7 * 86_400;
/** As Stripe's and Svix's. */
const OVERLAP_S = 86_400;

const fields = {
  url: text("an https URL"),
  events: z
    .array(oneOf(EVENT_TYPES), { error: () => "an array of event types" })
    .min(1, { error: "at least one event type" })
    .max(EVENT_TYPES.length, { error: `at most ${EVENT_TYPES.length} event types` }),
};
export const createWebhookSchema = z.strictObject({ url: fields.url, events: fields.events.optional() });
export const patchWebhookSchema = z.strictObject({
  url: fields.url.optional(),
  events: fields.events.nullable().optional(),
});
export const rotateWebhookSchema = z.strictObject({ overlap_s: integer(0, OVERLAP_S_MAX).default(OVERLAP_S) });

export async function createWebhook(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const body = parseBody(createWebhookSchema, await readJson(c, BODY_BYTES_MAX));
  const webhook = { url: targetOf(c, body.url), ...(body.events === undefined ? {} : { events: body.events }) };
  const created: CreatedWebhook | Repeat<WebhookView> | "too_many" | "reused" = acted(
    await accountStub(c.env, accountId).createWebhook(webhook, by, onceOf(c)),
  );
  if (created === "too_many")
    throw apiError("limit_reached", `An account has at most ${WEBHOOKS_MAX} webhooks: delete one first.`);
  return answerCreated(c, created, 201);
}

/** `events: null`: all of them. */
export async function patchWebhook(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const { url, events } = parsePatch(patchWebhookSchema, await readJson(c, BODY_BYTES_MAX));
  const patch = {
    ...(url === undefined ? {} : { url: targetOf(c, url) }),
    ...(events === undefined ? {} : { events }),
  };
  const patched: WebhookView | "unknown" = acted(await accountStub(c.env, accountId).patchWebhook(idOf(c), patch, by));
  return c.json(webhookAnswer(known(patched)));
}

export async function rotateWebhook(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const { overlap_s: overlapS } = parseBody(rotateWebhookSchema, await readJson(c, BODY_BYTES_MAX));
  const rotated: CreatedWebhook | Repeat<WebhookView> | "unknown" | "reused" = acted(
    await accountStub(c.env, accountId).rotateWebhook(idOf(c), overlapS * 1000, by, onceOf(c)),
  );
  return answerCreated(c, known(rotated), 200);
}

/** The address as it is stored, or throws ApiError. */
function targetOf(c: Context, url: string): string {
  const target = judgeTarget(url, allowsLoopback(c.env), ownHosts(c.env, c.req.url));
  if (target.kind === "allowed") return target.url;
  throw apiError("invalid_value", `\`url\` must be ${target.rule}.`, "url");
}

export async function listWebhooks(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "account:write");
  const webhooks = acted(await accountStub(c.env, accountId).listWebhooks());
  const page = await pageOfAll(c, accountId, "webhook", webhooks);
  return c.json(listPage(page.items.map(webhookAnswer), page.hasMore));
}

export async function getWebhook(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "account:write");
  return c.json(webhookAnswer(known(await accountStub(c.env, accountId).getWebhook(idOf(c)))));
}

export async function deleteWebhook(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const id = idOf(c);
  known(acted(await accountStub(c.env, accountId).deleteWebhook(id, by)));
  return c.json({ id, object: "webhook", deleted: true });
}

/** Sends a signed `webhook.test` now. A success makes a disabled webhook active again. */
export async function testWebhook(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const id = idOf(c);
  const outcome: Outcome | "too_soon" = known(acted(await accountStub(c.env, accountId).testWebhook(id, by)));
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
  if (!isRepeat(created)) return c.json({ ...webhookAnswer(created), secret: created.secret }, status);
  return answerRepeat(c, { ...webhookAnswer(created.again), secret: created.secret }, status);
}

export function webhookAnswer(webhook: WebhookView) {
  return {
    id: webhook.id,
    object: "webhook",
    url: webhook.url,
    events: webhook.events ?? null,
    status: webhook.disabledReason === undefined ? "active" : "disabled",
    disabled_reason: webhook.disabledReason ?? null,
    created_at: seconds(webhook.createdAtMs),
    previous_secret_until: seconds(webhook.previousUntilMs),
    last_attempt:
      webhook.lastAttempt === undefined
        ? null
        : { at: seconds(webhook.lastAttempt.atMs), detail: webhook.lastAttempt.detail },
  };
}

function idOf(c: Context): Id<"webhook"> {
  const id = parseId("webhook", c.req.param("id") ?? "");
  if (id === undefined) throw unknownWebhook();
  return id;
}

function known<Value>(value: Value | "unknown" | undefined): Value {
  if (value === undefined || value === "unknown") throw unknownWebhook();
  return value;
}

function unknownWebhook() {
  return apiError("object_not_found", "No such webhook in this account.", "id");
}
