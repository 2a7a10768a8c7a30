// Batches in a plan: slices are reserved, charged, charged again by late messages, and abandoned. They name a key and
// have no isolate's lease; everything else of the account happens at the same time.

import { chargeBatch, releaseBatch, reserveBatch } from "../../edge/ledger/batch-charge.ts";
import type { BatchAttempt, ChargeOutcome } from "../../edge/ledger/batch-charge.ts";
import type { Ledger } from "../../edge/ledger/ledger.ts";
import { must } from "../../shared/assert.ts";
import type { KeyId } from "../../shared/ids.ts";
import { nanoUsd } from "../../shared/money.ts";
import { MODEL, NANO_USD_PER_TOKEN } from "./isolate.ts";
import type { Step } from "./plan.ts";

interface Made extends BatchAttempt {
  readonly tokensMax: number;
}

/** The part of the world that batches need. */
interface BatchWorld {
  readonly nowMs: number;
  readonly keys: readonly { readonly id: KeyId }[];
  attempt(work: (ledger: Ledger) => unknown): boolean;
  nextName(): number;
}

export class Batches {
  /** The sum of all charges, one per slice. */
  chargedNanoUsd = 0;
  /** The first wrong answer, in words. */
  wrong: string | undefined;
  /** How often a slice was charged, charged again, and asked for too late. */
  readonly met = { charged: 0, again: 0, lapsed: 0 };
  private readonly made: Made[] = [];
  /** Slice → the receipt of its charge. */
  private readonly receipts = new Map<string, string>();

  step(world: BatchWorld, { a, b, c }: Step): void {
    const action = a % 5;
    const attempt = action < 2 ? undefined : this.made.at(c % 4 === 0 ? b % Math.max(1, this.made.length) : -1);
    if (attempt === undefined) this.reserve(world, b, c);
    else if (action === 4) world.attempt((ledger) => releaseBatch(ledger, attempt.batchId));
    else this.charge(world, attempt, b);
  }

  private reserve(world: BatchWorld, b: number, c: number): void {
    const tokensMax = 1 + (c % (c % 5 === 0 ? 400 : 60));
    const key = must(world.keys[b % world.keys.length], "key");
    const attempt = { batchId: `batch_${b % 2}`, slice: (b >>> 4) % 3, attempt: world.nextName(), keyId: key.id };
    this.made.push({ ...attempt, tokensMax });
    const uses = { scopes: ["embeddings"], models: [MODEL] } as const;
    world.attempt((ledger) =>
      reserveBatch(ledger, { ...attempt, uses }, nanoUsd(tokensMax * NANO_USD_PER_TOKEN), world.nowMs),
    );
  }

  private charge(world: BatchWorld, { tokensMax, ...attempt }: Made, b: number): void {
    const tokens = 1 + (b % tokensMax);
    const cost = nanoUsd(tokens * NANO_USD_PER_TOKEN);
    const receipt = String(attempt.attempt);
    const line = {
      model: MODEL,
      tier: "batch" as const,
      minute: Math.floor(world.nowMs / 60_000),
      requests: 1,
      tokens,
      cachedTokens: 0,
      costNanoUsd: cost,
      savedNanoUsd: nanoUsd(0),
      errors4xx: 0,
      errors5xx: 0,
      latency: {},
    };
    let outcome: ChargeOutcome | undefined;
    const happened = world.attempt((ledger) => {
      outcome = chargeBatch(ledger, { ...attempt, costNanoUsd: cost, lines: [line], receipt }, world.nowMs);
    });
    if (!happened || outcome === undefined) return;
    const slice = `${attempt.batchId}:${attempt.slice}`;
    const first = this.receipts.get(slice);
    if (outcome.kind === "lapsed") {
      this.met.lapsed += 1;
      if (first !== undefined) this.wrong ??= "a slice that was charged is not known any more";
      return;
    }
    if (outcome.receipt !== (first ?? receipt)) this.wrong ??= "a slice answers the receipt of its first charge";
    this.met[first === undefined ? "charged" : "again"] += 1;
    if (first !== undefined) return;
    this.receipts.set(slice, receipt);
    this.chargedNanoUsd += cost;
  }
}
