// Applies one message of one lease to the ledger, in one turn and in this order: report, return, renew, grant. A copy
// of a message changes nothing and gets the current answer. Figures are cumulative, so that a gap loses nothing. Every
// expected outcome is a return value.
//
// A lease begins with a first message that is granted something (or announces unreported spend), and is known until its
// closing message or its end. An isolate that gets `unknown_session` for a message younger than a lease's life may
// therefore conclude that no copy of it was applied: the lease would still be known.

import { assert } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import { ZERO, amount, covers, isZero, least, minus, minusFloor, plus } from "./amount.ts";
import { beginIdempotent, finishIdempotent, wasFinishedBy } from "./idempotency.ts";
import { rightsOf } from "./key-ring.ts";
import type { Lease, LeaseMemory } from "./lease-table.ts";
import type { BoundBucket, Ledger } from "./ledger.ts";
import { CROWDED_LEASES, IDLE_RATE_SHARE, LEASES_MAX, LEASE_SHARE } from "./settings.ts";
import type { KeyRecord } from "./storage.ts";
import type { Amount, KeyRefusal, OtherLease, RateView, SyncAnswer, SyncMessage } from "./types.ts";
import { recordUsage } from "./usage-history.ts";

/** The most other leases in an answer. The rest are summed and count as ending last. */
const OTHERS_MAX = 16;

/** Applies `message`, received at `nowMs`. The caller owns the transaction and flushes (ledger.ts). */
export function applySync(ledger: Ledger, message: SyncMessage, nowMs: number): SyncAnswer {
  ledger.tick(nowMs);
  const { session: leaseId, seq } = message;
  const found = ledger.keys.find(message.secret, nowMs);
  const refusal = found.kind === "refused" ? found.refusal : suspension(ledger);
  const record = found.kind === "valid" ? found.record : undefined;
  if (record !== undefined) ledger.keys.renew(record, message.secret, nowMs, ledger.storage);

  const lease = ledger.leases.get(leaseId);
  const memory = lease?.memory;
  if (lease === undefined || memory === undefined) {
    if (seq !== 1) {
      return wasFinishedBy(ledger, message, nowMs) ? { kind: "closed", seq } : { kind: "unknown_session", seq };
    }
    if (refusal !== undefined || record === undefined) {
      return { kind: "ended", seq, refusal: refusal ?? { kind: "unknown_key" } };
    }
    return begin(ledger, message, record, nowMs);
  }
  if (seq > 1 && message.epoch !== memory.epoch) return { kind: "unknown_session", seq };
  if (seq < memory.seq) return { kind: "stale", seq };
  const isNews = seq > memory.seq;
  const left = isNews ? report(ledger, message, lease, memory, nowMs) : lease.held;
  const reported: LeaseMemory = isNews ? { ...memory, seq, spent: message.spent } : memory;
  if (message.close === true) return close(ledger, message, lease, left, reported, nowMs);
  if (refusal !== undefined || record === undefined) {
    // The lease holds what it has until its end. Its calls are cancelled, and a cancelled call is never charged.
    put(ledger, leaseId, { ...lease, held: left, memory: { ...reported, atRiskNanoUsd: nanoUsd(0) } });
    return { kind: "ended", seq, refusal: refusal ?? { kind: "unknown_key" } };
  }
  if (!isNews) return again(ledger, message, record, lease, memory, nowMs);
  const kept = keep(ledger, message, lease, left);
  return renew(ledger, message, record, { ...lease, held: kept }, reported, nowMs);
}

function suspension(ledger: Ledger): KeyRefusal | undefined {
  return ledger.status === "suspended" ? { kind: "suspended" } : undefined;
}

/** Begins a lease with its message 1. It spends nothing, so that a late copy can never charge. */
function begin(ledger: Ledger, message: SyncMessage, record: KeyRecord, nowMs: number): SyncAnswer {
  assert(isZero(message.spent) && message.lines.length === 0, "the first message of a lease spends nothing");
  assert(isZero(message.keep), "the first message of a lease holds nothing");
  if (ledger.leases.size >= LEASES_MAX) return { kind: "busy", seq: message.seq };
  // Set aside as far as it is covered: the next message charges it.
  const aside = Math.min(message.untoldNanoUsd ?? 0, ledger.funds(nowMs, record).grantableNanoUsd);
  const fresh = { keyId: record.id, held: amount(aside, 0, 0), expiresAtMs: nowMs };
  const memory = { seq: 1, epoch: ledger.nextEpoch(), spent: ZERO, atRiskNanoUsd: nanoUsd(0) };
  return renew(ledger, message, record, fresh, memory, nowMs);
}

