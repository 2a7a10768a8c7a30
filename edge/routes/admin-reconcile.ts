// POST /admin/reconcile: one page of Stripe's events against the books; `npm run reconcile` asks for them all.

import * as z from "zod";
import type { Reconciled } from "../payments/reconcile.ts";
import { DAYS_MAX, reconcilePage, stripeOfConfig } from "../payments/reconcile.ts";
import type { Stripe } from "../billing/stripe.ts";
import { StripeError } from "../billing/stripe.ts";
import type { Context } from "../context.ts";
import { audited } from "../directory/audit.ts";
import { readJson } from "../middleware/body.ts";
import { operatorActor } from "../middleware/operator.ts";
import { apiError } from "../../shared/errors.ts";
import { integer, parseBody, text } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
const DAYS = 3;
const DAY_S = 86_400;

export const reconcileSchema = z.strictObject({
  days: integer(1, DAYS_MAX).optional(),
  after: text("the `next` of the page before").max(255, { error: "at most 255 characters" }).optional(),
});

export async function postReconcile(c: Context): Promise<Response> {
  const { days = DAYS, after } = parseBody(reconcileSchema, await readJson(c, BODY_BYTES_MAX));
  const stripe = stripeOfConfig(c.get("services").config);
  if (stripe === undefined) throw apiError("payments_not_offered", "This deployment takes no cards.");
  const nowMs = Date.now();
  const entry = { atMs: nowMs, actor: operatorActor(c), action: "reconcile", target: "stripe", facts: { days } };
  const found = await audited(c.env.DIRECTORY, entry, () =>
    page(c, stripe, Math.floor(nowMs / 1000) - days * DAY_S, after),
  );
  return c.json({ ...found, next: found.next ?? null });
}

async function page(c: Context, stripe: Stripe, sinceS: number, after: string | undefined): Promise<Reconciled> {
  try {
    return await reconcilePage(c.env, stripe, sinceS, after);
  } catch (error) {
    if (!(error instanceof StripeError)) throw error;
    const fault = apiError("payment_unavailable", "Stripe cannot be asked now: try again in a minute.");
    fault.cause = error;
    throw fault;
  }
}
