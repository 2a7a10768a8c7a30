// `Idempotency-Key`, per account and route, 24 h. A running call is known only in the object's memory, for as long as
// its lease, which its isolate renews while it lives. Nothing is written before the call's last message,
// which stores the answer and charges it in one transaction. If the object crashes in between, that message finds no
// lease: nothing is charged, nothing is delivered, and the key is free again. Rules: docs/contract.md, Headers.

import { assert } from "../../shared/assert.ts";
import type { Ledger } from "./ledger.ts";
import { STREAM_ROUTE, replayFrame } from "./stream-frames.ts";
import { IDEMPOTENCY_BYTES_MAX } from "./types.ts";
import type { IdempotencyState, IdempotencyStep, SyncMessage } from "./types.ts";

/** Answers a `begin` step. Undefined: the message has none, or its call does not fit (`fits`) and is new. */
export function beginIdempotent(
  ledger: Ledger,
  message: SyncMessage,
  fits: boolean,
  nowMs: number,
): IdempotencyState | undefined {
  const step = message.idempotency;
  if (step?.kind !== "begin") return undefined;
  const running = ledger.leases.runningCall(step.route, step.key);
  if (running !== undefined && running.id !== message.session) {
    return { kind: running.bodyHash === step.bodyHash ? "running" : "reused" };
  }
  const first = ledger.answers.find(step.route, step.key, nowMs);
  if (first === undefined) return fits ? { kind: "begun" } : undefined;
  if (first.bodyHash !== step.bodyHash) return { kind: "reused" };
  if (!ledger.replayPace.isOpen(nowMs)) return { kind: "running" };
  if (step.route === STREAM_ROUTE) return replayFrame(first);
  const stored = first.read();
  ledger.replayPace.note(stored.vectors.byteLength);
  return { kind: "replay", stored };
}

/** Whether this message was applied before: its lease is forgotten, and its answer was lost. */
export function wasFinishedBy(ledger: Ledger, message: SyncMessage, nowMs: number): boolean {
  const step = message.idempotency;
  if (step?.kind !== "finish") return false;
  return ledger.answers.find(step.route, step.key, nowMs)?.leaseId === message.session;
}

/** Stores the answer of the call that `bodyHash` began. */
export function finishIdempotent(
  ledger: Ledger,
  leaseId: string,
  bodyHash: string,
  { route, key, stored }: Extract<IdempotencyStep, { kind: "finish" }>,
  nowMs: number,
): void {
  assert(stored.vectors.byteLength <= IDEMPOTENCY_BYTES_MAX, "a stored answer has a largest size");
  ledger.answers.put({ route, key, bodyHash, leaseId, atMs: nowMs }, stored);
  ledger.touch();
}
