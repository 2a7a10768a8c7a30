// From a parsed request to the texts that travel: for the routes that take `input` (embeddings, tokenize).

import type { CallText } from "../lib/call-text.ts";
import type { ResolvedModel } from "../models/models.ts";
import { apiError } from "../../shared/errors.ts";
import type { EmbeddingInput } from "../../shared/schemas/input.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { idsBound, prefixBound, tokenBound } from "../../shared/token-bound.ts";
import type { Prompts, TokenEncoding } from "../../shared/wire.ts";
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

/** What the texts are, by the request's fields or by the model's suffix `:query`; they may not contradict. */
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

/** What is put before every text. */
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

/** Bound in tokens for all texts together, each behind `prefix` and none beyond `contextTokens`. */
export function textsBound(texts: readonly CallText[], prefix: string, contextTokens: number): number {
  const before = prefixBound(prefix);
  let bound = 0;
  for (const text of texts) {
    const { length } = text.kind === "ids" ? text.ids : text.text;
    // What is longer is cut there or refused: how long it is need not be known.
    if (length >= contextTokens) bound += contextTokens;
    else bound += Math.min(text.kind === "ids" ? idsBound(text) : before + tokenBound(text.text), contextTokens);
  }
  return bound;
}
