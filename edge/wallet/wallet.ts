// The wallet of one isolate: it admits calls from the leases it holds, and asks the account's object when a lease does
// not cover one. In steady state a call needs no network: its lease covers it, and usage is reported afterwards, many
// calls a message. The object is always asked before a 402 or 429. Rules: docs/contract.md, Money.

import { LRUCache } from "lru-cache";
import type { AccountId } from "../../shared/ids.ts";
import type { ParsedKey } from "../../shared/keys.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { CallAdmission, StrictCallAdmission } from "./call-admission.ts";
import { ZERO, amount } from "../ledger/amount.ts";
import { explainRefusal } from "./explain-refusal.ts";
import { KeyLease } from "./key-lease.ts";
import { DEFAULT_SETTINGS } from "../ledger/settings.ts";
import type { LeaseSettings, StrictTerms, Waiter, Work } from "./lease-types.ts";
import { LeaseDriver } from "./lease-driver.ts";
import { StrictLease } from "./strict-lease.ts";
import type { Clock } from "./lease-driver.ts";
import { refusalByFunds } from "../ledger/funds.ts";
import { refusalByRights } from "../ledger/rights.ts";
import type { Asked } from "../ledger/rights.ts";
import type { AccountStub, Amount, Refusal, SecretHash } from "../ledger/types.ts";
import type {
  Admission,
  AdmitRequest,
  AdmitResult,
  AuthorizeRequest,
  AuthorizeResult,
  BoundRequest,
  Refused,
  RefusedCall,
  StrictRequest,
  StrictResult,
} from "./wallet-types.ts";

export interface WalletOptions {
  readonly stubOf: (accountId: AccountId) => AccountStub;
  /** Hashes under every pepper in force, current first. */
  readonly hashesOf: (secret: Uint8Array) => Promise<readonly SecretHash[]>;
  readonly newLeaseId: () => string;
  readonly clock: Clock;
  readonly settings: LeaseSettings & {
    /** A refused key is refused from memory for this long. */
    readonly refusalMs: number;
    /** Keys remembered at once. The least recently used one is dropped, and its lease runs out. */
    readonly leasesMax: number;
  };
}

export const WALLET_SETTINGS: WalletOptions["settings"] = {
  syncWindowMs: 1000,
  busySyncWindowMs: 2000,
  leaseTtlMs: DEFAULT_SETTINGS.leaseTtlMs,
  refusalMs: 30_000,
  leasesMax: 5000,
};

/** As `refusalMs`, for a suspended account: the suspension may be lifted at any moment. */
const SUSPENDED_MS = 1000;
/** The need of a read that counts as a request. */
const READ = amount(0, 1, 0);

interface Call extends Asked {
  readonly key: ParsedKey;
}

export class LeaseWallet {
  private readonly options: WalletOptions;
  private readonly drivers: LRUCache<string, LeaseDriver>;

  constructor(options: WalletOptions) {
    this.options = options;
    this.drivers = new LRUCache({ max: options.settings.leasesMax });
  }

  /** Without a promise where the lease decides. */
  admit(request: AdmitRequest): AdmitResult | Promise<AdmitResult> {
    const driver = this.known(request.key);
    return (driver && this.admitNow(driver, request)) ?? this.admitThrough(driver, request);
  }

  /** Whether the key's lease may cover a call now. */
  mayAdmitAtOnce(key: ParsedKey): boolean {
    return this.isSpent(key) === false;
  }

  /** Whether the key was answered a moment ago, and with nothing to spend: a call is refused, most likely. */
  holdsNothing(key: ParsedKey): boolean {
    return this.isSpent(key) === true;
  }

  /** Undefined: no lease says. */
  private isSpent(key: ParsedKey): boolean | undefined {
    const lease = this.known(key)?.lease;
    const nowMs = this.options.clock.nowMs();
    if (lease?.isCurrent(nowMs) !== true) return undefined;
    const { nanoUsd, requests, tokens } = lease.free(nowMs);
    return nanoUsd <= 0 || requests <= 0 || tokens <= 0;
  }

