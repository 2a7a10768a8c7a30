// Money that goes back: the operator's refunds (billing/refund.ts), and what Stripe's events say was returned. One turn
// takes a refund's credit from the balance and stores the order; then an alarm is set and Stripe is asked. The call
// itself, its repeat or the alarm finishes the order.

import { RefundStore } from "./refund-store.ts";
import { grantOf } from "../billing/payment.ts";
import { askForRefund, cameToNothing, judgeRefund } from "../billing/refund.ts";
import type { RefundFault, RefundRecord } from "../billing/refund.ts";
import type { RefundOrder, Stripe } from "../billing/stripe.ts";
import { StripeError, nextTry } from "../billing/stripe.ts";
import * as acts from "../ledger/acts.ts";
import { newId } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { AutoTopUps } from "./auto-top-ups.ts";
import type { Turns } from "./turns.ts";
import { viewAccount } from "./views.ts";

const ACTOR = "stripe";

export interface RefundAsked extends Pick<RefundOrder, "paymentId" | "reason"> {
  /** Whole cents; undefined: everything left of the payment. */
  readonly creditNanoUsd?: NanoUsd;
}

export type RefundAnswer =
  | {
      readonly kind: "refund";
      readonly record: RefundRecord;
      readonly isRepeat: boolean;
      readonly balanceNanoUsd: NanoUsd;
    }
  /** The same `Idempotency-Key` came with another body. */
  | { readonly kind: "reused" }
  | { readonly kind: "fault"; readonly fault: RefundFault };

export class AccountRefunds {
  readonly #turns: Turns;
  /** Undefined: this deployment takes no cards. */
  readonly #stripe: Stripe | undefined;
  readonly #topUps: AutoTopUps;
  readonly #refunds: RefundStore;
  /** Orders that Stripe is being asked for, by id. */
  readonly #asking = new Map<string, Promise<RefundRecord>>();

  constructor(turns: Turns, stripe: Stripe | undefined, topUps: AutoTopUps, sql: SqlStorage) {
    this.#turns = turns;
    this.#stripe = stripe;
    this.#topUps = topUps;
    this.#refunds = new RefundStore(sql);
  }

  /** Refunds once for each `key`, however late it is repeated. Undefined: no such account. */
  async refund(
    asked: RefundAsked,
    { key, bodyHash }: { readonly key: string; readonly bodyHash: string },
    actor: string,
  ): Promise<RefundAnswer | undefined> {
    const before = this.#turns.turn(() => this.#refunds.byKey(key) ?? "none");
    if (before === undefined) return undefined;
    const begun = before === "none" ? await this.#order(asked, key, bodyHash, actor) : { record: before, isNew: false };
    if (begun === undefined) return undefined;
    if (!("record" in begun)) return { kind: "fault", fault: begun };
    if (begun.record.bodyHash !== bodyHash) return { kind: "reused" };
    const record = await this.#settle(begun.record);
    const balanceNanoUsd = this.#turns.turn(viewAccount)?.balanceNanoUsd;
    if (balanceNanoUsd === undefined) return undefined;
    return { kind: "refund", record, isRepeat: !begun.isNew, balanceNanoUsd };
  }

