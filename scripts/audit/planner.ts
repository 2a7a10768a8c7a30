// Plans calls at random from a seed: each paid route, and each way of calling that changes what is charged.

import { Dice } from "./dice.ts";
import type { Manner, PlannedCall } from "./history.ts";
import { planBatch, planStream } from "./jobs.ts";
import { boundedTool, malformed, shapeOf } from "./shapes.ts";
import type { Shape } from "./shapes.ts";
import type { Supplies } from "./supplies.ts";
import type { Surface } from "./surfaces.ts";
import { must } from "../../shared/assert.ts";
import { costNanoUsd, formatUsd, nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

const REPEATS_MAX = 3;
/** Calls under an `Idempotency-Key` that are remembered, to be repeated. */
const KEPT_MAX = 64;

/** How many of a thousand calls are of a surface, where all are driven. */
const WEIGHTS: Readonly<Record<Surface, number>> = {
  embeddings: 330,
  similarity: 100,
  rerank: 120,
  streams: 100,
  batches: 20,
  ollama: 60,
  tei: 60,
  cohere: 60,
  gemini: 60,
  migrate: 40,
  mcp: 50,
};

export class Planner {
  readonly #seed: number;
  /** Makes this run's keys its own. */
  readonly #run: string;
  readonly #supplies: Supplies;
  /** Each as often as it weighs. */
  readonly #surfaces: readonly Surface[];
  readonly #kept: PlannedCall[] = [];
  #number = 0;

  constructor(seed: number, run: string, supplies: Supplies, surfaces: readonly Surface[]) {
    this.#seed = seed;
    this.#run = run;
    this.#supplies = supplies;
    this.#surfaces = surfaces.flatMap((surface) => Array.from({ length: WEIGHTS[surface] }, () => surface));
  }

  /** The next call, and repeats of it that are to be made at the same time. `usualMs`: how long a call takes. */
  next(usualMs: number): readonly [PlannedCall, ...PlannedCall[]] {
    this.#number += 1;
    const dice = new Dice(this.#seed, this.#number);
    if (this.#kept.length > 0 && dice.chance(8)) {
      const kept = dice.oneOf(this.#kept);
      return [dice.chance(25) ? this.#withOtherBody(kept, dice) : repeated(kept)];
    }
    const surface = dice.oneOf(this.#surfaces);
    const key = `audit-${this.#run}-${this.#number}`;
    if (surface === "streams") return [planStream(dice, this.#supplies, key, usualMs)];
    if (surface === "batches") return [planBatch(dice, this.#supplies, key)];
    if (dice.chance(8)) return [this.#call(surface, malformed(surface, dice, this.#supplies), "interactive", {})];
    const shape = shapeOf(surface, dice, this.#supplies);
    // Without a key a call that was left stays of unknown cost: few are. A tool takes no header.
    const isTool = shape.form === "mcp";
    const manner: Manner = isTool && dice.chance(90) ? { kind: "whole" } : mannerOf(dice, usualMs);
    const isKeyed = !isTool && dice.chance(manner.kind === "leaves" ? 85 : 25);
    const idempotencyKey = isKeyed ? key : undefined;
    const call = this.#call(surface, shape, !isTool && dice.chance(20) ? "batch" : "interactive", {
      dice,
      manner,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
    const repeats = isKeyed && dice.chance(25) ? 1 + dice.below(REPEATS_MAX) : 0;
    return [call, ...Array.from({ length: repeats }, () => repeated(call))];
  }

  /** Remembers a call that was served under its key. */
  keep(call: PlannedCall): void {
    this.#kept.push(call);
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
  }

  #call(
    surface: Surface,
    { name, path, model, form, body, headers, tokens }: Shape,
    tier: Tier,
    { dice, manner, idempotencyKey }: { dice?: Dice; manner?: Manner; idempotencyKey?: string },
  ): PlannedCall {
    const { miss, hit, minimum } = must(this.#supplies.prices.get(model), "a model with prices")[tier];
    const bound = costNanoUsd([{ tokens: tokens ?? 0, priceNanoUsdPerMillion: Math.max(miss, hit) }], minimum);
    const limit = dice === undefined ? undefined : maxCost(dice, bound);
    const isTool = form === "mcp";
    const isRefused = tokens === undefined || limit?.isTooLow === true;
    return {
      surface,
      name: limit?.isTooLow === true ? `${name}, a nano-dollar over its X-Max-Cost` : name,
      path,
      model,
      tier,
      body: typeof body === "string" ? body : JSON.stringify(isTool && limit ? boundedTool(body, limit.nanoUsd) : body),
      headers: {
        ...headers,
        ...(tier === "batch" && { "x-tier": tier }),
        ...(!isTool && dice?.chance(25) === true && { "cache-control": "no-store" }),
        ...(!isTool && limit !== undefined && { "x-max-cost": formatUsd(limit.nanoUsd) }),
        ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      },
      form,
      // The refusal is what is looked at.
      manner: isRefused || manner === undefined ? { kind: "whole" } : manner,
      tokens: isRefused ? undefined : tokens,
      boundNanoUsd: isRefused ? nanoUsd(0) : bound,
      ...(limit !== undefined && { maxCostNanoUsd: limit.nanoUsd }),
      ...(idempotencyKey !== undefined && !isRefused && { idempotencyKey }),
    };
  }

  #withOtherBody({ idempotencyKey: _theirs, ...call }: PlannedCall, dice: Dice): PlannedCall {
    return {
      ...call,
      name: `${call.name}, with another body under the same Idempotency-Key`,
      // Its first text is another one.
      body: call.body.replace(/ \d+"/, ` other ${dice.below(1000)}"`),
      manner: { kind: "whole" },
      tokens: undefined,
      boundNanoUsd: nanoUsd(0),
    };
  }
}

function repeated(call: PlannedCall): PlannedCall {
  return { ...call, manner: { kind: "whole" } };
}

function mannerOf(dice: Dice, usualMs: number): Manner {
  const throwOf = dice.below(100);
  if (throwOf < 12) return { kind: "leaves", afterMs: (dice.below(1000) * 1.5 * usualMs) / 1000 };
  if (throwOf < 16) return { kind: "breaks off" };
  if (throwOf < 26) return { kind: "hangs up" };
  return { kind: throwOf < 30 ? "slow" : "whole" };
}

/** `X-Max-Cost` of one call in ten: exactly the quote, or a nano-dollar less. */
function maxCost(dice: Dice, bound: NanoUsd): { readonly nanoUsd: NanoUsd; readonly isTooLow: boolean } | undefined {
  if (!dice.chance(10)) return undefined;
  const isTooLow = bound > 0 && dice.chance(50);
  return { nanoUsd: nanoUsd(isTooLow ? bound - 1 : bound), isTooLow };
}
