// Automatic top-ups of an account. A charge is decided after a turn, stored, and made by the alarm. Its money becomes a
// grant with the payment's id, the same grant that Stripe's webhook makes.

import type { Actor, Refused } from "../keys/acting-key.ts";
import { audit, grant } from "../ledger/acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { monthStartMs } from "../ledger/periods.ts";
import { noticeOf } from "../notices/notices.ts";
import { BillingStore } from "./billing-store.ts";
import { newId } from "../../shared/ids.ts";
import type { AutoTopUpTerms, BillingState, Card } from "../billing/auto-top-up.ts";
import { begin, declineWords, declined, paid, postponed } from "../billing/auto-top-up.ts";
import { grantOf } from "../billing/payment.ts";
import type { Payment } from "../billing/payment.ts";
import { CREDIT, StripeError } from "../billing/stripe.ts";
import type { Stripe } from "../billing/stripe.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import type { AccountNotices } from "./account-notices.ts";
import type { Turns } from "./turns.ts";

const ACTOR = "auto-top-up";

export class AutoTopUps {
  readonly #turns: Turns;
  /** Undefined: this deployment takes no cards. */
  readonly #stripe: Stripe | undefined;
  readonly #isOffered: boolean;
  readonly #notices: AccountNotices;
  readonly #store: BillingStore;

  constructor(
    turns: Turns,
    payments: { readonly stripe: Stripe | undefined; readonly isTaxAdded: boolean },
    notices: AccountNotices,
    sql: SqlStorage,
  ) {
    this.#turns = turns;
    this.#stripe = payments.stripe;
    // Stripe computes tax only on its own page (docs/decisions/stripe.md).
    this.#isOffered = payments.stripe !== undefined && !payments.isTaxAdded;
    this.#notices = notices;
    this.#store = new BillingStore(sql);
  }

  /** Terms, card and state of automatic top-ups. */
  state(): BillingState | undefined {
    return this.#turns.turn(() => this.#store.get());
  }

  /** Undefined terms switch it off. New terms switch it on again after a declined card. */
  setTerms(terms: AutoTopUpTerms | undefined, by: Actor): BillingState | Refused | undefined {
    return this.#turns.act(by, (ledger, nowMs, { name: actor }) => {
      const { terms: _terms, disabledReason: _reason, ...rest } = this.#store.get();
      audit(ledger, nowMs, actor, "auto_top_up", terms === undefined ? { on: false } : { on: true, ...terms });
      return this.#store.put(terms === undefined ? rest : { ...rest, terms });
    });
  }

  /** The card of the customer's last payment. */
  rememberCard(card: Card): void {
    this.#turns.turn(() => {
      const state = this.#store.get();
      if (state.card?.paymentMethod !== card.paymentMethod || state.card.customer !== card.customer) {
        this.#store.put({ ...state, card });
      }
    });
  }

  /** Begins a charge if the balance calls for one. */
  begin(): void {
    // This runs after every turn, so an account without automatic top-ups must not pay for a second turn.
    if (!this.#isOffered || this.#store.get().terms === undefined) return;
    this.#turns.inner((ledger, nowMs) => {
      const state = this.#store.get();
      if (ledger.status !== "active") return;
      const receipt = { description: `${CREDIT}, automatic top-up`, ...(ledger.email && { email: ledger.email }) };
      const now = { ms: nowMs, monthStartMs: monthStartMs(nowMs) };
      const begun = begin(state, ledger.books.balance, now, newId("grant"), receipt);
      if (begun === undefined) return;
      this.#store.put(begun);
      this.#turns.storage.wakeAt(nowMs);
    });
  }

  /** Makes the charge that is due. */
  async charge(): Promise<void> {
    const { attempt, card: newest } = this.state() ?? {};
    const card = attempt?.card ?? newest;
    if (attempt === undefined || card === undefined || this.#stripe === undefined) return;
    if (attempt.nextMs > this.#turns.nowMs()) {
      this.#turns.storage.wakeAt(attempt.nextMs);
      return;
    }
    const accountId = this.#turns.turn((ledger) => ledger.accountId);
    if (accountId === undefined) return;
    try {
      const { amountNanoUsd, key, receipt } = attempt;
      const charge = { ...card, accountId, amountNanoUsd, idempotencyKey: key, receipt };
      const found = await this.#stripe.chargeOffSession(charge);
      if (found.kind === "paid") this.#settle(found.payment);
      else if (found.kind === "not_paid") this.#refuse(declineWords("authentication_required"));
      else this.#refuse("Stripe's answer is not of the shape that is known here.");
    } catch (error) {
      if (!(error instanceof StripeError)) throw error;
      if (error.isRefusal && !error.isOurKey) this.#refuse(declineWords(error.code));
      else this.#postpone();
    }
  }

  /**
   * Switches off, in the turn in which money of a payment went back: the lower balance would charge the card again for
   * what was just returned to it.
   */
  rest(ledger: Ledger, act: "refund" | "dispute", nowMs: number): void {
    const state = this.#store.get();
    if (state.terms === undefined || state.disabledReason !== undefined) return;
    const reason = act === "refund" ? "A payment was refunded." : "A payment was disputed.";
    audit(ledger, nowMs, ACTOR, "auto_top_up.off", { reason });
    this.#store.put({ ...state, disabledReason: reason });
  }

  forget(): void {
    this.#store.forget();
  }

  /** Grants the money and stores the state in one turn. */
  #settle(payment: Payment): void {
    this.#turns.turn((ledger, nowMs) => {
      const state = this.#store.get();
      if (state.attempt === undefined) return;
      grant(ledger, grantOf(payment), ACTOR, nowMs);
      this.#store.put(paid(state, monthStartMs(nowMs)));
    });
  }

  #refuse(reason: string): void {
    this.#turns.turn((ledger, nowMs) => this.#turnOff(ledger, reason, nowMs));
  }

  #postpone(): void {
    this.#turns.turn((ledger, nowMs) => {
      const state = postponed(this.#store.get(), nowMs);
      if (state.attempt === undefined) {
        if (state.disabledReason !== undefined) this.#turnOff(ledger, state.disabledReason, nowMs);
        return;
      }
      this.#store.put(state);
      this.#turns.storage.wakeAt(state.attempt.nextMs);
    });
  }

  /** Switches off after a failed charge, until the owner saves terms again, and tells the owner in the same turn. */
  #turnOff(ledger: Ledger, reason: string, nowMs: number): void {
    const state = this.#store.get();
    const amount = state.attempt?.amountNanoUsd ?? nanoUsd(0);
    audit(ledger, nowMs, ACTOR, "auto_top_up.off", { reason });
    this.#store.put(declined(state, reason));
    const data = {
      account_id: ledger.accountId,
      amount_usd: formatUsd(amount),
      amount_nano_usd: amount,
      balance_usd: formatUsd(ledger.books.balance),
      balance_nano_usd: ledger.books.balance,
      reason,
    };
    const summary = `Your automatic top-up of $${data.amount_usd} failed: ${reason} It is off until you save its terms again.`;
    this.#notices.tell(ledger, noticeOf("auto_top_up.failed", data, summary, nowMs), nowMs);
  }
}