  /** The admission of a call that its key's lease covers; undefined: `admit` it. */
  admitAtOnce(request: BoundRequest): Admission | undefined {
    const driver = this.known(request.key);
    const result = driver && this.admitNow(driver, request);
    return result?.kind === "admitted" ? result.admission : undefined;
  }

  /** What the lease alone decides; undefined: the object is asked. */
  private admitNow(driver: LeaseDriver, request: BoundRequest): AdmitResult | undefined {
    const { lease } = driver;
    const nowMs = this.options.clock.nowMs();
    if (!lease.isCurrent(nowMs)) return undefined;
    const refusal = refusalIn(lease, request, nowMs);
    if (refusal !== undefined) return { kind: "refused", refusal };
    const need = amount(request.boundNanoUsd, 1, request.boundTokens);
    const work = lease.take(need, request.model, request.tier, nowMs);
    return work && this.admitted(driver, work, request);
  }

  private async admitThrough(known: LeaseDriver | undefined, request: AdmitRequest): Promise<AdmitResult> {
    const driver = known ?? (await this.open(request.key));
    // Another call may have opened it meanwhile.
    const admitted = known === undefined ? this.admitNow(driver, request) : undefined;
    if (admitted !== undefined) return admitted;
    const { lease } = driver;
    const need = amount(request.boundNanoUsd, 1, request.boundTokens);
    const result = await this.takeThrough(driver, need, request);
    if (result.kind === "refused") return result;
    if (result.work !== undefined) return this.admitted(driver, result.work, request);
    const refused = this.refusedUncounted(lease, need, request);
    if (refused !== undefined) return this.uncovered(driver, refused, request);
    const { tokens, nanoUsd: cost } = await request.exact();
    const exactNeed = amount(cost, 1, tokens);
    if (this.beyondFunds(lease, exactNeed.nanoUsd) !== undefined)
      return this.uncovered(driver, this.refused(lease, exactNeed), request);
    const exact = await this.takeThrough(driver, exactNeed, request, true);
    if (exact.kind === "refused") return exact;
    if (exact.work !== undefined) return this.admitted(driver, exact.work, request);
    return this.uncovered(driver, this.refused(lease, exactNeed), request);
  }

  /** Refuses the call, and reports at once: what was granted towards its need goes back, others may need less. */
  private uncovered(driver: LeaseDriver, refused: Refused, request: AdmitRequest): AdmitResult {
    driver.flushLater(request.waitUntil);
    return refused;
  }

  /** The refusal of a call that is not worth counting, from the answer to its bound; undefined: its exact count decides. */
  private refusedUncounted(lease: KeyLease, bound: Amount, { leastNanoUsd }: AdmitRequest): Refused | undefined {
    if (this.requestsLeft(lease) < 1) return this.refused(lease, uncounted(lease, bound));
    const refusal = this.beyondFunds(lease, leastNanoUsd);
    if (refusal === undefined) return undefined;
    return {
      kind: "refused",
      refusal: { ...refusal, neededNanoUsd: bound.nanoUsd, isBound: true },
      standing: lease.callStanding(this.options.clock.nowMs()),
    };
  }

  /** The refusal of a cost that not even all credit covers, what leases hold included: the object need not be asked again. */
  private beyondFunds(lease: KeyLease, costNanoUsd: NanoUsd): ReturnType<typeof refusalByFunds> {
    const { standing } = lease;
    // A lease may still hold credit that has expired since.
    if (standing === undefined || costNanoUsd <= lease.free(this.options.clock.nowMs()).nanoUsd) return undefined;
    return refusalByFunds(costNanoUsd, standing.funds);
  }

  async authorize(request: AuthorizeRequest): Promise<AuthorizeResult> {
    const { clock } = this.options;
    const need = request.countsRequest ? READ : ZERO;
    const driver = this.known(request.key) ?? (await this.open(request.key));
    const { lease } = driver;
    // What needs nothing waits behind nobody.
    if (request.countsRequest || !lease.isCurrent(clock.nowMs())) {
      let work = lease.isCurrent(clock.nowMs()) ? lease.take(need, "", "interactive", clock.nowMs()) : undefined;
      if (work === undefined) {
        const result = await this.takeThrough(driver, need, { ...request, model: "", tier: "interactive" });
        if (result.kind === "refused") return result;
        if (result.work === undefined) return this.refused(lease, need);
        work = result.work;
      }
      lease.discard(work);
    }
    const refusal = refusalIn(lease, request, clock.nowMs());
    if (refusal !== undefined) return { kind: "refused", refusal };
    const { standing } = lease;
    if (standing === undefined) return { kind: "refused", refusal: { kind: "ledger_unavailable" } };
    return { kind: "authorized", rights: standing.rights, standing: lease.callStanding(clock.nowMs()) };
  }

