// Plans what takes several requests: streams that are broken off and gone on with, and batches.

import type { Dice } from "./dice.ts";
import type { Manner, PlannedCall, PlannedLine, Prices } from "./history.ts";
import type { CountedText, Supplies } from "./supplies.ts";
import { rerankBody } from "./supplies.ts";
import { must } from "../../shared/assert.ts";
import { costNanoUsd, nanoUsd } from "../../shared/money.ts";
import type { Tier } from "../../shared/wire.ts";

const STREAM_LINES_MAX = 16;
const PIECES_MAX = 3;
/** How often a stream is broken off. */
const BREAKS_MAX = 2;
const BATCH_LINES_MAX = 6;
const LINE_TEXTS_MAX = 3;

/** `key`: the `Idempotency-Key` of calls that have one. `usualMs`: how long a call takes. */
export function planStream(dice: Dice, supplies: Supplies, key: string, usualMs: number): PlannedCall {
  const { model, texts } = supplies;
  const tier: Tier = dice.chance(20) ? "batch" : "interactive";
  const prices = pricesIn(supplies, model, tier);
  // Each once: a repeat would be a hit.
  const first = dice.below(texts.length);
  const own = Array.from({ length: 1 + dice.below(STREAM_LINES_MAX) }, (_, at) => texts[(first + at) % texts.length]);
  const lines = own.flatMap((text): PlannedLine[] => {
    if (text === undefined) return [];
    const good = { text: JSON.stringify(dice.chance(50) ? text.text : { input: text.text }), tokens: text.tokens };
    return dice.chance(5) ? [good, { text: '{"input": ""}', tokens: undefined }] : [good];
  });
  const bounds = lines.map(({ tokens }) => (tokens === undefined ? 0 : most(tokens, prices)));
  const total = totalOf(lines);
  const breaks = dice.chance(50) ? 1 + dice.below(BREAKS_MAX) : 0;
  // What broke off does not tell its cost: without hits there is one.
  const isUncached = dice.chance(breaks > 0 ? 80 : 30);
  const isKeyed = dice.chance(40);
  return {
    surface: "streams",
    name: `/v1/embeddings, a stream of ${lines.length} lines, broken off ${breaks} times`,
    path: `/v1/embeddings?model=${encodeURIComponent(model)}&encoding_format=base64`,
    model,
    tier,
    body: "",
    headers: {
      ...(tier === "batch" && { "x-tier": tier }),
      ...(isUncached && { "cache-control": "no-store" }),
      ...(isKeyed && { "idempotency-key": key }),
    },
    manner: { kind: "whole" },
    form: "own",
    tokens: total,
    boundNanoUsd: nanoUsd(bounds.reduce((sum, bound) => sum + bound, 0)),
    job: {
      kind: "stream",
      lines,
      pieces: 1 + dice.below(PIECES_MAX),
      manners: Array.from({ length: breaks }, () => mannerOf(dice, usualMs, isKeyed)),
      boundsNanoUsd: bounds,
      leastNanoUsd: isUncached ? cost(total, prices.miss, prices.minimum) : least(total, prices),
    },
  };
}

export function planBatch(dice: Dice, supplies: Supplies, key: string): PlannedCall {
  const plain = supplies.reranks.filter(({ isPerItem }) => !isPerItem);
  const isRerank = plain.length > 0 && dice.chance(30);
  const endpoint = isRerank ? "/v1/rerank" : "/v1/embeddings";
  const { model } = isRerank ? dice.oneOf(plain) : supplies;
  const own = plain.filter((one) => one.model === model);
  const prices = pricesIn(supplies, model, "batch");
  const lines = Array.from({ length: 1 + dice.below(BATCH_LINES_MAX) }, (): PlannedLine => {
    if (dice.chance(10)) return { text: JSON.stringify({ model, input: "" }), tokens: undefined };
    if (!isRerank) return embeddingsLine(dice, supplies);
    const asked = dice.oneOf(own);
    return { text: JSON.stringify({ model, ...rerankBody(asked) }), tokens: asked.tokens };
  });
  const bounds = lines.map(({ tokens }) => (tokens === undefined ? 0 : most(tokens, prices)));
  return {
    surface: "batches",
    name: `/v1/batches, ${lines.length} lines of ${endpoint}`,
    path: "/v1/batches",
    model,
    tier: "batch",
    body: "",
    headers: { "idempotency-key": key },
    manner: { kind: "whole" },
    form: "own",
    tokens: totalOf(lines),
    boundNanoUsd: nanoUsd(bounds.reduce((sum, bound) => sum + bound, 0)),
    job: { kind: "batch", lines, endpoint, isMadeTwice: dice.chance(30), isCancelled: dice.chance(20) },
  };
}

function embeddingsLine(dice: Dice, { model, texts }: Supplies): PlannedLine {
  const own: CountedText[] = Array.from({ length: 1 + dice.below(LINE_TEXTS_MAX) }, () => dice.oneOf(texts));
  const isPerItem = dice.chance(15);
  const input = own.map(({ text }) => text);
  const body = { model, input: isPerItem ? [...input, ""] : input, ...(isPerItem && { on_error: "per_item" }) };
  return { text: JSON.stringify({ ...body, encoding_format: "base64" }), tokens: totalOf(own) };
}

/** Without a key, none that leaves no line to go on from. */
function mannerOf(dice: Dice, usualMs: number, isKeyed: boolean): Manner {
  if (!isKeyed || dice.chance(30)) return { kind: "hangs up" };
  return dice.chance(70) ? { kind: "leaves", afterMs: dice.below(500) + usualMs } : { kind: "breaks off" };
}

function pricesIn({ prices }: Supplies, model: string, tier: Tier): Prices {
  return must(prices.get(model), "a model with prices")[tier];
}

function cost(tokens: number, priceNanoUsdPerMillion: number, minimum: number): number {
  return costNanoUsd([{ tokens, priceNanoUsdPerMillion }], nanoUsd(minimum));
}

function most(tokens: number, { miss, hit, minimum }: Prices): number {
  return cost(tokens, Math.max(miss, hit), minimum);
}

function least(tokens: number, { miss, hit, minimum }: Prices): number {
  return cost(tokens, Math.min(miss, hit), minimum);
}

function totalOf(lines: readonly { readonly tokens: number | undefined }[]): number {
  return lines.reduce((sum, { tokens = 0 }) => sum + tokens, 0);
}
