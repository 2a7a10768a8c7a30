// The wallet of one isolate: admits calls from leases it holds, and asks the account's object when they do not reach.
// In steady state a call costs no network: the lease covers it, and usage is reported afterwards, many calls in one
// message. Before a 402 or 429 the object has always been asked, with exact figures. Rules: docs/contract.md, Money.

import { LRUCache } from "lru-cache";
import type { AccountId } from "../../shared/ids.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import { CallAdmission, StrictCallAdmission } from "./admission.ts";
import { ZERO, amount } from "../ledger/amount.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { LeaseSession } from "./lease-session.ts";
import { DEFAULT_SETTINGS } from "../ledger/settings.ts";
import type { SessionSettings, StrictTerms, Waiter, Work } from "./session-types.ts";
import { SessionDriver } from "./session-driver.ts";
import type { Clock } from "./session-driver.ts";
import { refusalByRights } from "../ledger/rights.ts";
import type { Asked } from "../ledger/rights.ts";
import type { AccountStub, Amount, Refusal, SecretHash } from "../ledger/types.ts";
import type {
  AdmitRequest,
  AdmitResult,
  AuthorizeRequest,
  AuthorizeResult,
  Refused,
  RefusedCall,
  StrictRequest,
  StrictResult,
  Wallet,
} from "./wallet-types.ts";
import type { Tier } from "../../shared/wire.ts";

export interface WalletOptions {
  readonly stubOf: (accountId: AccountId) => AccountStub;
  /** Hashes under every pepper in force, current first. */
  readonly hashesOf: (secret: Uint8Array) => Promise<readonly SecretHash[]>;
  readonly newSessionId: () => string;
  readonly clock: Clock;
  readonly settings: SessionSettings & {
    /** A refused key is refused from memory for this long. */
    readonly refusalMs: number;
    /** Keys remembered at once; the least recently used goes, and its lease runs out. */
    readonly sessionsMax: number;
  };
}

export const WALLET_SETTINGS: WalletOptions["settings"] = {
  syncWindowMs: 1000,
  busySyncWindowMs: 2000,
  leaseTtlMs: DEFAULT_SETTINGS.leaseTtlMs,
  refusalMs: 30_000,
  sessionsMax: 5000,
};

/** A suspension may be lifted any moment: it is asked about again sooner. */
const SUSPENDED_MS = 1000;
/** What a call that reads needs, if it counts. */
const READ = amount(0, 1, 0);

interface Call extends Asked {
  readonly key: ParsedKey;
}

export class LeaseWallet implements Wallet {
  private readonly options: WalletOptions;
  private readonly drivers: LRUCache<string, SessionDriver>;

  constructor(options: WalletOptions) {
    this.options = options;
    this.drivers = new LRUCache({ max: options.settings.sessionsMax });
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    const { clock } = this.options;
    const need = amount(request.boundNanoUsd, 1, request.boundTokens);
    const driver = this.known(request.key) ?? (await this.open(request.key));
    const { session } = driver;
    if (session.isCurrent(clock.nowMs())) {
      const refusal = refusalIn(session, request, clock.nowMs());
      if (refusal !== undefined) return { kind: "refused", refusal };
      const work = session.take(need, request.model, request.tier, clock.nowMs());
      if (work !== undefined) return this.admitted(driver, work, request);
    }
    const result = await this.takeThrough(driver, need, request);
    if (result.kind === "refused") return result;
    if (result.work !== undefined) return this.admitted(driver, result.work, request);
    if (this.requestsLeft(session) < 1) return this.uncovered(driver, uncounted(session, need), request);
    const { tokens, nanoUsd: cost } = await request.exact();
    const exact = await this.takeThrough(driver, amount(cost, 1, tokens), request, true);
    if (exact.kind === "refused") return exact;
    if (exact.work !== undefined) return this.admitted(driver, exact.work, request);
    return this.uncovered(driver, amount(cost, 1, tokens), request);
  }

  /** The refusal; what was granted towards `need` and is not enough goes back at once, for others may need less. */
  private uncovered(driver: SessionDriver, need: Amount, request: AdmitRequest): AdmitResult {
    const refused = this.refused(driver.session, need);
    driver.flushLater(request.waitUntil);
    return refused;
  }