/**
 * Charges what was spent since the last message, from the lease first and then from what is spendable. Returns
 * what the lease still holds.
 */
function report(ledger: Ledger, message: SyncMessage, lease: Lease, memory: LeaseMemory, nowMs: number): Amount {
  const record = ledger.keys.get(lease.keyId);
  if (record !== undefined) ledger.buckets(nowMs, record); // drain before the lease shrinks
  if (message.lostNanoUsd !== undefined) {
    ledger.books.noteLost(message.lostNanoUsd);
    ledger.touch();
  }
  const delta = minus(message.spent, memory.spent);
  if (isZero(delta) && message.lines.length === 0) return lease.held;
  ledger.touch();
  const fromLease = least(lease.held, delta);
  const left = minus(lease.held, fromLease);
  ledger.leases.put(message.session, { ...lease, held: left });
  ledger.charge(record, fromLease.nanoUsd, nowMs);
  const late = nanoUsd(delta.nanoUsd - fromLease.nanoUsd);
  const chargeable = nanoUsd(Math.min(late, ledger.funds(nowMs, record).grantableNanoUsd));
  ledger.charge(record, chargeable, nowMs);
  const writtenOff = nanoUsd(late - chargeable);
  ledger.books.writeOff(writtenOff);
  recordUsage(ledger, lease.keyId, message.lines, { reported: delta.nanoUsd, writtenOff }, nowMs);
  return left;
}

/** Leaves the isolate what it keeps and takes the rest back, into the rate buckets too. */
function keep(ledger: Ledger, message: SyncMessage, { keyId }: Lease, left: Amount): Amount {
  const kept = least(message.keep, left);
  giveBack(ledger, keyId, minus(left, kept));
  return kept;
}

function giveBack(ledger: Ledger, keyId: Lease["keyId"], returned: Amount): void {
  ledger.requests.giveBack(returned.requests);
  ledger.tokens.giveBack(returned.tokens);
  const record = ledger.keys.get(keyId);
  if (record?.requestsPerMinute !== undefined) ledger.keys.use(record.id).requests.giveBack(returned.requests);
  if (record?.tokensPerMinute !== undefined) ledger.keys.use(record.id).tokens.giveBack(returned.tokens);
}

function close(
  ledger: Ledger,
  message: SyncMessage,
  lease: Lease,
  left: Amount,
  memory: LeaseMemory,
  nowMs: number,
): SyncAnswer {
  const { session: leaseId, seq, idempotency } = message;
  ledger.leases.remove(leaseId);
  giveBack(ledger, lease.keyId, left);
  if (memory.strict === undefined) ledger.touch();
  else if (idempotency?.kind === "finish") {
    finishIdempotent(ledger, leaseId, memory.strict.bodyHash, idempotency, nowMs);
  }
  return { kind: "closed", seq };
}