  /** Counts the call in its key's usage; it is reported in the background. */
  async noteRefused({ key, waitUntil, ...call }: RefusedCall): Promise<void> {
    const driver = this.known(key) ?? (await this.open(key));
    driver.lease.unreported.addFailure(call, call, this.options.clock.nowMs());
    driver.flushLater(waitUntil);
  }

  async admitStrict(request: StrictRequest): Promise<StrictResult> {
    const bound = await this.tryStrict(request, amount(request.boundNanoUsd, 1, request.boundTokens));
    if (bound.kind !== "uncovered") return bound;
    if (bound.uncounted !== undefined) return bound.uncounted;
    const { tokens, nanoUsd: cost } = await request.exact();
    const exact = await this.tryStrict(request, amount(cost, 1, tokens));
    return exact.kind === "uncovered" ? exact.refused : exact;
  }

  /**
   * Reports what this isolate has charged to the account, all keys. The books have it then, unless the object timed out.
   */
  async report(accountId: AccountId, waitUntil: AdmitRequest["waitUntil"]): Promise<void> {
    const own = [...this.drivers].filter(([name]) => name.startsWith(accountId));
    await Promise.all(own.map(([, driver]) => driver.report(waitUntil)));
  }

  /** The key's lease, if this isolate has one that may still admit, refuse or report. */
  private known(key: ParsedKey): LeaseDriver | undefined {
    const driver = this.drivers.get(nameOf(key));
    if (driver === undefined) return undefined;
    const { ended, closed, hasUnsent } = driver.lease;
    if (ended === undefined) return closed ? undefined : driver;
    const rememberedMs = ended.refusal.kind === "suspended" ? SUSPENDED_MS : this.options.settings.refusalMs;
    return (hasUnsent && !closed) || this.options.clock.nowMs() < ended.atMs + rememberedMs ? driver : undefined;
  }

  private async open(key: ParsedKey): Promise<LeaseDriver> {
    const { stubOf, hashesOf, newLeaseId, clock, settings } = this.options;
    const hashes = await hashesOf(key.secret);
    const opened = this.known(key); // another call may have opened it meanwhile
    if (opened !== undefined) return opened;
    const lease = new KeyLease(hashes, settings, newLeaseId);
    const driver = new LeaseDriver(lease, () => stubOf(key.accountId), clock);
    this.drivers.set(nameOf(key), driver);
    return driver;
  }

  /** Waits for an answer of the object and takes `need` from it. `work` undefined: not covered. */
  private async takeThrough(
    driver: LeaseDriver,
    need: Amount,
    call: Call & Pick<BoundRequest, "model" | "tier" | "waitUntil" | "timer">,
    again = false,
  ): Promise<Refused | { kind: "answered"; work: Work | undefined }> {
    const { lease } = driver;
    const nowMs = this.options.clock.nowMs();
    const ended = lease.ended?.refusal;
    if (ended !== undefined) return { kind: "refused", refusal: ended };
    const take = () => lease.take(need, call.model, call.tier, this.options.clock.nowMs());
    let work = lease.isCurrent(nowMs) ? take() : undefined;
    let answered = true;
    if (work === undefined) {
      const waiter = lease.enqueue(need, call.model, call.tier, nowMs, again);
      answered = await driver.roundTrip(call.waitUntil, false, undefined, call.timer);
      lease.leaveQueue(waiter);
      work = waiter.work;
    }
    const refusal = this.refusalAfter(driver, call, answered);
    // Other calls may have given something back since the answer: a refusal is explained from what is there now.
    if (refusal === undefined) return { kind: "answered", work: work ?? take() };
    if (work !== undefined) lease.discard(work);
    return { kind: "refused", refusal };
  }