  async authorize(request: AuthorizeRequest): Promise<AuthorizeResult> {
    const { clock } = this.options;
    const need = request.countsRequest ? READ : ZERO;
    const driver = this.known(request.key) ?? (await this.open(request.key));
    const { session } = driver;
    let work = session.isCurrent(clock.nowMs()) ? session.take(need, "", "interactive", clock.nowMs()) : undefined;
    if (work === undefined) {
      const result = await this.takeThrough(driver, need, { ...request, model: "", tier: "interactive" });
      if (result.kind === "refused") return result;
      if (result.work === undefined) return this.refused(session, need);
      work = result.work;
    }
    session.discard(work);
    const refusal = refusalIn(session, request, clock.nowMs());
    if (refusal !== undefined) return { kind: "refused", refusal };
    const { standing } = session;
    if (standing === undefined) return { kind: "refused", refusal: { kind: "ledger_unavailable" } };
    return { kind: "authorized", rights: standing.rights, standing: session.callStanding(clock.nowMs()) };
  }

  async noteRefused({ key, waitUntil, ...call }: RefusedCall): Promise<void> {
    const driver = this.known(key) ?? (await this.open(key));
    driver.session.unreported.addFailure(call, call, this.options.clock.nowMs());
    driver.flushLater(waitUntil);
  }

  async admitStrict(request: StrictRequest): Promise<StrictResult> {
    const bound = await this.tryStrict(request, amount(request.boundNanoUsd, 1, request.boundTokens));
    if (bound.kind !== "uncovered") return bound;
    if (!bound.isExactWorthKnowing) return bound.refused;
    const { tokens, nanoUsd: cost } = await request.exact();
    const exact = await this.tryStrict(request, amount(cost, 1, tokens));
    return exact.kind === "uncovered" ? exact.refused : exact;
  }

  async report(accountId: AccountId, waitUntil: AdmitRequest["waitUntil"]): Promise<void> {
    const own = [...this.drivers].filter(([name]) => name.startsWith(accountId));
    await Promise.all(own.map(([, driver]) => driver.report(waitUntil)));
  }

  /** The session of a key, if this isolate has one that is alive. */
  private known(key: ParsedKey): SessionDriver | undefined {
    const driver = this.drivers.get(nameOf(key));
    if (driver === undefined) return undefined;
    const { ended, closed, hasUnsent } = driver.session;
    if (ended === undefined) return closed ? undefined : driver;
    const rememberedMs = ended.refusal.kind === "suspended" ? SUSPENDED_MS : this.options.settings.refusalMs;
    return (hasUnsent && !closed) || this.options.clock.nowMs() < ended.atMs + rememberedMs ? driver : undefined;
  }

  private async open(key: ParsedKey): Promise<SessionDriver> {
    const { stubOf, hashesOf, newSessionId, clock, settings } = this.options;
    const hashes = await hashesOf(key.secret);
    const opened = this.known(key); // another call may have been quicker
    if (opened !== undefined) return opened;
    const session = new LeaseSession(hashes, settings, newSessionId);
    const driver = new SessionDriver(session, () => stubOf(key.accountId), clock);
    this.drivers.set(nameOf(key), driver);
    return driver;
  }

  /** Waits for an answer that could cover `need`. Neither refused nor with work: it does not. */
  private async takeThrough(
    driver: SessionDriver,
    need: Amount,
    call: Call & { readonly model: string; readonly tier: Tier; readonly waitUntil: AdmitRequest["waitUntil"] },
    again = false,
  ): Promise<Refused | { kind: "answered"; work: Work | undefined }> {
    const { session } = driver;
    const nowMs = this.options.clock.nowMs();
    const ended = session.ended?.refusal;
    if (ended !== undefined) return { kind: "refused", refusal: ended };
    const take = () => session.take(need, call.model, call.tier, this.options.clock.nowMs());
    let work = session.isCurrent(nowMs) ? take() : undefined;
    let answered = true;
    if (work === undefined) {
      const waiter = session.enqueue(need, call.model, call.tier, nowMs, again);
      answered = await driver.roundTrip(call.waitUntil);
      session.leaveQueue(waiter);
      work = waiter.work;
    }
    const refusal = this.refusalAfter(driver, call, answered);
    // What others gave back since the answer counts too: a refusal is explained from what is there now.
    if (refusal === undefined) return { kind: "answered", work: work ?? take() };
    if (work !== undefined) session.discard(work);
    return { kind: "refused", refusal };
  }

