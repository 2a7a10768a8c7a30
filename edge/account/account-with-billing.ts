// The account's object as it is deployed; this last part adds automatic top-ups. A charge is decided after a turn,
// stored, and made by the alarm. Its money becomes a grant with the payment's id, the same grant that Stripe's webhook
// makes.

import type { NoticesEnv } from "./account-with-notices.ts";
import type { Actor, Refused } from "../keys/acting-key.ts";
import { audit, grant } from "../ledger/acts.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { monthStartMs } from "../ledger/periods.ts";
import { noticeOf } from "../notices/notices.ts";
import { AccountWithRefunds } from "./account-with-refunds.ts";
import { BillingStore } from "./billing-store.ts";
import { newId } from "../../shared/ids.ts";
import type { AutoTopUpTerms, BillingState, Card } from "../billing/auto-top-up.ts";
import { begin, declineWords, declined, paid, postponed } from "../billing/auto-top-up.ts";
import { grantOf } from "../billing/payment.ts";
import type { Payment } from "../billing/payment.ts";
import { CREDIT, StripeError } from "../billing/stripe.ts";
import type { StripeSettings } from "../billing/stripe.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";

const ACTOR = "auto-top-up";

export class AccountWithBilling extends AccountWithRefunds {
  readonly #store: BillingStore;
  readonly #isOffered: boolean;

  constructor(ctx: DurableObjectState, env: NoticesEnv & StripeSettings) {
    super(ctx, env);
    this.#store = new BillingStore(ctx.storage.sql);
    // Stripe computes tax only on its own page (docs/decisions/stripe.md).
    this.#isOffered = this.stripe !== undefined && env.STRIPE_AUTOMATIC_TAX !== "true";
  }

  /** Terms, card and state of automatic top-ups. */
  billing(): BillingState | undefined {
    return this.turn(() => this.#store.get());
  }

  /** Undefined terms switch it off. New terms switch it on again after a declined card. */
  setAutoTopUp(terms: AutoTopUpTerms | undefined, by: Actor): BillingState | Refused | undefined {
    return this.act(by, (ledger, nowMs, { name: actor }) => {
      const { terms: _terms, disabledReason: _reason, ...rest } = this.#store.get();
      audit(ledger, nowMs, actor, "auto_top_up", terms === undefined ? { on: false } : { on: true, ...terms });
      return this.#store.put(terms === undefined ? rest : { ...rest, terms });
    });
  }

  /** The card of the customer's last payment. */
  rememberCard(card: Card): void {
    this.turn(() => {
      const state = this.#store.get();
      if (state.card?.paymentMethod !== card.paymentMethod || state.card.customer !== card.customer) {
        this.#store.put({ ...state, card });
      }
    });
  }

  protected override afterTurn(): void {
    super.afterTurn();
    // This runs after every turn, so an account without automatic top-ups must not pay for a second turn.
    if (!this.#isOffered || this.#store.get().terms === undefined) return;
    const nowMs = this.nowMs();
    this.core.turn(nowMs, (ledger) => {
      const state = this.#store.get();
      if (ledger.status !== "active") return;
      const receipt = { description: `${CREDIT}, automatic top-up`, ...(ledger.email && { email: ledger.email }) };
      const now = { ms: nowMs, monthStartMs: monthStartMs(nowMs) };
      const begun = begin(state, ledger.books.balance, now, newId("grant"), receipt);
      if (begun === undefined) return;
      this.#store.put(begun);
      this.storage.wakeAt(nowMs);
    });
  }

  override async alarm(): Promise<void> {
    await super.alarm();
    const { attempt, card: newest } = this.billing() ?? {};
    const card = attempt?.card ?? newest;
    if (attempt === undefined || card === undefined || this.stripe === undefined) return;
    if (attempt.nextMs > this.nowMs()) {
      this.storage.wakeAt(attempt.nextMs);
      return;
    }
    const account = this.getAccount();
    if (account === undefined) return;
    try {
      const { amountNanoUsd, key, receipt } = attempt;
      const charge = { ...card, accountId: account.id, amountNanoUsd, idempotencyKey: key, receipt };
      const found = await this.stripe.chargeOffSession(charge);
      if (found.kind === "paid") this.#settle(found.payment);
      else if (found.kind === "not_paid") this.#refuse(declineWords("authentication_required"));
      else this.#refuse("Stripe's answer is not of the shape that is known here.");
    } catch (error) {
      if (!(error instanceof StripeError)) throw error;
      if (error.isRefusal && !error.isOurKey) this.#refuse(declineWords(error.code));
      else this.#postpone();
    }
  }

  /** Switches off in the same turn: the lower balance would charge the card again for what was just returned to it. */
  protected override wentBack(ledger: Ledger, act: "refund" | "dispute", nowMs: number): void {
    const state = this.#store.get();
    if (state.terms === undefined || state.disabledReason !== undefined) return;
    const reason = act === "refund" ? "A payment was refunded." : "A payment was disputed.";
    audit(ledger, nowMs, ACTOR, "auto_top_up.off", { reason });
    this.#store.put({ ...state, disabledReason: reason });
  }

  protected override storedAnew(): void {
    super.storedAnew();
    this.#store.forget();
  }

  /** Grants the money and stores the state in one turn. */
  #settle(payment: Payment): void {
    this.turn((ledger, nowMs) => {
      const state = this.#store.get();
      if (state.attempt === undefined) return;
      grant(ledger, grantOf(payment), ACTOR, nowMs);
      this.#store.put(paid(state, monthStartMs(nowMs)));
    });
  }

  #refuse(reason: string): void {
    this.turn((ledger, nowMs) => this.#turnOff(ledger, reason, nowMs));
  }

  #postpone(): void {
    this.turn((ledger, nowMs) => {
      const state = postponed(this.#store.get(), nowMs);
      if (state.attempt === undefined) {
        if (state.disabledReason !== undefined) this.#turnOff(ledger, state.disabledReason, nowMs);
        return;
      }
      this.#store.put(state);
      this.storage.wakeAt(state.attempt.nextMs);
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
    this.tell(ledger, noticeOf("auto_top_up.failed", data, summary, nowMs), nowMs);
  }
}