  private refusalAfter({ lease }: LeaseDriver, call: Call, answered: boolean): Refusal | undefined {
    if (lease.ended !== undefined) return lease.ended.refusal;
    if (!answered || lease.busy || lease.standing === undefined) return { kind: "ledger_unavailable" };
    return refusalByRights(lease.standing.rights, call, this.options.clock.nowMs());
  }

  /** Requests that the lease has, plus those that the object could still grant. */
  private requestsLeft(lease: KeyLease): number {
    const { requests } = lease.free(this.options.clock.nowMs());
    const rates = lease.standing?.rates.filter(({ window }) => window === "requests") ?? [];
    return requests + Math.min(...rates.map(({ available }) => available));
  }

  /** The refusal of `need`, explained by the object's answer to it. */
  private refused(lease: KeyLease, need: Amount): Refused {
    const { standing } = lease;
    if (standing === undefined) return { kind: "refused", refusal: { kind: "ledger_unavailable" } };
    const nowMs = this.options.clock.nowMs();
    const refusal = explainRefusal(need, lease.free(nowMs), lease.holds, standing);
    return { kind: "refused", refusal, standing: lease.callStanding(nowMs) };
  }

  private admitted(driver: LeaseDriver, work: Work, request: BoundRequest): AdmitResult {
    const admission = new CallAdmission(driver, work, this.options.clock, request);
    return { kind: "admitted", admission };
  }

  private async tryStrict(
    request: StrictRequest,
    need: Amount,
  ): Promise<
    StrictResult | { readonly kind: "uncovered"; readonly refused: Refused; readonly uncounted: Refused | undefined }
  > {
    const { stubOf, hashesOf, newLeaseId, clock, settings } = this.options;
    const terms: StrictTerms = { kind: "begin", ...request.idempotency };
    const lease = new StrictLease(await hashesOf(request.key.secret), settings, newLeaseId, terms);
    const driver = new LeaseDriver(lease, () => stubOf(request.key.accountId), clock);
    const waiter: Waiter = lease.enqueue(need, request.model, request.tier, clock.nowMs());
    const answered = await driver.roundTrip(request.waitUntil);
    lease.leaveQueue(waiter);
    const refusal = this.refusalAfter(driver, request, answered);
    const { standing } = lease;
    if (refusal !== undefined || standing === undefined) {
      if (waiter.work !== undefined) new StrictCallAdmission(lease, driver, waiter.work, clock, request).drop();
      return { kind: "refused", refusal: refusal ?? { kind: "ledger_unavailable" } };
    }
    const { idempotency, rights } = standing;
    if (idempotency?.kind === "replay") {
      return { kind: "replay", rights, standing: lease.callStanding(clock.nowMs()), stored: idempotency.stored };
    }
    if (idempotency !== undefined && idempotency.kind !== "begun") return { kind: idempotency.kind };
    if (waiter.work === undefined) {
      const early = this.refusedUncounted(lease, need, request);
      return { kind: "uncovered", refused: early ?? this.refused(lease, need), uncounted: early };
    }
    return { kind: "admitted", admission: new StrictCallAdmission(lease, driver, waiter.work, clock, request) };
  }
}

/** The need of a call for which no request is left: counting its tokens is not worth it, so its bound is used. */
function uncounted({ standing }: KeyLease, bound: Amount): Amount {
  const limits = standing?.rates.filter(({ window }) => window === "tokens").map(({ limit }) => limit) ?? [];
  return amount(0, 1, Math.min(bound.tokens, ...limits));
}

function refusalIn({ standing }: KeyLease, call: Call, nowMs: number): Refusal | undefined {
  return standing === undefined ? undefined : refusalByRights(standing.rights, call, nowMs);
}

/** Names of keys in use: calls of one key come with the same object. */
const names = new WeakMap<ParsedKey, string>();

/** A name for maps in memory, unique to the key. */
export function nameOf(key: ParsedKey): string {
  const known = names.get(key);
  if (known !== undefined) return known;
  const name = key.accountId + String.fromCharCode(...key.secret);
  names.set(key, name);
  return name;
}
