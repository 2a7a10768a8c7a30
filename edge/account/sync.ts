// One message of one session, applied to the ledger: report, return, renew, grant, in this order, in one turn. A copy
// of a message changes nothing and gets the current answer; figures are cumulative, so that a gap loses nothing.
// Every outcome that is expected is a value. Source: design.md, Ledger.

import { assert } from "../../shared/assert.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";
import { ZERO, amount, covers, isZero, least, minus, minusFloor, plus } from "./amount.ts";
import type { SessionMemory } from "./hot.ts";
import { beginIdempotent, dropIdempotent, finishIdempotent, ownsIdempotent, wasFinishedBy } from "./idempotency.ts";
import { rightsOf } from "./key-ring.ts";
import type { Ledger } from "./ledger.ts";
import { LEASE_SHARE, SESSIONS_MAX } from "./settings.ts";
import type { KeyRecord } from "./storage.ts";
import type { Amount, KeyRefusal, SyncAnswer, SyncMessage } from "./types.ts";
import { recordUsage } from "./usage-history.ts";

/** Applies `message`, received at `nowMs`. The caller owns the transaction and flushes (ledger.ts). */
export function applySync(ledger: Ledger, message: SyncMessage, nowMs: number): SyncAnswer {
  ledger.tick(nowMs);
  const { session, seq } = message;
  const found = ledger.keys.find(message.secret, nowMs);
  const refusal = found.kind === "refused" ? found.refusal : suspension(ledger);
  const record = found.kind === "valid" ? found.record : undefined;
  if (record !== undefined) ledger.keys.renew(record, message.secret, nowMs, ledger.storage);

  const memory = ledger.sessions.get(session) ?? newSession(ledger, message, record);
  if (memory === undefined) {
    if (seq === 1 && refusal !== undefined) return { kind: "ended", seq, refusal };
    return wasFinishedBy(ledger, message, nowMs) ? { kind: "closed", seq } : { kind: "unknown_session", seq };
  }
  if (seq > 1 && message.epoch !== memory.epoch) return { kind: "unknown_session", seq };
  if (memory.seq === 0 && refusal !== undefined) return { kind: "ended", seq, refusal };
  if (seq < memory.seq) return { kind: "stale", seq };
  if (seq === memory.seq) {
    const answer = ledger.answers.get(session);
    if (answer !== undefined) return answer;
  }
  if (memory.seq === 0 && ledger.sessions.size >= SESSIONS_MAX) return { kind: "busy", seq };
  if (!ownsIdempotent(ledger, message)) {
    ledger.leases.remove(session);
    ledger.forget(session);
    return { kind: "unknown_session", seq };
  }
  // The same number again, after a crash took its answer: it was recorded, but what it asked for is granted anew.
  const isNews = seq > memory.seq;
  if (isNews) report(ledger, memory, message, nowMs);
  memory.seq = seq;
  if (message.close === true) return closeSession(ledger, memory, message, nowMs);
  const kept = keepLease(ledger, memory, message, nowMs);
  ledger.sessions.set(session, memory);
  const answer =
    refusal === undefined && record !== undefined
      ? renew(ledger, memory, message, record, kept, nowMs)
      : end(ledger, memory, message, refusal ?? { kind: "unknown_key" }, nowMs);
  if (isNews) memory.recalled = false; // a copy may be old: the isolate's next message may still have to find its lease
  if (ledger.sessions.has(session)) ledger.answers.set(session, answer);
  return answer;
}

function suspension(ledger: Ledger): KeyRefusal | undefined {
  return ledger.status === "suspended" ? { kind: "suspended" } : undefined;
}

/** A session begins with message 1, which spends nothing: a copy that arrives late can never charge. */
function newSession(ledger: Ledger, message: SyncMessage, record: KeyRecord | undefined): SessionMemory | undefined {
  if (message.seq !== 1 || record === undefined) return undefined;
  assert(isZero(message.spent) && message.lines.length === 0, "the first message of a session spends nothing");
  return {
    seq: 0,
    epoch: ledger.nextEpoch(),
    keyId: record.id,
    spent: ZERO,
    untilMs: 0,
    recalled: true,
    atRiskNanoUsd: nanoUsd(0),
  };
}