/** Moves the lease to a new end and grants what it wants as far as that is available. */
function renew(
  ledger: Ledger,
  message: SyncMessage,
  record: KeyRecord,
  lease: Lease,
  memory: LeaseMemory,
  nowMs: number,
): SyncAnswer {
  const { settings } = ledger;
  const { session: leaseId, seq, want } = message;
  const strict = message.idempotency?.kind === "begin" ? message.idempotency : undefined;
  const marginMs = strict === undefined ? settings.leaseMarginMs : settings.strictMarginMs;
  const before = ledger.leases.get(leaseId)?.held ?? ZERO;
  ledger.leases.put(leaseId, { ...lease, memory }); // counts as leased in what follows
  const buckets = ledger.buckets(nowMs, record);
  const available = availableTo(ledger, record, buckets, nowMs);
  const tight = isTight(ledger, available, lease.held, want.unit, nowMs);
  // An idle lease is not prolonged then: refused callers may have been told its end, and retry at that time.
  const prolonged = !(tight && message.idle === true);
  const ttlMs = prolonged ? lifeMs(ledger, message) : Math.max(0, lease.expiresAtMs - marginMs - nowMs);
  const expiresAtMs = prolonged ? nowMs + ttlMs + marginMs : lease.expiresAtMs;
  let granted = grantFrom(ledger, available, message, tight);
  // A repeat counts as a request, like any call: if none is left, it is refused without learning anything.
  const mayAsk = available.requests >= 1;
  const idempotency = mayAsk ? beginIdempotent(ledger, message, covers(granted, want.min), nowMs) : undefined;
  const isRepeat = idempotency !== undefined && idempotency.kind !== "begun";
  if (isRepeat) granted = ZERO;
  for (const { bucket, window } of buckets) bucket.take(isRepeat && window === "requests" ? 1 : granted[window]);
  const held = plus(lease.held, granted);
  const isRemembered = seq > 1 || message.untoldNanoUsd !== undefined || !isZero(held);
  if (isRemembered) {
    const { runningNanoUsd, waitingNanoUsd } = message;
    const starting = covers(granted, want.min) ? waitingNanoUsd : Math.min(waitingNanoUsd, granted.nanoUsd);
    const atRiskNanoUsd = nanoUsd(runningNanoUsd + starting);
    const begun = { ...memory, atRiskNanoUsd, ...(strict === undefined ? {} : { strict }) };
    const renewed = { ...lease, held, expiresAtMs, memory: begun };
    // A lease that held and holds nothing is no promise, so it is not written: a refused call costs no row.
    if (seq > 1 && isZero(before) && isZero(held)) ledger.leases.put(leaseId, renewed);
    else put(ledger, leaseId, renewed);
  } else ledger.leases.remove(leaseId);
  if (isRepeat) ledger.touch(); // it took one request
  return {
    ...answerOf(ledger, message, record, { granted, held, tight }, buckets, nowMs),
    ttlMs,
    ...(isRemembered ? { epoch: memory.epoch } : {}),
    ...(idempotency === undefined ? {} : { idempotency }),
  };
}

/** Answers a message that was applied before and whose answer was lost: the same grant, with current figures. */
function again(
  ledger: Ledger,
  message: SyncMessage,
  record: KeyRecord,
  { held }: Lease,
  memory: LeaseMemory,
  nowMs: number,
): SyncAnswer {
  const buckets = ledger.buckets(nowMs, record);
  const granted = minusFloor(held, plus(message.keep, amount(message.untoldNanoUsd ?? 0, 0, 0)));
  const tight = isTight(ledger, availableTo(ledger, record, buckets, nowMs), held, message.want.unit, nowMs);
  const idempotency = beginIdempotent(ledger, message, covers(granted, message.want.min), nowMs);
  return {
    ...answerOf(ledger, message, record, { granted, held, tight }, buckets, nowMs),
    epoch: memory.epoch,
    ...(idempotency === undefined ? {} : { idempotency }),
  };
}

function answerOf(
  ledger: Ledger,
  message: SyncMessage,
  record: KeyRecord,
  { granted, held, tight }: { readonly granted: Amount; readonly held: Amount; readonly tight: boolean },
  buckets: readonly BoundBucket[],
  nowMs: number,
): Extract<SyncAnswer, { kind: "renewed" }> {
  const others = covers(granted, message.want.min) ? [] : othersOf(ledger, message.session, record, nowMs);
  const last = others.at(-1);
  if (last !== undefined) ledger.scarceUntilMs = Math.max(ledger.scarceUntilMs, nowMs + last.endsInMs);
  return {
    kind: "renewed",
    seq: message.seq,
    ttlMs: lifeMs(ledger, message),
    granted,
    held,
    tight,
    rights: rightsOf(ledger.accountId, record),
    funds: ledger.funds(nowMs, record),
    rates: buckets.map((bound) => viewOf(ledger, record, bound)),
    ...(last === undefined ? {} : { others }),
  };
}

function lifeMs({ settings }: Ledger, message: SyncMessage): number {
  return message.idempotency === undefined ? settings.leaseTtlMs : settings.strictTtlMs;
}

