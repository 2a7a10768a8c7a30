// Calls in a plan: what a wallet and its route do with a lease. A strict call is one with an
// `Idempotency-Key`.

import { amount } from "../../edge/ledger/amount.ts";
import type { KeyLease } from "../../edge/wallet/key-lease.ts";
import { must } from "../../shared/assert.ts";
import { nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { MODEL, NANO_USD_PER_TOKEN, newIsolate } from "./isolate.ts";
import type { Isolate, Running, StrictCall } from "./isolate.ts";
import type { Step } from "./plan.ts";
import type { World } from "./world.ts";

export function startCall(world: World, { a, b, c }: Step): void {
  const isolate = world.pickIsolate(a);
  if (isolate === undefined) return;
  const key = b % world.plan.terms.caps.length;
  const lease = leaseOf(world, isolate, key);
  const bound = 1 + ((c >>> 8) % (c % 5 === 0 ? 400 : 60));
  const need = amount(bound * NANO_USD_PER_TOKEN, 1, bound);
  const tokens = 1 + ((c >>> 16) % bound);
  const nowMs = world.isolateNow(isolate);
  const work = lease.isCurrent(nowMs) ? lease.take(need, MODEL, "interactive", nowMs) : undefined;
  if (work !== undefined) start(world, isolate, { lease, work, key, tokens, strict: undefined });
  else queue(world, isolate, lease, bound, key, tokens, undefined);
}

export function strictCall(world: World, { a, b, c }: Step): void {
  const isolate = world.pickIsolate(a);
  if (isolate === undefined) return;
  const key = b % world.plan.terms.caps.length;
  const name = `idempotent-${c % 8 === 0 ? 1 : 0}`;
  const bodyHash = (c >>> 4) % 6 === 0 ? "another body" : "body";
  const begin = { kind: "begin", route: "/v1/embeddings", key: name, bodyHash } as const;
  const lease = world.newStrictLease(isolate, key, begin);
  const strict: StrictCall = {
    lease,
    accountKey: key,
    key: name,
    bodyHash,
    applied: false,
    costNanoUsd: 0,
    state: "asking",
    closeSoon: false,
  };
  isolate.strict.push(strict);
  const bound = 1 + ((c >>> 8) % 50);
  queue(world, isolate, lease, bound, key, 1 + ((c >>> 16) % bound), strict);
  if ((c >>> 3) % 2 === 0) runAtOnce(world, isolate, strict, b % 3 === 0);
}

/**
 * Runs the whole call without a fault, so that plans meet many replays; `copied`: its first message arrives again
 * later.
 */
function runAtOnce(world: World, isolate: Isolate, { lease }: StrictCall, copied: boolean): void {
  exchange(world, isolate, lease, copied);
  const running = isolate.running.find((one) => one.lease === lease);
  if (running === undefined) return;
  endRunning(world, isolate, running, true);
  exchange(world, isolate, lease);
}

function queue(
  world: World,
  isolate: Isolate,
  lease: KeyLease,
  bound: number,
  key: number,
  tokens: number,
  strict: StrictCall | undefined,
): void {
  const waiter = lease.enqueue(
    amount(bound * NANO_USD_PER_TOKEN, 1, bound),
    MODEL,
    "interactive",
    world.isolateNow(isolate),
  );
  isolate.queued.push({ lease, waiter, key, tokens, afterComposed: lease.composed, strict });
}

function start(world: World, isolate: Isolate, running: Running): void {
  isolate.running.push(running);
  // A strict call counts when its last message is applied: until then it is not delivered (world.ts).
  if (running.strict === undefined) world.uses.push({ key: running.key, requests: 1, tokens: 0 });
}

export function endWork(world: World, { a, b }: Step, success: boolean): void {
  const isolate = world.pickIsolate(a);
  if (isolate === undefined || isolate.running.length === 0) return;
  endRunning(world, isolate, must(isolate.running[b % isolate.running.length], "running call"), success);
}

export function finishStrict(world: World, { a, b }: Step): void {
  const isolate = world.pickIsolate(a);
  const running = isolate?.running.filter(({ strict }) => strict !== undefined) ?? [];
  const one = running[b % Math.max(1, running.length)];
  if (isolate !== undefined && one !== undefined) endRunning(world, isolate, one, b % 5 !== 0);
}

export function endRunning(world: World, isolate: Isolate, running: Running, success: boolean): void {
  isolate.running.splice(isolate.running.indexOf(running), 1);
  const nowMs = world.isolateNow(isolate);
  const { lease, work, tokens, strict } = running;
  if (!success) {
    lease.release(work, { status: 500 }, nowMs);
    if (strict !== undefined) strict.closeSoon = true;
    return;
  }
  const cost = nanoUsd(tokens * NANO_USD_PER_TOKEN);
  const settlement = {
    model: MODEL,
    tokens,
    cachedTokens: 0,
    costNanoUsd: cost,
    savedNanoUsd: nanoUsd(0),
    latencyMs: 80,
  };
  const outcome = lease.settle(work, settlement, nowMs);
  if (outcome === "lapsed") return;
  if (strict === undefined) {
    world.uses.push({ key: running.key, requests: 0, tokens });
    isolate.chargedNanoUsd += cost;
    return;
  }
  strict.costNanoUsd = cost;
  strict.state = "finishing";
  world.strictMaybeNanoUsd += cost;
  strict.lease.finishWith({
    kind: "finish",
    route: "/v1/embeddings",
    key: strict.key,
    stored: world.replays.answerOf(tokens),
  });
}

/** Delivers an answer; its isolate continues. */
export function answer(world: World, at: number): void {
  const reply = world.takeReply(at);
  if (reply !== undefined) afterAnswer(world, reply.isolate, reply.lease);
}

/**
 * Makes one call for `value` with the first key while nothing else runs. Returns whether it was admitted and charged;
 * undefined if the key has a cap.
 */
export function callForAll(world: World, value: NanoUsd): boolean | undefined {
  const isolate = newIsolate(0);
  world.isolates.push(isolate);
  const record = world.look((ledger) => ledger.keys.get(must(world.keys[0], "key").id) ?? null);
  if (record?.capNanoUsd !== undefined) return undefined;
  const lease = world.newLease(isolate, 0);
  const waiter = lease.enqueue(amount(value, 1, 1), MODEL, "interactive", world.isolateNow(isolate));
  exchange(world, isolate, lease);
  if (waiter.work === undefined) return false;
  const settlement = {
    model: MODEL,
    tokens: 1,
    cachedTokens: 0,
    costNanoUsd: value,
    savedNanoUsd: nanoUsd(0),
    latencyMs: 1,
  };
  const outcome = lease.settle(waiter.work, settlement, world.isolateNow(isolate));
  isolate.chargedNanoUsd += value;
  exchange(world, isolate, lease);
  return outcome === "charged";
}

/** Exchanges one message of `lease` and its answer before all others; `copied` leaves a copy of it in the network. */
export function exchange(world: World, isolate: Isolate, lease: KeyLease, copied = false): void {
  if (!world.sendFrom(isolate, lease, true)) return;
  const letter = must(world.network.at(-1), "what was just sent");
  if (copied) world.network.push(letter);
  world.deliver(world.network.length - 1, 1);
  if (world.replies.at(-1)?.message === letter.message) answer(world, world.replies.length - 1);
}

/** What a wallet does after an answer: calls start or are refused. */
function afterAnswer(world: World, isolate: Isolate, lease: KeyLease): void {
  for (const queued of isolate.queued.filter((one) => one.lease === lease)) {
    const { waiter, key, tokens, strict } = queued;
    const settled = waiter.work !== undefined || lease.answered > queued.afterComposed || lease.ended !== undefined;
    if (!settled) continue;
    isolate.queued.splice(isolate.queued.indexOf(queued), 1);
    lease.leaveQueue(waiter);
    if (waiter.work !== undefined) {
      if (strict !== undefined) strict.state = "running";
      start(world, isolate, { lease, work: waiter.work, key, tokens, strict });
    } else if (strict !== undefined) strict.state = "over";
  }
  const strict = isolate.strict.find((call) => call.lease === lease);
  if (strict === undefined || !lease.closed || strict.state === "over") return;
  if (strict.state === "finishing" && !strict.lease.closedUnknown) {
    world.strictMaybeNanoUsd -= strict.costNanoUsd;
    isolate.chargedNanoUsd += strict.costNanoUsd;
  }
  strict.state = "over";
}

function leaseOf(world: World, isolate: Isolate, key: number): KeyLease {
  const known = isolate.leases.get(key);
  const over = known === undefined || known.closed || (known.ended !== undefined && !known.hasUnsent);
  if (!over) return known;
  const lease = world.newLease(isolate, key);
  isolate.leases.set(key, lease);
  return lease;
}