/** Charges what the session spent since its last message: from its lease, else from what is still spendable. */
function report(ledger: Ledger, memory: SessionMemory, message: SyncMessage, nowMs: number): void {
  const record = ledger.keys.get(memory.keyId);
  if (record !== undefined) ledger.buckets(nowMs, record); // drained while the lease is still out
  noteDropped(ledger, message);
  const delta = minus(message.spent, memory.spent);
  if (isZero(delta) && message.lines.length === 0) return;
  // A request that only runs is no news worth a row: its limit was charged when it was leased.
  if (delta.nanoUsd > 0 || message.lines.length > 0) ledger.touch();
  const lease = ledger.leases.get(message.session);
  const fromLease = least(lease?.held ?? ZERO, delta);
  if (lease !== undefined) ledger.leases.put(message.session, { ...lease, held: minus(lease.held, fromLease) });
  charge(ledger, record, fromLease.nanoUsd, nowMs);
  const found = adopt(ledger, memory, message, minus(delta, fromLease), nowMs);
  charge(ledger, record, found.nanoUsd, nowMs);
  const late = nanoUsd(delta.nanoUsd - fromLease.nanoUsd - found.nanoUsd);
  const chargeable = nanoUsd(Math.min(late, ledger.funds(nowMs, record).grantableNanoUsd));
  charge(ledger, record, chargeable, nowMs);
  const writtenOff = nanoUsd(late - chargeable);
  ledger.books.writeOff(writtenOff);
  recordUsage(ledger, memory.keyId, message.lines, { reported: delta.nanoUsd, writtenOff }, nowMs);
  memory.spent = message.spent;
}

/** What an isolate could not report any more is in the books as a memo. */
function noteDropped(ledger: Ledger, { lostNanoUsd }: SyncMessage): void {
  if (lostNanoUsd === undefined) return;
  ledger.books.noteLost(lostNanoUsd);
  ledger.touch();
}

function charge(ledger: Ledger, record: KeyRecord | undefined, value: NanoUsd, nowMs: number): void {
  ledger.books.charge(value);
  ledger.addMonthSpent(nowMs, value);
  if (record !== undefined) ledger.keys.use(record.id).spend(record, value, nowMs);
}

/** What a crash made the object forget of a lease that is still in force; of one that has ended, others hold it now. */
function adopt(ledger: Ledger, memory: SessionMemory, message: SyncMessage, missing: Amount, nowMs: number): Amount {
  const inForce = message.leaseEndMs !== undefined && message.leaseEndMs > nowMs;
  return memory.recalled && inForce ? ledger.adopt(memory.keyId, missing, nowMs) : ZERO;
}

/** Leaves the session what it says it keeps, and takes the rest back, into the rate buckets too. */
function keepLease(ledger: Ledger, memory: SessionMemory, message: SyncMessage, nowMs: number): Amount {
  const lease = ledger.leases.get(message.session);
  const held = lease?.held ?? ZERO;
  const here = least(message.keep, held);
  giveBack(ledger, memory, minus(held, here));
  const kept = plus(here, adopt(ledger, memory, message, minusFloor(message.keep, here), nowMs));
  const expiresAtMs = Math.max(lease?.expiresAtMs ?? 0, isZero(kept) ? 0 : (message.leaseEndMs ?? 0));
  ledger.leases.put(message.session, { keyId: memory.keyId, held: kept, expiresAtMs });
  return kept;
}

function giveBack(ledger: Ledger, memory: SessionMemory, returned: Amount): void {
  ledger.requests.giveBack(returned.requests);
  ledger.tokens.giveBack(returned.tokens);
  const record = ledger.keys.get(memory.keyId);
  if (record?.requestsPerMinute !== undefined) ledger.keys.use(record.id).requests.giveBack(returned.requests);
  if (record?.tokensPerMinute !== undefined) ledger.keys.use(record.id).tokens.giveBack(returned.tokens);
}

function closeSession(ledger: Ledger, memory: SessionMemory, message: SyncMessage, nowMs: number): SyncAnswer {
  giveBack(ledger, memory, ledger.leases.remove(message.session));
  if (message.idempotency?.kind === "finish") finishIdempotent(ledger, message, message.idempotency, nowMs);
  else dropIdempotent(ledger, message);
  ledger.forget(message.session);
  return { kind: "closed", seq: message.seq };
}

