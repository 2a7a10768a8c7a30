// Alerts and webhooks.

import * as z from "zod";
import { ALERT_KINDS } from "../../notices/alerts.ts";
import type { Answer, Operation } from "../../openapi/operation.ts";
import { BODY_ERRORS, MAKING_ERRORS } from "../../openapi/operation.ts";
import { ONCE, pathId } from "../../openapi/parameters.ts";
import { createAlertSchema } from "../alerts.ts";
import { amountNanoUsd, unixSeconds } from "../answers.ts";
import { listPage, pageSchema, WHOLE_LIST } from "../list-query.ts";
import { createWebhookSchema, patchWebhookSchema, rotateWebhookSchema } from "../webhooks.ts";
import { EVENT_TYPES } from "../../../shared/event-types.ts";

const tag = "Account";
const time = z.nullable(unixSeconds);

const alert = z.object({
  id: z.string(),
  object: z.literal("alert"),
  kind: z.enum(ALERT_KINDS),
  threshold_usd: z.string(),
  threshold_nano_usd: amountNanoUsd,
  created_at: time,
  last_triggered_at: time,
});
const ALERT = {
  id: "alert_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "alert",
  kind: "balance_below",
  threshold_usd: "1",
  threshold_nano_usd: 1_000_000_000,
  created_at: 1_790_000_000,
  last_triggered_at: null,
};

const webhook = z.object({
  id: z.string(),
  object: z.literal("webhook"),
  url: z.string(),
  events: z.nullable(z.array(z.enum(EVENT_TYPES))).describe("null: all."),
  status: z.enum(["active", "disabled"]),
  disabled_reason: z.nullable(z.string()),
  created_at: time,
  previous_secret_until: time.describe("Until when the secret that a rotation replaced signs too."),
  last_attempt: z.nullable(z.object({ at: time, detail: z.string() })),
});
const WEBHOOK = {
  id: "wh_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "webhook",
  url: "https://example.com/hooks",
  events: null,
  status: "active",
  disabled_reason: null,
  created_at: 1_790_000_000,
  previous_secret_until: null,
  last_attempt: null,
};

const alertId = pathId("id", "The alert's id.");
const webhookId = pathId("id", "The webhook's id.");

const deleted = (object: string, id: string): Answer => ({
  description: "It is gone.",
  name: object === "alert" ? "DeletedAlert" : "DeletedWebhook",
  schema: z.object({ id: z.string(), object: z.literal(object), deleted: z.literal(true) }),
  example: { id, object, deleted: true },
});

const createdWebhook: Answer = {
  description: "The webhook with its secret: shown this once.",
  name: "CreatedWebhook",
  schema: webhook.extend({
    secret: z.nullable(z.string()).describe("Null in a repeat that comes over a minute later."),
  }),
  example: { ...WEBHOOK, secret: "whsec_…" },
};

const alerts: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/alerts",
    id: "listAlerts",
    tag,
    summary: "All alerts",
    auth: "key",
    parameters: WHOLE_LIST,
    answers: {
      200: {
        description: "Alerts, and whether this deployment sends e-mail.",
        name: "Alerts",
        schema: pageSchema(alert).extend({ email: z.enum(["configured", "not_configured"]) }),
        example: { ...listPage([ALERT], false), email: "not_configured" },
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "post",
    path: "/v1/alerts",
    id: "createAlert",
    tag,
    summary: "Be told when spend or balance crosses a threshold",
    auth: "key",
    body: {
      name: "CreateAlertRequest",
      schema: createAlertSchema,
      example: { kind: "balance_below", threshold_usd: 1 },
    },
    answers: { 201: { description: "The alert.", name: "Alert", schema: alert, example: ALERT } },
    parameters: [ONCE],
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "incompatible_options", "limit_reached"],
  },
  {
    method: "delete",
    path: "/v1/alerts/{id}",
    id: "deleteAlert",
    tag,
    summary: "Delete an alert",
    auth: "key",
    parameters: [alertId],
    answers: { 200: deleted("alert", ALERT.id) },
    errors: ["object_not_found"],
  },
];

const webhooks: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/webhooks",
    id: "listWebhooks",
    tag,
    summary: "All webhooks",
    auth: "key",
    parameters: WHOLE_LIST,
    answers: {
      200: {
        description: "Webhooks, without their secrets.",
        name: "Webhooks",
        schema: pageSchema(webhook),
        example: listPage([WEBHOOK], false),
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "post",
    path: "/v1/webhooks",
    id: "createWebhook",
    tag,
    summary: "Have events sent to a URL",
    description: "Signed as Standard Webhooks says.",
    auth: "key",
    body: { name: "CreateWebhookRequest", schema: createWebhookSchema, example: { url: WEBHOOK.url } },
    answers: { 201: createdWebhook },
    parameters: [ONCE],
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "limit_reached"],
  },
  {
    method: "get",
    path: "/v1/webhooks/{id}",
    id: "getWebhook",
    tag,
    summary: "One webhook",
    auth: "key",
    parameters: [webhookId],
    answers: { 200: { description: "The webhook.", name: "Webhook", schema: webhook, example: WEBHOOK } },
    errors: ["object_not_found"],
  },
  {
    method: "patch",
    path: "/v1/webhooks/{id}",
    id: "patchWebhook",
    tag,
    summary: "Change where events go, or which",
    description: "One that goes to another address is active again. `events: null`: all of them.",
    auth: "key",
    parameters: [webhookId],
    body: { name: "PatchWebhookRequest", schema: patchWebhookSchema, example: { events: ["batch.completed"] } },
    answers: { 200: { description: "The webhook.", name: "Webhook", schema: webhook, example: WEBHOOK } },
    errors: [...BODY_ERRORS, "object_not_found"],
  },
  {
    method: "post",
    path: "/v1/webhooks/{id}/rotate",
    id: "rotateWebhook",
    tag,
    summary: "Give a webhook a new signing secret",
    description: "The old one signs too for `overlap_s` seconds, a day unless told: a receiver takes either.",
    auth: "key",
    parameters: [webhookId, ONCE],
    body: { name: "RotateWebhookRequest", schema: rotateWebhookSchema, example: { overlap_s: 86_400 } },
    answers: { 200: createdWebhook },
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "object_not_found"],
  },
  {
    method: "delete",
    path: "/v1/webhooks/{id}",
    id: "deleteWebhook",
    tag,
    summary: "Delete a webhook",
    auth: "key",
    parameters: [webhookId],
    answers: { 200: deleted("webhook", WEBHOOK.id) },
    errors: ["object_not_found"],
  },
  {
    method: "post",
    path: "/v1/webhooks/{id}/test",
    id: "testWebhook",
    tag,
    summary: "Send a signed test event now",
    description: "At most once in 10 seconds. A success makes a disabled webhook active again.",
    auth: "key",
    parameters: [webhookId],
    answers: {
      200: {
        description: "What came of it.",
        name: "WebhookTest",
        schema: z.object({
          id: z.string(),
          object: z.literal("webhook.test"),
          delivered: z.boolean(),
          detail: z.string(),
        }),
        example: { id: WEBHOOK.id, object: "webhook.test", delivered: true, detail: "200" },
      },
    },
    errors: ["object_not_found"],
  },
];

export const NOTICES: readonly Operation[] = [...alerts, ...webhooks];
