// `Idempotency-Key`, per account and route, 24 h: begun with a strict lease, finished with the charge in one
// transaction. A key that is running belongs to its session and frees itself when that session's lease ends; a failed
// call does not occupy it. Source: product.md, Headers.

import { assert, must } from "../../shared/assert.ts";
import type { Ledger } from "./ledger.ts";
import { IDEMPOTENCY_BYTES_MAX } from "./types.ts";
import type { IdempotencyState, IdempotencyStep, SyncMessage } from "./types.ts";

const REMEMBERED_MS = 86_400_000;

/** What becomes of a `begin` step; undefined when the message has none, or its lease does not fit (`fits`). */
export function beginIdempotent(
  ledger: Ledger,
  message: SyncMessage,
  fits: boolean,
  expiresAtMs: number,
  nowMs: number,
): IdempotencyState | undefined {
  const step = message.idempotency;
  if (step?.kind !== "begin") return undefined;
  const row = ledger.storage.readIdempotency(step.route, step.key);
  // Its own running session asks again: a copy, or after a crash. A finished one does not begin again, not even by a
  // late copy of its own first message.
  const isOwn = row !== undefined && row.session === message.session && !row.done;
  if (row !== undefined && row.expiresAtMs > nowMs && !isOwn) {
    if (row.bodyHash !== step.bodyHash) return { kind: "reused" };
    if (!row.done || !ledger.replayPace.isOpen(nowMs)) return { kind: "running" };
    const stored = must(ledger.storage.readStoredAnswer(step.route, step.key), "the answer of a finished key");
    ledger.replayPace.note(stored.vectors.byteLength);
    return { kind: "replay", stored };
  }
  if (!fits) return undefined;
  ledger.storage.putIdempotency({
    ...keyOf(step),
    bodyHash: step.bodyHash,
    session: message.session,
    expiresAtMs,
    done: false,
  });
  ledger.storage.wakeAt(nowMs + REMEMBERED_MS);
  return { kind: "begun" };
}

/** Whether a `finish` step's key still belongs to its session (it may have been begun anew after its lease ended). */
export function ownsIdempotent(ledger: Ledger, message: SyncMessage): boolean {
  const step = message.idempotency;
  if (step?.kind !== "finish") return true;
  const row = ledger.storage.readIdempotency(step.route, step.key);
  return row !== undefined && row.session === message.session && !row.done;
}

/** Whether this very message was applied before and its session forgotten: its answer was lost. */
export function wasFinishedBy(ledger: Ledger, message: SyncMessage, nowMs: number): boolean {
  const step = message.idempotency;
  if (step?.kind !== "finish") return false;
  const row = ledger.storage.readIdempotency(step.route, step.key);
  return row !== undefined && row.session === message.session && row.done && row.expiresAtMs > nowMs;
}

export function finishIdempotent(
  ledger: Ledger,
  message: SyncMessage,
  step: Extract<IdempotencyStep, { kind: "finish" }>,
  nowMs: number,
): void {
  const row = ledger.storage.readIdempotency(step.route, step.key);
  assert(row !== undefined && row.session === message.session, "a finish belongs to its session");
  assert(step.stored.vectors.byteLength <= IDEMPOTENCY_BYTES_MAX, "a stored answer has a largest size");
  ledger.storage.putIdempotency({ ...row, expiresAtMs: nowMs + REMEMBERED_MS, done: true }, step.stored);
  ledger.touch();
}

/** The strict call failed: its key is free again. */
export function dropIdempotent(ledger: Ledger, message: SyncMessage): void {
  const step = message.idempotency;
  if (step === undefined) return;
  const row = ledger.storage.readIdempotency(step.route, step.key);
  if (row?.session === message.session && !row.done) ledger.storage.deleteIdempotency(step.route, step.key);
}

function keyOf(step: IdempotencyStep): { route: string; key: string } {
  return { route: step.route, key: step.key };
}
