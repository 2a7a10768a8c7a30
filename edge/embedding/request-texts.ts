// From a parsed request to the texts that are sent, for the routes that take `input` (embeddings, tokenize).

import type { CallText, ScoreQuery } from "../lib/call-text.ts";
import type { ResolvedModel } from "../models/models.ts";
import { apiError } from "../../shared/errors.ts";
import { REQUEST_TOKENS_MAX } from "../../shared/schemas/input.ts";
import type { EmbeddingInput } from "../../shared/schemas/input.ts";
import { placeOf } from "../../shared/schemas/items.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { idsBound, prefixBound, tokenBound } from "../../shared/token-bound.ts";
import type { Prompts, TokenEncoding } from "../../shared/wire.ts";
import { besideDocumentBound } from "./pairs.ts";
import { promptFor } from "./prompts.ts";

interface RequestTexts {
  readonly input: EmbeddingInput;
  readonly instruction: string | undefined;
  readonly inputType: InputType | undefined;
  readonly tokenEncoding: TokenEncoding | undefined;
}

export function callTexts({ input, tokenEncoding }: RequestTexts): readonly CallText[] {
  const encoding = tokenEncoding === undefined ? {} : { encoding: tokenEncoding };
  return input.kind === "ids"
    ? input.ids.map((ids) => ({ kind: "ids", ids, ...encoding }))
    : input.texts.map((text) => ({ kind: "text", text }));
}

/** Queries or documents, by the request's fields or the model's suffix `:query`. Throws where the two contradict. */
export function inputTypeOf(
  { inputType, instruction }: Pick<RequestTexts, "inputType" | "instruction">,
  { inputType: suffix }: ResolvedModel,
): InputType | undefined {
  if (suffix === undefined || inputType === undefined || suffix === inputType) return inputType ?? suffix;
  const [param, said] =
    instruction === undefined
      ? ["input_type", `\`input_type\` is "${inputType}"`]
      : ["instruction", "`instruction` belongs to queries"];
  throw apiError("incompatible_options", `${said}, the model's suffix says "${suffix}": send one of them.`, param);
}

/** The text at `index` of `callTexts` in the caller's words. */
export function itemName({ kind, faults }: EmbeddingInput, index: number): string {
  const place = placeOf(index, faults);
  return kind === "pairs" ? `input[${place >> 1}][${place & 1}]` : `input[${place}]`;
}

/** The prompt before every text of the request. */
export function prefixOf(request: RequestTexts, resolved: ResolvedModel, prompts: Prompts): string {
  const inputType = inputTypeOf(request, resolved);
  if (request.input.kind === "ids") {
    if (resolved.inputType !== "query") return "";
    throw apiError(
      "incompatible_options",
      "The suffix `:query` needs texts: token ids are embedded as they are.",
      "model",
    );
  }
  return promptFor(inputType, request.instruction, prompts);
}

/** Texts of one call, each after the prefix or in a pair with the query. */
interface BoundTexts {
  readonly texts: readonly CallText[];
  readonly prefix: string;
  readonly query?: ScoreQuery | undefined;
}

/** An upper bound of all texts' tokens, each cut at `contextTokens`. */
export function textsBound({ texts, prefix, query }: BoundTexts, contextTokens: number): number {
  const before = query === undefined ? prefixBound(prefix) : besideDocumentBound(query);
  let bound = 0;
  for (const text of texts) {
    const { length } = text.kind === "ids" ? text.ids : text.text;
    // A longer text is cut there or refused, so its exact length does not matter.
    if (length >= contextTokens) bound += contextTokens;
    else bound += Math.min(text.kind === "ids" ? idsBound(text) : before + tokenBound(text.text), contextTokens);
  }
  return bound;
}

/**
 * Checks the tokens of a request, or of a line of a batch. Throws `too_many_tokens`, naming `field`. `exact` is called
 * only where `bound` is over the limit.
 */
export async function checkTokenLimit(field: string, bound: number, exact: () => Promise<number>): Promise<void> {
  if (bound <= REQUEST_TOKENS_MAX) return;
  const tokens = await exact();
  if (tokens <= REQUEST_TOKENS_MAX) return;
  throw apiError(
    "too_many_tokens",
    `\`${field}\` has ${tokens} tokens; a request, or a line of a batch, takes at most ${REQUEST_TOKENS_MAX}: send several.`,
    field,
  );
}
