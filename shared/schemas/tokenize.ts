// `POST /v1/tokenize`: what a call of /v1/embeddings, or of /v1/rerank, would tokenise and cost. Rules: docs/contract.md,
// Embeddings and Rerank.

import * as z from "zod";
import { apiError } from "../errors.ts";
import type { ModelRevision } from "../ids.ts";
import type { OnError, TokenEncoding } from "../wire.ts";
import { TOKEN_ENCODINGS } from "../wire.ts";
import { ignoredFields, instructionFields, modelField, queryOf, revisionField } from "./common.ts";
import { oneOf, parseBody } from "./fields.ts";
import { INPUT_SCHEMA, parseInput } from "./input.ts";
import type { InputType } from "./input-type.ts";
import type { EmbeddingInput } from "./input.ts";
import { onErrorField, onErrorOf } from "./items.ts";

export const tokenizeBodySchema = z.strictObject({
  model: modelField,
  /** Parsed by parseInput. */
  input: z.unknown().meta(INPUT_SCHEMA).optional(),
  ...instructionFields,
  token_encoding: oneOf(TOKEN_ENCODINGS).describe("The encoding of token ids that are not the model's own.").optional(),
  on_error: onErrorField,
  revision: revisionField,
  ...ignoredFields,
});

export interface TokenizeRequest {
  readonly model: string;
  readonly input: EmbeddingInput;
  /** For queries; undefined: the model's own. */
  readonly instruction: string | undefined;
  /** Undefined: neither `input_type` nor `instruction` was given. */
  readonly inputType: InputType | undefined;
  readonly tokenEncoding: TokenEncoding | undefined;
  readonly onError: OnError;
  /** The only one that will do; undefined: any. */
  readonly revision: ModelRevision | undefined;
}

/** Whether the body is one of /v1/rerank, to be quoted as that. Throws ApiError where it is both. */
export function quotesRerank(body: unknown): boolean {
  const given = new Map<string, unknown>(Object.entries(Object(body)));
  const has = (name: string) => (given.get(name) ?? undefined) !== undefined;
  if (!has("documents") && !has("query")) return false;
  if (!has("input")) return true;
  throw apiError(
    "incompatible_options",
    "Send `input` for the quote of an embedding, or `query` and `documents` for that of a rerank, not both.",
    "input",
  );
}

/** Parses a body that `quotesRerank` denies; throws ApiError. */
export function parseTokenizeRequest(body: unknown): TokenizeRequest {
  const fields = parseBody(tokenizeBodySchema, body);
  const onError = onErrorOf(fields.on_error, fields.model);
  const input = parseInput(fields.input, onError);
  const { model, revision, token_encoding: tokenEncoding } = fields;
  return { model, input, ...queryOf(fields, input), tokenEncoding, onError, revision };
}