  private refusalAfter({ session }: SessionDriver, call: Call, answered: boolean): Refusal | undefined {
    if (session.ended !== undefined) return session.ended.refusal;
    if (!answered || session.busy || session.standing === undefined) return { kind: "ledger_unavailable" };
    return refusalByRights(session.standing.rights, call, this.options.clock.nowMs());
  }

  /** What the lease has, and what the object could still give. */
  private requestsLeft(session: LeaseSession): number {
    const { requests } = session.free(this.options.clock.nowMs());
    const rates = session.standing?.rates.filter(({ window }) => window === "requests") ?? [];
    return requests + Math.min(...rates.map(({ available }) => available));
  }

  /** From the answer to this very need. */
  private refused(session: LeaseSession, need: Amount): Refused {
    const { standing } = session;
    if (standing === undefined) return { kind: "refused", refusal: { kind: "ledger_unavailable" } };
    const nowMs = this.options.clock.nowMs();
    const refusal = explainRefusal(need, session.free(nowMs), session.holds, standing);
    return { kind: "refused", refusal, standing: session.callStanding(nowMs) };
  }

  private admitted(driver: SessionDriver, work: Work, request: AdmitRequest): AdmitResult {
    const admission = new CallAdmission(driver, work, this.options.clock, request.waitUntil);
    return { kind: "admitted", admission };
  }

  private async tryStrict(
    request: StrictRequest,
    need: Amount,
  ): Promise<
    StrictResult | { readonly kind: "uncovered"; readonly refused: Refused; readonly isExactWorthKnowing: boolean }
  > {
    const { stubOf, hashesOf, newSessionId, clock, settings } = this.options;
    const terms: StrictTerms = { kind: "begin", ...request.idempotency };
    const session = new LeaseSession(await hashesOf(request.key.secret), settings, newSessionId, terms);
    const driver = new SessionDriver(session, () => stubOf(request.key.accountId), clock);
    const waiter: Waiter = session.enqueue(need, request.model, request.tier, clock.nowMs());
    const answered = await driver.roundTrip(request.waitUntil);
    session.leaveQueue(waiter);
    const refusal = this.refusalAfter(driver, request, answered);
    const { standing } = session;
    if (refusal !== undefined || standing === undefined) {
      if (waiter.work !== undefined) new StrictCallAdmission(driver, waiter.work, clock, request).drop();
      return { kind: "refused", refusal: refusal ?? { kind: "ledger_unavailable" } };
    }
    const { idempotency, rights } = standing;
    if (idempotency?.kind === "replay") {
      return { kind: "replay", rights, standing: session.callStanding(clock.nowMs()), stored: idempotency.stored };
    }
    if (idempotency?.kind === "running" || idempotency?.kind === "reused") return { kind: idempotency.kind };
    if (waiter.work === undefined) {
      const isExactWorthKnowing = this.requestsLeft(session) >= 1;
      const refused = this.refused(session, isExactWorthKnowing ? need : uncounted(session, need));
      return { kind: "uncovered", refused, isExactWorthKnowing };
    }
    return { kind: "admitted", admission: new StrictCallAdmission(driver, waiter.work, clock, request) };
  }
}

/** What a call needs for which no request is left: it is not worth counting, and is told by its bound when to come back. */
function uncounted({ standing }: LeaseSession, bound: Amount): Amount {
  const limits = standing?.rates.filter(({ window }) => window === "tokens").map(({ limit }) => limit) ?? [];
  return amount(0, 1, Math.min(bound.tokens, ...limits));
}

function refusalIn({ standing }: LeaseSession, call: Call, nowMs: number): Refusal | undefined {
  return standing === undefined ? undefined : refusalByRights(standing.rights, call, nowMs);
}

function nameOf(key: ParsedKey): string {
  return key.accountId + String.fromCharCode(...key.secret);
}
