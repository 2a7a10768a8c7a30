// What a call may cost, before any work: a bound that needs no tokenizer, and the exact count where that does not decide.

import type { CallText, ScoreQuery } from "../lib/call-text.ts";
import { sizeOf } from "../lib/call-text.ts";
import { othersTurn } from "../lib/others-turn.ts";
import type { Context } from "../context.ts";
import { callTimer, elapsedMs, waitUntilOf } from "../context.ts";
import { checkTokenLimit, textsBound } from "../embedding/request-texts.ts";
import type { CallOptions } from "./call-options.ts";
import { oweRequest } from "./refused-request.ts";
import type { SecondHalf } from "./two-revisions.ts";
import type { TierPrices } from "../models/pricing.ts";
import { costBound } from "../models/pricing.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { ApiError, apiError } from "../../shared/errors.ts";
import { formatUsd } from "../../shared/money.ts";
import { REQUEST_TOKENS_MAX } from "../../shared/schemas/input.ts";
import type { OnError, Truncation } from "../../shared/wire.ts";

/** What of a call's texts its cost depends on (MeteredTexts). */
interface QuotedTexts {
  readonly model: CatalogModel;
  readonly texts: readonly CallText[];
  readonly prefix: string;
  readonly query?: ScoreQuery | undefined;
  readonly truncate: Truncation;
  readonly onError: OnError;
  readonly secondHalf?: SecondHalf;
  readonly options: CallOptions;
  readonly itemOf?: (index: number) => string | null;
  readonly field?: string;
}

/** A bound that needs no tokenizer, and the exact count, made at most once and only where the bound does not decide. */
export class Quote {
  readonly boundTokens: number;
  readonly boundNanoUsd;
  /** Of one token a text; a bad text that fails alone costs nothing. */
  readonly leastNanoUsd;
  readonly #c: Context;
  readonly #call: QuotedTexts;
  readonly #prices: TierPrices;
  readonly #prefix: string;
  #exact: Promise<{ tokens: number; nanoUsd: ReturnType<typeof costBound> }> | undefined;

  constructor(c: Context, call: QuotedTexts, prices: TierPrices) {
    this.#c = c;
    this.#call = call;
    this.#prices = prices;
    const { prefix, secondHalf, model } = call;
    this.boundTokens = textsBound(call, model.contextTokens);
    this.#prefix = prefix;
    // Of two prompts the longer one counts for all texts.
    const other = secondHalf === undefined ? 0 : textsBound({ ...call, ...secondHalf }, model.contextTokens);
    if (secondHalf !== undefined && other > this.boundTokens) {
      this.boundTokens = other;
      this.#prefix = secondHalf.prefix;
    }
    this.boundNanoUsd = costBound(prices, this.boundTokens);
    this.leastNanoUsd = costBound(prices, call.onError === "fail" ? call.texts.length : 0);
  }

  exact() {
    this.#exact ??= this.#count();
    return this.#exact;
  }

  /** Checks the token limit and `X-Max-Cost` before any work. Undefined, so no wait, where the bound is within both. */
  checkLimits(): Promise<void> | undefined {
    const { maxCostNanoUsd = Infinity } = this.#call.options;
    const isWithin = this.boundTokens <= REQUEST_TOKENS_MAX && this.boundNanoUsd <= maxCostNanoUsd;
    return isWithin ? undefined : this.#checkExactly();
  }

  async #checkExactly(): Promise<void> {
    const { field = "input" } = this.#call;
    await checkTokenLimit(field, this.boundTokens, async () => (await this.exact()).tokens);
    const { maxCostNanoUsd } = this.#call.options;
    if (maxCostNanoUsd === undefined || this.boundNanoUsd <= maxCostNanoUsd) return;
    const { nanoUsd } = await this.exact();
    if (nanoUsd <= maxCostNanoUsd) return;
    throw apiError(
      "max_cost_exceeded",
      `This call may cost $${formatUsd(nanoUsd)}, over the $${formatUsd(maxCostNanoUsd)} of \`X-Max-Cost\`; nothing was run.`,
      "X-Max-Cost",
    );
  }

  async #count() {
    const { options, model, texts, query, truncate, onError, field = "input" } = this.#call;
    await oweRequest(this.#c);
    await othersTurn(sizeOf(texts));
    const { accountId } = this.#c.get("key");
    const counting = this.#c.get("services").pool.tokenize(
      { model: model.id, tier: options.tier, accountId, truncate, prefix: this.#prefix, query, texts, onError },
      {
        requestId: this.#c.get("requestId"),
        traceparent: options.traceparent,
        deadlineMs: options.deadlineMs - elapsedMs(this.#c),
        coldHoldMs: options.coldHoldMs,
        signal: this.#c.req.raw.signal,
        waitUntil: waitUntilOf(this.#c),
        timer: callTimer(this.#c),
        itemOf: this.#call.itemOf ?? ((index) => `input[${index}]`),
      },
    );
    const counted = await counting.catch((error: unknown) => {
      const isTooMany = error instanceof ApiError && error.fault.code === "too_many_tokens";
      throw isTooMany ? new ApiError({ ...error.fault, param: field }) : error;
    });
    const tokens = counted.tokens.reduce((sum, count) => sum + count, 0);
    return { tokens, nanoUsd: costBound(this.#prices, tokens) };
  }
}
