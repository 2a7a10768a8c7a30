// /v1/alerts: thresholds on an account's spend and balance. What crosses one is told to the account's webhooks, and to
// its e-mail address where this deployment sends e-mail.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { Context } from "../context.ts";
import type { Repeat } from "../lib/made-once.ts";
import { isRepeat } from "../lib/made-once.ts";
import { acted } from "../middleware/acted.ts";
import type { Caller } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../middleware/once.ts";
import type { AlertRecord } from "../notices/alerts.ts";
import { ALERTS_MAX, ALERT_KINDS } from "../notices/alerts.ts";
import { emailConfig } from "../notices/settings.ts";
import { ONCE } from "../openapi/parameters.ts";
import { nanoUsdField, readAmount, usdField } from "./amount.ts";
import { amountNanoUsd, deletedAnswer, seconds, unixSeconds } from "./answers.ts";
import { WHOLE_LIST, listPage, pageOfAll, pageSchema } from "./list-query.ts";
import { idInPath, idParameter, known } from "./object-in-path.ts";
import type { Route } from "./route.ts";
import { apiError } from "../../shared/errors.ts";
import { formatUsd } from "../../shared/money.ts";
import { oneOf, parseBody } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;

const createAlertSchema = z.strictObject({
  kind: oneOf(ALERT_KINDS),
  threshold_usd: usdField,
  threshold_nano_usd: nanoUsdField,
});

const alertSchema = z.object({
  id: z.string(),
  object: z.literal("alert"),
  kind: z.enum(ALERT_KINDS),
  threshold_usd: z.string(),
  threshold_nano_usd: amountNanoUsd,
  created_at: z.nullable(unixSeconds),
  last_triggered_at: z.nullable(unixSeconds),
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

export function alertAnswer(alert: AlertRecord): z.output<typeof alertSchema> {
  return {
    id: alert.id,
    object: "alert",
    kind: alert.kind,
    threshold_usd: formatUsd(alert.thresholdNanoUsd),
    threshold_nano_usd: alert.thresholdNanoUsd,
    created_at: seconds(alert.createdAtMs),
    last_triggered_at: seconds(alert.lastFiredAtMs),
  };
}

export const ALERTS: readonly Route[] = [
  {
    method: "get",
    path: "/v1/alerts",
    id: "listAlerts",
    tag: "Account",
    summary: "All alerts",
    auth: "key",
    scope: "usage:read",
    parameters: WHOLE_LIST,
    answers: {
      200: {
        description: "Alerts, and whether this deployment sends e-mail.",
        name: "Alerts",
        schema: pageSchema(alertSchema).extend({ email: z.enum(["configured", "not_configured"]) }),
        example: { ...listPage([ALERT], false), email: "not_configured" },
      },
    },
    handler: listAlerts,
  },
  {
    method: "post",
    path: "/v1/alerts",
    id: "createAlert",
    tag: "Account",
    summary: "Be told when spend or balance crosses a threshold",
    auth: "key",
    scope: "account:write",
    body: {
      name: "CreateAlertRequest",
      schema: createAlertSchema,
      example: { kind: "balance_below", threshold_usd: 1 },
    },
    answers: { 201: { description: "The alert.", name: "Alert", schema: alertSchema, example: ALERT } },
    parameters: [ONCE],
    errors: ["incompatible_options", "limit_reached"],
    handler: createAlert,
  },
  {
    method: "delete",
    path: "/v1/alerts/{id}",
    id: "deleteAlert",
    tag: "Account",
    summary: "Delete an alert",
    auth: "key",
    scope: "account:write",
    parameters: [idParameter("alert")],
    answers: { 200: deletedAnswer("DeletedAlert", "alert", ALERT.id) },
    handler: deleteAlert,
  },
];

async function createAlert(c: Context, { accountId, by }: Caller): Promise<Response> {
  const body = parseBody(createAlertSchema, await readJson(c, BODY_BYTES_MAX));
  const thresholdNanoUsd = readAmount("threshold", body.threshold_usd, body.threshold_nano_usd);
  const created: AlertRecord | Repeat<AlertRecord> | "too_many" | "reused" = acted(
    await accountStub(c.env, accountId).createAlert({ kind: body.kind, thresholdNanoUsd }, by, onceOf(c)),
  );
  if (created === "too_many")
    throw apiError("limit_reached", `An account has at most ${ALERTS_MAX} alerts: delete one first.`);
  if (created === "reused") throw keyReused();
  return isRepeat(created) ? answerRepeat(c, alertAnswer(created.again), 201) : c.json(alertAnswer(created), 201);
}

async function listAlerts(c: Context, { accountId }: Caller): Promise<Response> {
  const alerts = acted(await accountStub(c.env, accountId).listAlerts());
  const page = await pageOfAll(c, accountId, "alert", alerts);
  return c.json({
    ...listPage(page.items.map(alertAnswer), page.hasMore),
    email: emailConfig(c.env) === undefined ? "not_configured" : "configured",
  });
}

async function deleteAlert(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "alert");
  known("alert", acted(await accountStub(c.env, accountId).deleteAlert(id, by)));
  return c.json({ id, object: "alert", deleted: true });
}