/** Puts the lease and marks the row: an eviction would break a promise that is only in memory (ledger.ts). */
function put(ledger: Ledger, leaseId: string, lease: Lease): void {
  ledger.leases.put(leaseId, lease);
  if (lease.memory?.strict === undefined) ledger.touch();
}

function availableTo(ledger: Ledger, record: KeyRecord, buckets: readonly BoundBucket[], nowMs: number): Amount {
  const left = { requests: Number.MAX_SAFE_INTEGER, tokens: Number.MAX_SAFE_INTEGER };
  for (const { bucket, window, limit } of buckets) left[window] = Math.min(left[window], bucket.available(limit));
  return amount(ledger.funds(nowMs, record).grantableNanoUsd, left.requests, left.tokens);
}

/**
 * Whether an isolate must hold nothing idle and report at once: credit or rate is nearly used up, there are many
 * leases, or a caller waits for what others hold.
 */
function isTight(ledger: Ledger, available: Amount, held: Amount, unit: Amount, nowMs: number): boolean {
  const isCrowded = ledger.leases.size > CROWDED_LEASES || nowMs < ledger.scarceUntilMs;
  return isCrowded || !covers(shareOf(plus(available, held)), unit);
}

/**
 * Grants what waiting calls need (`min`), as far as it is available, and more, up to `target`, only within a share of
 * what is available. A call with an `Idempotency-Key` gets all of `min` or nothing.
 */
function grantFrom(ledger: Ledger, available: Amount, message: SyncMessage, tight: boolean): Amount {
  const { min, target, least: needed } = message.want;
  if (!covers(available, message.idempotency === undefined ? needed : min)) return ZERO;
  if (message.idempotency !== undefined) return min;
  if (tight) return least(available, min);
  const { total } = ledger.leases;
  const { requestsPerMinute, tokensPerMinute } = ledger.limits;
  const share = shareOf(available);
  const idle = {
    requests: Math.max(0, Math.floor(requestsPerMinute / IDLE_RATE_SHARE) - total.requests),
    tokens: Math.max(0, Math.floor(tokensPerMinute / IDLE_RATE_SHARE) - total.tokens),
  };
  const beyond = {
    nanoUsd: Math.min(target.nanoUsd, share.nanoUsd),
    requests: Math.min(target.requests, share.requests, idle.requests),
    tokens: Math.min(target.tokens, share.tokens, idle.tokens),
  };
  return least(available, {
    nanoUsd: nanoUsd(Math.max(min.nanoUsd, beyond.nanoUsd)),
    requests: Math.max(min.requests, beyond.requests),
    tokens: Math.max(min.tokens, beyond.tokens),
  });
}

function shareOf(available: Amount): Amount {
  return amount(
    Math.floor(available.nanoUsd / LEASE_SHARE),
    Math.floor(available.requests / LEASE_SHARE),
    Math.floor(available.tokens / LEASE_SHARE),
  );
}

function viewOf({ leases }: Ledger, { id }: KeyRecord, { bucket, window, which, limit }: BoundBucket): RateView {
  const { [window]: leased } = which === "account" ? leases.total : leases.totalOf(id);
  return { window, which, limit, available: bucket.available(limit), leased };
}

/** What other leases hold, the earliest end first: tells when a need that is not covered now can be. */
function othersOf(ledger: Ledger, leaseId: string, record: KeyRecord, nowMs: number): OtherLease[] {
  const others = [...ledger.leases.entries()]
    .filter(([id, { held }]) => id !== leaseId && !isZero(held))
    .map(([, { held, keyId, expiresAtMs }]) => ({
      endsInMs: expiresAtMs - nowMs,
      held,
      sameKey: keyId === record.id,
    }))
    .sort((a, b) => a.endsInMs - b.endsInMs);
  const last = others.at(-1);
  if (last === undefined || others.length <= OTHERS_MAX) return others;
  const rest = others.splice(OTHERS_MAX - 1);
  for (const sameKey of [true, false]) {
    const held = rest.filter((one) => one.sameKey === sameKey).reduce((sum, one) => plus(sum, one.held), ZERO);
    if (!isZero(held)) others.push({ endsInMs: last.endsInMs, held, sameKey });
  }
  return others;
}
