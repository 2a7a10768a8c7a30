// The right answer to every repeat under an `Idempotency-Key`, by true time: computed without the ledger and compared
// with each of its answers. Rules: docs/contract.md, Headers.

import { unreachable } from "../../shared/assert.ts";
import type { IdempotencyState, StoredAnswer, SyncAnswer, SyncMessage } from "../../edge/ledger/types.ts";

const REMEMBERED_MS = 86_400_000;

interface Finished {
  readonly leaseId: string;
  readonly bodyHash: string;
  readonly meta: string;
  readonly atMs: number;
}

export class Replays {
  /** How often each answer was given: a simulation that never meets an answer proves nothing about it. */
  readonly met: Record<IdempotencyState["kind"], number> = { begun: 0, running: 0, reused: 0, spent: 0, replay: 0 };
  /** The last charged call under each key. */
  private readonly finished = new Map<string, Finished>();
  /** The hash of the body that each lease began with. */
  private readonly bodies = new Map<string, string>();
  /** Answers already checked: a copy of a message gets the first answer again, which was right at its time. */
  private readonly checked = new WeakSet<SyncAnswer>();
  private answers = 0;

  /** A unique answer. */
  answerOf(tokens: number): StoredAnswer {
    this.answers += 1;
    return { meta: `${this.answers}:${tokens}`, vectors: new Uint8Array([this.answers & 255, tokens & 255]) };
  }

  /** Compares the object's answer with the right one; returns what is wrong with it. */
  check({ session: leaseId, idempotency: step }: SyncMessage, answer: SyncAnswer, nowMs: number): string | undefined {
    if (step === undefined || this.checked.has(answer)) return undefined;
    this.checked.add(answer);
    if (step.kind === "begin") this.bodies.set(leaseId, step.bodyHash);
    const last = this.finished.get(step.key);
    if (step.kind === "finish") {
      if (answer.kind !== "closed" || last?.leaseId === leaseId) return undefined;
      const bodyHash = this.bodies.get(leaseId) ?? "";
      this.finished.set(step.key, { leaseId, bodyHash, meta: step.stored.meta, atMs: nowMs });
      return last !== undefined && nowMs - last.atMs < REMEMBERED_MS
        ? "one idempotency key is charged once a day"
        : undefined;
    }
    if (answer.kind !== "renewed" || answer.idempotency === undefined) return undefined;
    this.met[answer.idempotency.kind] += 1;
    return wrongWith(answer.idempotency, step.bodyHash, last, nowMs);
  }
}

function wrongWith(
  told: IdempotencyState,
  bodyHash: string,
  last: Finished | undefined,
  nowMs: number,
): string | undefined {
  const kept = last !== undefined && nowMs - last.atMs < REMEMBERED_MS ? last : undefined;
  switch (told.kind) {
    case "begun":
      return kept === undefined ? undefined : "a key whose call was charged does not begin again";
    case "replay":
      return kept?.meta === told.stored.meta && kept.bodyHash === bodyHash
        ? undefined
        : "a replay is the answer that was charged, for the same body";
    case "running":
      return kept === undefined ? undefined : "a key whose call was charged is not running";
    case "reused":
      return kept !== undefined && kept.bodyHash === bodyHash ? "the same body is not another one" : undefined;
    case "spent":
      return "only a frame of a stream is asked for too often";
    default:
      return unreachable(told);
  }
}
