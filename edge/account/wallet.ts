// The wallet of one isolate: admits calls from leases it holds, and asks the account's object when they do not reach.
// In steady state a call costs no network: the lease covers it, and usage is reported afterwards, many calls in one
// message. Before a 402 or 429 the object has always been asked, with exact figures. Source: design.md, Ledger.

import { LRUCache } from "lru-cache";
import type { AccountId } from "../../shared/ids.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import { CallAdmission, StrictCallAdmission, rateLimitOf, spendableOf } from "./admission.ts";
import { ZERO, amount, covers } from "./amount.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { isAddressAllowed } from "./ip-allow.ts";
import { LeaseSession } from "./lease-session.ts";
import type { SessionSettings, StrictTerms, Waiter, Work } from "./session-types.ts";
import { SessionDriver } from "./session-driver.ts";
import type { Clock } from "./session-driver.ts";
import type {
  AccountStub,
  AdmitRequest,
  AdmitResult,
  Amount,
  AuthorizeRequest,
  AuthorizeResult,
  KeyRefusal,
  Refusal,
  Rights,
  SecretHash,
  StrictRequest,
  StrictResult,
  Wallet,
} from "./types.ts";
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
  sessionMemoryMs: 600_000,
  refusalMs: 30_000,
  sessionsMax: 5000,
};

/** A suspension may be lifted any moment: it is asked about again sooner. */
const SUSPENDED_MS = 1000;
/** A strict lease outlives its call's deadline by this. */
const STRICT_AFTER_DEADLINE_MS = 10_000;
/** The least a call can cost: what must be there before its exact count is worth knowing. */
const LEAST_TOKENS = 1;

