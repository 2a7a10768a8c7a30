// POST /admin/reconcile: reconciles one page of Stripe's events with the books; `npm run reconcile` does all pages.

import * as z from "zod";
import type { Stripe } from "../../billing/stripe.ts";
import { StripeError } from "../../billing/stripe.ts";
import type { Context } from "../../context.ts";
import { readJson } from "../../middleware/body.ts";
import type { Reconciled } from "../../payments/reconcile.ts";
import { DAYS_MAX, reconcilePage, stripeOfConfig } from "../../payments/reconcile.ts";
import { count } from "../answers.ts";
import type { Route } from "../route.ts";
import { act } from "./act.ts";
import { apiError } from "../../../shared/errors.ts";
import { integer, parseBody, text } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;
const DAYS = 3;
const DAY_S = 86_400;

const reconcileSchema = z.strictObject({
  days: integer(1, DAYS_MAX).optional(),
  after: text("the `next` of the page before").max(255, { error: "at most 255 characters" }).optional(),
});

export const RECONCILE: Route = {
  method: "post",
  path: "/admin/reconcile",
  id: "adminReconcile",
  tag: "Operator",
  summary: "A page of Stripe's events against the books; what was missed is done, once",
  auth: "operator",
  body: { name: "ReconcileRequest", schema: reconcileSchema, example: { days: 3 } },
  answers: {
    200: {
      description: "What was found on this page.",
      name: "Reconciled",
      schema: z.object({
        checked: count,
        missed: z.array(z.string()),
        refused: z.array(z.object({ event: z.string(), reason: z.string() })),
        next: z.nullable(z.string()),
      }),
      example: { checked: 2, missed: [], refused: [], next: null },
    },
  },
  errors: ["payments_not_offered", "payment_unavailable"],
  handler: postReconcile,
};

async function postReconcile(c: Context): Promise<Response> {
  const { days = DAYS, after } = parseBody(reconcileSchema, await readJson(c, BODY_BYTES_MAX));
  const stripe = stripeOfConfig(c.get("services").config);
  if (stripe === undefined) throw apiError("payments_not_offered", "This deployment takes no cards.");
  const sinceS = Math.floor(Date.now() / 1000) - days * DAY_S;
  const found = await act(c, "reconcile", "stripe", { days }, () => page(c, stripe, sinceS, after));
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
