// Plans calls at random from a seed: each paid route, and each way of calling that changes what is charged.

import { Dice } from "./dice.ts";
import type { Manner, PlannedCall } from "./history.ts";
import type { CountedText, Supplies } from "./supplies.ts";
import { must } from "../../shared/assert.ts";
import { costNanoUsd, formatUsd, nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

const MANY_TEXTS = 64;
const TEXTS_MAX = 8;
const TARGETS_MAX = 3;
const REPEATS_MAX = 3;
/** Calls under an `Idempotency-Key` that are remembered, to be repeated. */
const KEPT_MAX = 64;

/** What a call is charged for, before its options. */
interface Shape {
  readonly name: string;
  readonly path: string;
  readonly model: string;
  readonly body: object | string;
  /** Undefined: it has to be refused. */
  readonly tokens: number | undefined;
}

export class Planner {
  readonly #seed: number;
  /** Makes this run's keys its own. */
  readonly #run: string;
  readonly #supplies: Supplies;
  readonly #kept: PlannedCall[] = [];
  #number = 0;

  constructor(seed: number, run: string, supplies: Supplies) {
    this.#seed = seed;
    this.#run = run;
    this.#supplies = supplies;
  }

  /** The next call, and repeats of it that are to be made at the same time. `usualMs`: how long a call takes. */
  next(usualMs: number): readonly [PlannedCall, ...PlannedCall[]] {
    this.#number += 1;
    const dice = new Dice(this.#seed, this.#number);
    if (this.#kept.length > 0 && dice.chance(8)) {
      const kept = dice.oneOf(this.#kept);
      return [dice.chance(25) ? this.#withOtherBody(kept, dice) : repeated(kept)];
    }
    const shape = this.#shape(dice);
    if (shape.tokens === undefined) return [this.#call(shape, "interactive", {})];
    const manner = mannerOf(dice, usualMs);
    // Without a key a call that was left stays of unknown cost: few are.
    const isKeyed = dice.chance(manner.kind === "leaves" ? 85 : 25);
    const idempotencyKey = isKeyed ? `audit-${this.#run}-${this.#number}` : undefined;
    const call = this.#call(shape, dice.chance(20) ? "batch" : "interactive", {
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
    { name, path, model, body, tokens }: Shape,
    tier: Tier,
    { dice, manner, idempotencyKey }: { dice?: Dice; manner?: Manner; idempotencyKey?: string },
  ): PlannedCall {
    const { miss, hit, minimum } = must(this.#supplies.prices.get(model), "a model with prices")[tier];
    const bound = costNanoUsd([{ tokens: tokens ?? 0, priceNanoUsdPerMillion: Math.max(miss, hit) }], minimum);
    const limit = dice === undefined ? undefined : maxCost(dice, bound);
    const isRefused = tokens === undefined || limit?.isTooLow === true;
    return {
      name: limit?.isTooLow === true ? `${name}, a nano-dollar over its X-Max-Cost` : name,
      path,
      model,
      tier,
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: {
        ...(tier === "batch" && { "x-tier": tier }),
        ...(dice?.chance(25) === true && { "cache-control": "no-store" }),
        ...(limit !== undefined && { "x-max-cost": formatUsd(limit.nanoUsd) }),
        ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
      },
      // The refusal is what is looked at.
      manner: isRefused || manner === undefined ? { kind: "whole" } : manner,
      tokens: isRefused ? undefined : tokens,
      boundNanoUsd: isRefused ? nanoUsd(0) : bound,
      ...(limit !== undefined && { maxCostNanoUsd: limit.nanoUsd }),
      ...(idempotencyKey !== undefined && !isRefused && { idempotencyKey }),
    };
  }

  #withOtherBody({ idempotencyKey: _theirs, ...call }: PlannedCall, dice: Dice): PlannedCall {
    const { model } = this.#supplies;
    return {
      ...call,
      name: `${call.name}, with another body under the same Idempotency-Key`,
      body: JSON.stringify({ model, input: `other ${dice.below(1000)}` }),
      manner: { kind: "whole" },
      tokens: undefined,
      boundNanoUsd: nanoUsd(0),
    };
  }

  #shape(dice: Dice): Shape {
    const { reranks, model } = this.#supplies;
    const throwOf = dice.below(100);
    if (throwOf < 8) return malformed(dice, model, this.#supplies.texts);
    if (throwOf < 25) return this.#similarity(dice);
    if (throwOf < 45 && reranks.length > 0) {
      const { body, tokens, documents, model: id } = dice.oneOf(reranks);
      const path = dice.oneOf(["/v1/rerank", "/v2/rerank"]);
      return { name: `${path} with ${id}, ${documents} documents`, path, model: id, body, tokens };
    }
    return this.#embeddings(dice);
  }

  #embeddings(dice: Dice): Shape {
    const { model } = this.#supplies;
    const count = dice.chance(3) ? MANY_TEXTS : 1 + dice.below(TEXTS_MAX);
    const texts = this.#texts(dice, count);
    const isPerItem = dice.chance(15);
    const input: string[] = texts.map(({ text }) => text);
    // An empty text is at fault, and costs nothing.
    if (isPerItem) input.splice(dice.below(count + 1), 0, "");
    const path = dice.oneOf(["/v1/embeddings", "/v1/embeddings", "/embeddings"]);
    return {
      name: `${path}, ${count} texts${isPerItem ? " and one at fault" : ""}`,
      path,
      model,
      body: {
        model,
        input: count === 1 && !isPerItem && dice.chance(50) ? input[0] : input,
        ...(dice.chance(50) && { encoding_format: "base64" }),
        ...(isPerItem && { on_error: "per_item" }),
      },
      tokens: tokensOf(texts),
    };
  }

  #similarity(dice: Dice): Shape {
    const { model } = this.#supplies;
    const [path, name] = ["/v1/similarity", "/v1/similarity"];
    const count = 1 + dice.below(TARGETS_MAX);
    const isPairs = dice.chance(50);
    const texts = this.#texts(dice, isPairs ? 2 * count : 1 + count);
    const words = texts.map(({ text }) => text);
    const body = isPairs
      ? { model, pairs: Array.from({ length: count }, (_, index) => words.slice(2 * index, 2 * index + 2)) }
      : { model, source: words[0], targets: words.slice(1) };
    return { name: `${name}, ${texts.length} texts`, path, model, body, tokens: tokensOf(texts) };
  }

  #texts(dice: Dice, count: number): readonly CountedText[] {
    return Array.from({ length: count }, () => dice.oneOf(this.#supplies.texts));
  }
}

function repeated(call: PlannedCall): PlannedCall {
  return { ...call, manner: { kind: "whole" } };
}

function tokensOf(texts: readonly CountedText[]): number {
  return texts.reduce((sum, { tokens }) => sum + tokens, 0);
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

/** A call that has to be refused, and charged nothing. */
function malformed(dice: Dice, model: string, texts: readonly CountedText[]): Shape {
  const { text } = dice.oneOf(texts);
  const [name, path, body] = dice.oneOf<readonly [string, string, object | string]>([
    ["half a body", "/v1/embeddings", `{"model": ${JSON.stringify(model)}, "input": [`],
    ["an unknown field", "/v1/embeddings", { model, input: text, dimension: 8 }],
    ["an empty text among good ones", "/v1/embeddings", { model, input: [text, ""] }],
    ["no text", "/v1/similarity", { model, pairs: [] }],
    ["no query", "/v1/rerank", { model, documents: [text] }],
  ]);
  return { name: `${path} with ${name}`, path, model, body, tokens: undefined };
}
