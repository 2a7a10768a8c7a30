// /v1/alerts: thresholds on an account's spend and balance. What crosses one is told to the account's webhooks, and to
// its e-mail address where this deployment sends e-mail.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { AlertRecord } from "../notices/alerts.ts";
import { ALERT_KINDS, ALERTS_MAX } from "../notices/alerts.ts";
import type { Context } from "../context.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { answerRepeat, keyReused, onceOf } from "../middleware/once.ts";
import { isRepeat } from "../lib/made-once.ts";
import type { Repeat } from "../lib/made-once.ts";
import { acted } from "../middleware/acted.ts";
import { emailConfig } from "../notices/settings.ts";
import { readAmount } from "./amount.ts";
import { seconds } from "./answers.ts";
import { listPage, pageOfAll } from "./list-query.ts";
import { apiError } from "../../shared/errors.ts";
import { parseId } from "../../shared/ids.ts";
import { formatUsd } from "../../shared/money.ts";
import { integer, oneOf, parseBody } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
const USD_RULE = "an amount of USD above 0 with at most 9 decimals, like 5 or 0.25";

export const createAlertSchema = z.strictObject({
  kind: oneOf(ALERT_KINDS),
  threshold_usd: z.union([z.number(), z.string()], { error: () => USD_RULE }).optional(),
  threshold_nano_usd: integer(1, Number.MAX_SAFE_INTEGER).optional(),
});

export async function createAlert(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
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

export async function listAlerts(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "usage:read");
  const alerts = acted(await accountStub(c.env, accountId).listAlerts());
  const page = await pageOfAll(c, accountId, "alert", alerts);
  return c.json({
    ...listPage(page.items.map(alertAnswer), page.hasMore),
    email: emailConfig(c.env) === undefined ? "not_configured" : "configured",
  });
}

export async function deleteAlert(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const id = parseId("alert", c.req.param("id") ?? "");
  const outcome = id === undefined ? "unknown" : acted(await accountStub(c.env, accountId).deleteAlert(id, by));
  if (outcome !== "deleted") throw apiError("object_not_found", "No such alert in this account.", "id");
  return c.json({ id, object: "alert", deleted: true });
}

export function alertAnswer(alert: AlertRecord) {
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