/** The key is refused: what the session holds stays out until its end, so that work already done can be reported. */
function end(
  ledger: Ledger,
  memory: SessionMemory,
  message: SyncMessage,
  refusal: KeyRefusal,
  nowMs: number,
): SyncAnswer {
  const { leaseTtlMs, leaseMarginMs, sessionMemoryMs } = ledger.settings;
  memory.atRiskNanoUsd = nanoUsd(0); // what ran is cancelled, and a cancelled call is never charged
  memory.untilMs = Math.max(memory.untilMs, nowMs + leaseTtlMs + leaseMarginMs + sessionMemoryMs);
  return { kind: "ended", seq: message.seq, refusal };
}

function renew(
  ledger: Ledger,
  memory: SessionMemory,
  message: SyncMessage,
  record: KeyRecord,
  held: Amount,
  nowMs: number,
): SyncAnswer {
  const { settings, leases } = ledger;
  const ttlMs = message.strictLifeMs ?? settings.leaseTtlMs;
  assert(ttlMs <= settings.strictLifeMsMax, "a strict lease has a longest life");
  const expiresAtMs = nowMs + ttlMs + settings.leaseMarginMs;
  memory.untilMs = expiresAtMs + settings.sessionMemoryMs;
  leases.put(message.session, { keyId: memory.keyId, held, expiresAtMs });

  const buckets = ledger.buckets(nowMs, record);
  const available = availableTo(ledger, record, buckets, nowMs);
  const tight = !covers(shareOf(plus(available, held)), message.want.unit);
  let granted = grantFrom(available, message, tight);
  // A repeat counts as a request, like any call: without one to take it learns nothing and is refused.
  const mayAsk = available.requests >= 1;
  const fits = covers(granted, message.want.min);
  const idempotency = mayAsk ? beginIdempotent(ledger, message, fits, expiresAtMs, nowMs) : undefined;
  if (idempotency !== undefined && idempotency.kind !== "begun") {
    granted = ZERO;
    for (const { bucket, window } of buckets) if (window === "requests") bucket.take(1);
  }
  if (!isZero(granted)) {
    for (const { bucket, window } of buckets) bucket.take(granted[window]);
    leases.put(message.session, { keyId: memory.keyId, held: plus(held, granted), expiresAtMs });
    ledger.noteGranted(granted, message.strictLifeMs !== undefined || ledger.hasOwnBounds(record));
  }
  const { runningNanoUsd, waitingNanoUsd, want } = message;
  const starting = covers(granted, want.min) ? waitingNanoUsd : Math.min(waitingNanoUsd, granted.nanoUsd);
  memory.atRiskNanoUsd = nanoUsd(runningNanoUsd + starting);
  if (message.strictLifeMs !== undefined && isZero(granted)) ledger.forget(message.session);
  return {
    kind: "renewed",
    seq: message.seq,
    epoch: memory.epoch,
    ttlMs,
    leaseEndMs: expiresAtMs,
    granted,
    held: plus(held, granted),
    tight,
    rights: rightsOf(ledger.accountId, record),
    funds: ledger.funds(nowMs, record),
    rates: buckets.map(({ bucket, window, which, limit }) => bucket.view(window, which, limit)),
    ...(idempotency === undefined ? {} : { idempotency }),
  };
}

function availableTo(ledger: Ledger, record: KeyRecord, buckets: ReturnType<Ledger["buckets"]>, nowMs: number): Amount {
  const left = { requests: Number.MAX_SAFE_INTEGER, tokens: Number.MAX_SAFE_INTEGER };
  for (const { bucket, window, limit } of buckets) left[window] = Math.min(left[window], bucket.available(limit));
  return amount(ledger.funds(nowMs, record).grantableNanoUsd, left.requests, left.tokens);
}

/** What waits is granted as far as it goes; beyond it no more than a share of what is there. Strict: all or nothing. */
function grantFrom(available: Amount, message: SyncMessage, tight: boolean): Amount {
  const { min, target } = message.want;
  if (message.strictLifeMs !== undefined) return covers(available, min) ? min : ZERO;
  if (tight) return least(available, min);
  const beyond = least(target, shareOf(available));
  return least(available, {
    nanoUsd: min.nanoUsd > beyond.nanoUsd ? min.nanoUsd : beyond.nanoUsd,
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
