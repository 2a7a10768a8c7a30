// Reconciles the books with Stripe's events. Stripe keeps every event for 30 days, whether our endpoint took it or not,
// and each is applied here as its delivery would have been: missed ones once, now; refused ones are listed. Sums are
// not compared, because an amount does not say whose it is.

import * as z from "zod";
import type { Env } from "../bindings.ts";
import { applyAct } from "./apply.ts";
import { actOf } from "../billing/events.ts";
import { Stripe, StripeError } from "../billing/stripe.ts";
import type { Config } from "../settings.ts";

/** The event types that move money (events.ts); only these are requested. */
const EVENT_TYPES = [
  "payment_intent.succeeded",
  "refund.created",
  "refund.updated",
  "refund.failed",
  "charge.dispute.closed",
  "charge.dispute.funds_withdrawn",
  "charge.dispute.funds_reinstated",
] as const;
/** Stripe keeps events for this long. */
export const DAYS_MAX = 30;
/** Each event calls an account's object and some call Stripe; a request may make 1,000 subrequests. */
const EVENTS_A_PAGE = 100;

const pageSchema = z.object({
  data: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  has_more: z.boolean(),
});

export interface Reconciled {
  readonly checked: number;
  /** Ids of events whose delivery was missed: they are applied now. */
  readonly missed: readonly string[];
  /** Events that a person has to look at. */
  readonly refused: readonly { readonly event: string; readonly reason: string }[];
  /** Continue after this event; undefined: that was all. */
  readonly next: string | undefined;
}

/** Undefined: this deployment takes no cards. */
export function stripeOfConfig({ STRIPE_SECRET_KEY: key, STRIPE_API_ORIGIN: origin }: Config): Stripe | undefined {
  return key === undefined ? undefined : new Stripe(key, origin);
}

/** Applies one page of the events since `sinceS` (Unix seconds), newest first, after `after`. Throws StripeError. */
export async function reconcilePage(
  env: Env,
  stripe: Stripe,
  sinceS: number,
  after: string | undefined,
): Promise<Reconciled> {
  const query = new URLSearchParams({ "created[gte]": String(sinceS), limit: String(EVENTS_A_PAGE) });
  for (const type of EVENT_TYPES) query.append("types[]", type);
  if (after !== undefined) query.set("starting_after", after);
  const page = pageSchema.safeParse(await stripe.list(`/v1/events?${query.toString()}`));
  if (!page.success) throw new StripeError("Stripe's list of events is not of the shape that is known here.");
  const { data: events, has_more: hasMore } = page.data;
  const missed: string[] = [];
  const refused: { readonly event: string; readonly reason: string }[] = [];
  // Applied in the order in which they happened.
  for (const event of events.toReversed()) {
    const applied = await applyAct(env, stripe, actOf(JSON.stringify(event)));
    if (applied.kind === "refused") refused.push({ event: event.id, reason: applied.reason });
    else if (applied.kind === "applied" && applied.isNew) missed.push(event.id);
  }
  return { checked: events.length, missed, refused, next: hasMore ? events.at(-1)?.id : undefined };
}