  /** `acts.takeBack`; automatic top-ups rest then. */
  takeBack(input: acts.RefundInput, actor: string): ReturnType<typeof acts.takeBack> | undefined {
    return this.#turns.turn((ledger, nowMs) => {
      const outcome = acts.takeBack(ledger, input, actor, nowMs);
      if (outcome === "taken") this.#topUps.rest(ledger, input.kind, nowMs);
      return outcome;
    });
  }

  /** `acts.giveBack`. A failed refund that we ordered gives back exactly what it took, and is marked as undone. */
  giveBack(input: acts.RefundInput, actor: string): ReturnType<typeof acts.giveBack> | undefined {
    return this.#turns.turn((ledger, nowMs) => {
      const record = this.#refunds.byId(input.id);
      if (record === undefined) return acts.giveBack(ledger, input, actor, nowMs);
      this.#refunds.change({ ...record, isUndone: true });
      return acts.giveBack(ledger, deductionOf(record), actor, nowMs);
    });
  }

  /** Finishes open orders that are due, and sets the alarm for the others. */
  async finish(): Promise<void> {
    for (const record of this.#open()) {
      if (record.nextMs > this.#turns.nowMs()) this.#turns.storage.wakeAt(record.nextMs);
      else await this.#settle(record);
    }
  }

  /** Asks Stripe once more for every open order: before the account is deleted, because nothing will afterwards. */
  async askOnceMore(): Promise<void> {
    for (const record of this.#open()) await this.#settle(record);
  }

  forget(): void {
    this.#refunds.forget();
  }

  #open(): readonly RefundRecord[] {
    return this.#turns.turn(() => this.#refunds.open()) ?? [];
  }

  /** Takes the credit and stores the order, or returns the reason why not. */
  async #order(
    { paymentId, creditNanoUsd: asked, reason }: RefundAsked,
    key: string,
    bodyHash: string,
    actor: string,
  ): Promise<{ readonly record: RefundRecord; readonly isNew: boolean } | RefundFault | undefined> {
    const state = await this.#stripe?.refundable(paymentId).catch((error: unknown) => {
      if (error instanceof StripeError) return undefined;
      throw error;
    });
    if (state === undefined) return { kind: "stripe_unavailable" };
    const ordered = this.#turns.turn((ledger, nowMs) => {
      const meanwhile = this.#refunds.byKey(key);
      if (meanwhile !== undefined) return { record: meanwhile, isNew: false };
      const judged = judgeRefund(state, this.#refunds.of(paymentId), ledger.accountId, asked);
      if (judged.kind !== "judged") return judged;
      // Credits the payment first if its event has not arrived yet.
      if (state.found.kind === "paid") acts.grant(ledger, grantOf(state.found.payment), ACTOR, nowMs);
      const { cents, creditNanoUsd } = judged;
      const order = { id: newId("refund"), paymentId, cents, ...(reason !== undefined && { reason }) };
      const times = { beganMs: nowMs, tries: 0, nextMs: nextTry(0, nowMs) };
      const record: RefundRecord = { ...order, creditNanoUsd, bodyHash, ...times };
      const taken = acts.takeBackUnspent(ledger, deductionOf(record), actor, nowMs);
      if (taken === "too_much") return { kind: "too_much" } as const;
      if (typeof taken === "object") return { kind: "not_there", wantedNanoUsd: creditNanoUsd, ...taken } as const;
      this.#topUps.rest(ledger, "refund", nowMs);
      return { record: this.#refunds.add(key, record), isNew: true };
    });
    // Stripe is asked only after the alarm is set, so that the question is repeated after a crash.
    if (ordered !== undefined && "record" in ordered) await this.#turns.storage.wakesBy(ordered.record.nextMs);
    return ordered;
  }

  /** The order with Stripe's outcome, asking for it if there is none yet. One question at a time per order. */
  #settle(record: RefundRecord): Promise<RefundRecord> {
    if (record.outcome !== undefined) return Promise.resolve(record);
    const asking = this.#asking.get(record.id) ?? this.#ask(record).finally(() => this.#asking.delete(record.id));
    this.#asking.set(record.id, asking);
    return asking;
  }

  async #ask(asked: RefundRecord): Promise<RefundRecord> {
    if (this.#stripe === undefined) return asked;
    const outcome = await askForRefund(this.#stripe, asked, this.#turns.nowMs());
    const settled = this.#turns.turn((ledger, nowMs) => {
      // A webhook may have changed the order meanwhile.
      const record = this.#refunds.byId(asked.id) ?? asked;
      if (outcome === undefined) {
        const nextMs = nextTry(record.tries + 1, nowMs);
        this.#turns.storage.wakeAt(nextMs);
        return this.#refunds.change({ ...record, tries: record.tries + 1, nextMs });
      }
      acts.audit(ledger, nowMs, ACTOR, `refund.${outcome.kind}`, { id: record.id, ...outcome });
      if (cameToNothing(outcome)) acts.giveBack(ledger, deductionOf(record), ACTOR, nowMs);
      return this.#refunds.change({ ...record, outcome });
    });
    return settled ?? asked;
  }
}

/** What a refund takes from the balance, under its own id, which Stripe's events about it carry too. */
function deductionOf({ id, creditNanoUsd, paymentId }: RefundRecord): acts.RefundInput {
  return { id, kind: "refund", amountNanoUsd: creditNanoUsd, paymentId };
}
