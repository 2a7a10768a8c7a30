// /v1/alerts: thresholds of an account's spend and balance. Crossing one is announced to the account's webhooks, and to
// its e-mail address where the deployment sends e-mail.

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
import { always, described, field } from "../openapi/described.ts";
import { amountNanoUsd, answerOf, deletedAnswer, ownId, seconds, time } from "./answers.ts";
import { WHOLE_LIST, listPage, pageOfAll, pageSchema } from "./list-query.ts";
import { idInPath, idParameter, known } from "./object-in-path.ts";
import { keyRoutes } from "./route.ts";
import { apiError } from "../../shared/errors.ts";
import { formatUsd } from "../../shared/money.ts";
import { oneOf, parseBody } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;

const createAlertSchema = z.strictObject({
  kind: oneOf(ALERT_KINDS),
  threshold_usd: usdField,
  threshold_nano_usd: nanoUsdField,
});

export const ALERT = described<AlertRecord>({
  id: ownId("alert"),
  object: always("alert"),
  kind: field(z.enum(ALERT_KINDS), ({ kind }) => kind, "balance_below"),
  threshold_usd: field(z.string(), ({ thresholdNanoUsd }) => formatUsd(thresholdNanoUsd), "1"),
  threshold_nano_usd: field(amountNanoUsd, ({ thresholdNanoUsd }) => thresholdNanoUsd, 1_000_000_000),
  created_at: field(time, ({ createdAtMs }) => seconds(createdAtMs), 1_790_000_000),
  last_triggered_at: field(time, ({ lastFiredAtMs }) => seconds(lastFiredAtMs), null),
});

export const ALERTS = keyRoutes("Account", "account:write", [
  {
    method: "get",
    path: "/v1/alerts",
    id: "listAlerts",
    summary: "All alerts",
    scope: "usage:read",
    parameters: WHOLE_LIST,
    answers: {
      200: {
        description: "Alerts, and whether this deployment sends e-mail.",
        name: "Alerts",
        schema: pageSchema(ALERT.schema).extend({ email: z.enum(["configured", "not_configured"]) }),
        example: { ...listPage([ALERT.example], false), email: "not_configured" },
      },
    },
    handler: listAlerts,
  },
  {
    method: "post",
    path: "/v1/alerts",
    id: "createAlert",
    summary: "Be told when spend or balance crosses a threshold",
    body: {
      name: "CreateAlertRequest",
      schema: createAlertSchema,
      example: { kind: "balance_below", threshold_usd: 1 },
    },
    answers: { 201: answerOf("Alert", "The alert.", ALERT) },
    parameters: [ONCE],
    errors: ["incompatible_options", "limit_reached"],
    handler: createAlert,
  },
  {
    method: "delete",
    path: "/v1/alerts/{id}",
    id: "deleteAlert",
    summary: "Delete an alert",
    parameters: [idParameter("alert")],
    answers: { 200: deletedAnswer("DeletedAlert", "alert") },
    handler: deleteAlert,
  },
]);

async function createAlert(c: Context, { accountId, by }: Caller): Promise<Response> {
  const body = parseBody(createAlertSchema, await readJson(c, BODY_BYTES_MAX));
  const thresholdNanoUsd = readAmount("threshold", body.threshold_usd, body.threshold_nano_usd);
  const created: AlertRecord | Repeat<AlertRecord> | "too_many" | "reused" = acted(
    await accountStub(c.env, accountId).createAlert({ kind: body.kind, thresholdNanoUsd }, by, onceOf(c)),
  );
  if (created === "too_many")
    throw apiError("limit_reached", `An account has at most ${ALERTS_MAX} alerts: delete one first.`);
  if (created === "reused") throw keyReused();
  return isRepeat(created) ? answerRepeat(c, ALERT.of(created.again), 201) : c.json(ALERT.of(created), 201);
}

async function listAlerts(c: Context, { accountId }: Caller): Promise<Response> {
  const alerts = acted(await accountStub(c.env, accountId).listAlerts());
  const page = await pageOfAll(c, accountId, "alert", alerts);
  return c.json({
    ...listPage(page.items.map(ALERT.of), page.hasMore),
    email: emailConfig(c.env) === undefined ? "not_configured" : "configured",
  });
}

async function deleteAlert(c: Context, { accountId, by }: Caller): Promise<Response> {
  const id = idInPath(c, "alert");
  known("alert", acted(await accountStub(c.env, accountId).deleteAlert(id, by)));
  return c.json({ id, object: "alert", deleted: true });
}