interface Call {
  readonly key: ParsedKey;
  readonly scope?: AdmitRequest["scope"];
  readonly model?: string;
  readonly ip: string;
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
      const refusal = refusalBy(session.standing?.rights, request, clock.nowMs());
      if (refusal !== undefined) return { kind: "refused", refusal };
      const work = session.take(need, request.model, request.tier, clock.nowMs());
      if (work !== undefined) return this.admitted(driver, work, request);
    }
    const result = await this.takeThrough(driver, need, request);
    if (result.kind === "refused") return result;
    if (result.work !== undefined) return this.admitted(driver, result.work, request);
    if (!covers(this.best(session), amount(0, 1, LEAST_TOKENS))) return this.uncovered(driver, need, request);
    const { tokens, nanoUsd: cost } = await request.exact();
    const exact = await this.takeThrough(driver, amount(cost, 1, tokens), request);
    if (exact.kind === "refused") return exact;
    if (exact.work !== undefined) return this.admitted(driver, exact.work, request);
    return this.uncovered(driver, amount(cost, 1, tokens), request);
  }

  /** The refusal; what was granted towards `need` and is not enough goes back at once, for others may need less. */
  private uncovered(driver: SessionDriver, need: Amount, request: AdmitRequest): AdmitResult {
    const refusal = this.explain(driver.session, need);
    driver.flushLater(request.waitUntil);
    return { kind: "refused", refusal };
  }

  async authorize(request: AuthorizeRequest): Promise<AuthorizeResult> {
    const { clock } = this.options;
    const need = request.countsRequest ? amount(0, 1, 0) : ZERO;
    const driver = this.known(request.key) ?? (await this.open(request.key));
    const { session } = driver;
    let work = session.isCurrent(clock.nowMs()) ? session.take(need, "", "interactive", clock.nowMs()) : undefined;
    if (work === undefined) {
      const result = await this.takeThrough(driver, need, { ...request, model: "", tier: "interactive" });
      if (result.kind === "refused") return result;
      if (result.work === undefined) return { kind: "refused", refusal: this.explain(session, need) };
      work = result.work;
    }
    session.discard(work);
    const refusal = refusalBy(session.standing?.rights, request, clock.nowMs());
    if (refusal !== undefined) return { kind: "refused", refusal };
    const { standing } = session;
    if (standing === undefined) return { kind: "refused", refusal: { kind: "ledger_unavailable" } };
    return { kind: "authorized", rights: standing.rights, rateLimit: rateLimitOf(session, clock.nowMs()) };
  }

  async admitStrict(request: StrictRequest): Promise<StrictResult> {
    const bound = await this.tryStrict(request, amount(request.boundNanoUsd, 1, request.boundTokens));
    if (bound.kind !== "uncovered") return bound;
    if (!bound.isExactWorthKnowing) return { kind: "refused", refusal: bound.refusal };
    const { tokens, nanoUsd: cost } = await request.exact();
    const exact = await this.tryStrict(request, amount(cost, 1, tokens));
    return exact.kind === "uncovered" ? { kind: "refused", refusal: exact.refusal } : exact;
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
    if (closed) return undefined;
    if (ended === undefined) return driver;
    const rememberedMs = ended.refusal.kind === "suspended" ? SUSPENDED_MS : this.options.settings.refusalMs;
    return hasUnsent || this.options.clock.nowMs() < ended.atMs + rememberedMs ? driver : undefined;
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
  ): Promise<{ kind: "refused"; refusal: Refusal } | { kind: "answered"; work: Work | undefined }> {
    const { session } = driver;
    const nowMs = this.options.clock.nowMs();
    const ended = session.ended?.refusal;
    if (ended !== undefined) return { kind: "refused", refusal: ended };
    const atOnce = session.isCurrent(nowMs) ? session.take(need, call.model, call.tier, nowMs) : undefined;
    const waiter = atOnce === undefined ? session.enqueue(need, call.model, call.tier, nowMs) : undefined;
    const answered = waiter === undefined || (await driver.roundTrip(call.waitUntil));
    if (waiter !== undefined) session.leaveQueue(waiter);
    const work = atOnce ?? waiter?.work;
    const refusal = this.refusalAfter(driver, call, answered);
    if (refusal === undefined) return { kind: "answered", work };
    if (work !== undefined) session.discard(work);
    return { kind: "refused", refusal };
  }

  private refusalAfter({ session }: SessionDriver, call: Call, answered: boolean): Refusal | undefined {
    if (session.ended !== undefined) return session.ended.refusal;
    if (!answered || session.busy || session.standing === undefined) return { kind: "ledger_unavailable" };
    return refusalBy(session.standing.rights, call, this.options.clock.nowMs());
  }

  /** The most that could be covered now: what the lease has, and what the object could still give. */
  private best(session: LeaseSession): Amount {
    const free = session.free(this.options.clock.nowMs());
    const { standing } = session;
    if (standing === undefined) return free;
    const left = { requests: Number.MAX_SAFE_INTEGER, tokens: Number.MAX_SAFE_INTEGER };
    for (const { window, remaining } of standing.rates) left[window] = Math.min(left[window], remaining + free[window]);
    return amount(standing.funds.grantableNanoUsd + free.nanoUsd, left.requests, left.tokens);
  }

  private explain(session: LeaseSession, need: Amount): Refusal {
    const { standing } = session;
    if (standing === undefined) return { kind: "ledger_unavailable" };
    return explainRefusal(need, session.free(this.options.clock.nowMs()), standing);
  }

  private admitted(driver: SessionDriver, work: Work, request: AdmitRequest): AdmitResult {
    const admission = new CallAdmission(driver, work, this.options.clock, request.waitUntil);
    return { kind: "admitted", admission };
  }

  private async tryStrict(
    request: StrictRequest,
    need: Amount,
  ): Promise<
    StrictResult | { readonly kind: "uncovered"; readonly refusal: Refusal; readonly isExactWorthKnowing: boolean }
  > {
    const { stubOf, hashesOf, newSessionId, clock, settings } = this.options;
    const begin = { kind: "begin", ...request.idempotency } as const;
    const terms: StrictTerms = { lifeMs: request.deadlineMs + STRICT_AFTER_DEADLINE_MS, begin };
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
      const nowMs = clock.nowMs();
      const seen = { rateLimit: rateLimitOf(session, nowMs), spendableNanoUsd: spendableOf(session, nowMs) };
      return { kind: "replay", rights, ...seen, stored: idempotency.stored };
    }
    if (idempotency?.kind === "running" || idempotency?.kind === "reused") return { kind: idempotency.kind };
    if (waiter.work === undefined) {
      const isExactWorthKnowing = covers(this.best(session), amount(0, 1, LEAST_TOKENS));
      return { kind: "uncovered", refusal: this.explain(session, need), isExactWorthKnowing };
    }
    return { kind: "admitted", admission: new StrictCallAdmission(driver, waiter.work, clock, request) };
  }
}

/** What the rights themselves refuse, without any credit. */
function refusalBy(rights: Rights | undefined, call: Call, nowMs: number): Refusal | undefined {
  if (rights === undefined) return undefined;
  const expired = expiry(rights, nowMs);
  if (expired !== undefined) return expired;
  if (rights.ipAllow !== undefined && !isAddressAllowed(call.ip, rights.ipAllow)) return { kind: "ip", ip: call.ip };
  if (call.scope !== undefined && !rights.scopes.includes(call.scope)) {
    return { kind: "scope", needed: call.scope, granted: rights.scopes };
  }
  const { model } = call;
  if (rights.models !== undefined && model !== undefined && model !== "" && !rights.models.includes(model)) {
    return { kind: "model", model, allowed: rights.models };
  }
  return undefined;
}

function expiry(rights: Rights, nowMs: number): KeyRefusal | undefined {
  const { expiresAtMs } = rights;
  return expiresAtMs !== undefined && nowMs >= expiresAtMs ? { kind: "expired", expiredAtMs: expiresAtMs } : undefined;
}

function nameOf(key: ParsedKey): string {
  return key.accountId + String.fromCharCode(...key.secret);
}
