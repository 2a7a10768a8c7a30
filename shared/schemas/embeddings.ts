// `POST /v1/embeddings`: the body, parsed once. Rules: product.md, "POST /v1/embeddings".

import * as z from "zod";
import { apiError } from "../errors.ts";
import { DEFAULT_QUERY_INSTRUCTION, instructionPrefix } from "../token-bound.ts";
import { OUTPUT_DTYPES } from "../vectors.ts";
import type { OutputDtype } from "../vectors.ts";
import { TRUNCATIONS } from "../wire.ts";
import type { Truncation } from "../wire.ts";
import { integer, oneOf, parseBody, text } from "./fields.ts";
import { parseInput } from "./input.ts";
import type { EmbeddingInput } from "./input.ts";

export const DIMENSIONS_MAX = 65_536;
export const INSTRUCTION_LENGTH_MAX = 4096;

const ignored = () => z.unknown().optional();
const dimensions = integer(1, DIMENSIONS_MAX);

export const embeddingsBodySchema = z.strictObject({
  model: text("the id of a model, for example one of GET /v1/models").min(1, {
    error: "the id of a model, for example one of GET /v1/models",
  }),
  /** Parsed by parseInput: see there. */
  input: z.unknown(),
  dimensions: dimensions.optional(),
  output_dimension: dimensions.optional(),
  encoding_format: oneOf(["float", "base64"]).optional(),
  output_dtype: oneOf(OUTPUT_DTYPES).optional(),
  instruction: text("a string")
    .max(INSTRUCTION_LENGTH_MAX, { error: `a string of at most ${INSTRUCTION_LENGTH_MAX} characters` })
    .optional(),
  input_type: oneOf(["query", "document"]).optional(),
  truncate: z
    .string({ error: () => TRUNCATE_RULE })
    .transform((value) => value.toLowerCase())
    .pipe(z.enum(TRUNCATIONS, { error: () => TRUNCATE_RULE }))
    .optional(),
  truncation: z.boolean({ error: () => "true or false" }).optional(),
  token_encoding: oneOf(["cl100k_base", "o200k_base"]).optional(),
  normalize: z.literal(true, { error: () => "true: vectors are always normalised" }).optional(),
  user: ignored(),
  metadata: ignored(),
  provider: ignored(),
  service_tier: ignored(),
  priority: ignored(),
});

const TRUNCATE_RULE = 'one of "none", "end", "start"';

export interface EmbeddingsRequest {
  /** As the caller wrote it, perhaps with a suffix (`@512`, `:query`): the model registry resolves it. */
  readonly model: string;
  readonly input: EmbeddingInput;
  /** Undefined: the model's native length. */
  readonly dimensions: number | undefined;
  readonly encoding: "float" | "base64";
  readonly dtype: OutputDtype;
  /** The instruction in the model's own form, put before every text; empty for documents. */
  readonly prefix: string;
  /** Whether prefix was asked for by a field (a suffix of the model's name may still set it otherwise). */
  readonly inputType: "query" | "document" | undefined;
  readonly truncate: Truncation;
  readonly tokenEncoding: "cl100k_base" | "o200k_base" | undefined;
}

/** Parses the body of `POST /v1/embeddings`; throws ApiError. */
export function parseEmbeddingsRequest(body: unknown): EmbeddingsRequest {
  const fields = parseBody(embeddingsBodySchema, body);
  const input = parseInput(fields.input);
  const inputType = fields.input_type ?? (fields.instruction === undefined ? undefined : "query");
  const prefix = inputType === "query" ? instructionPrefix(wellFormed(fields.instruction)) : "";
  if (inputType === "document" && fields.instruction !== undefined) {
    throw apiError(
      "incompatible_options",
      '`instruction` belongs to queries; documents are embedded without one: leave it out, or set `input_type` to "query".',
      "instruction",
    );
  }
  if (input.kind === "ids" && prefix !== "") {
    throw apiError(
      "incompatible_options",
      "`instruction` and `input_type` need texts: token ids are embedded as they are. Send strings, or put the instruction's ids first.",
      "instruction",
    );
  }
  if (fields.token_encoding !== undefined && input.kind !== "ids") {
    throw apiError(
      "incompatible_options",
      "`token_encoding` says how token ids are to be read; `input` holds strings: leave it out.",
      "token_encoding",
    );
  }
  const dtype = fields.output_dtype ?? "float";
  const dims = aliased("dimensions", fields.dimensions, "output_dimension", fields.output_dimension);
  return {
    model: fields.model,
    input,
    dimensions: dims,
    encoding: fields.encoding_format ?? "float",
    dtype,
    prefix,
    inputType,
    truncate: truncation(fields.truncate, fields.truncation),
    tokenEncoding: fields.token_encoding,
  };
}

function wellFormed(instruction: string | undefined): string {
  return (instruction ?? DEFAULT_QUERY_INSTRUCTION).toWellFormed();
}

/** One value under two names; both at once must agree. */
function aliased<Value>(
  name: string,
  value: Value | undefined,
  alias: string,
  other: Value | undefined,
): Value | undefined {
  if (value !== undefined && other !== undefined && value !== other) {
    throw apiError(
      "incompatible_options",
      `\`${name}\` and \`${alias}\` are two names of one field and differ: send one of them.`,
      alias,
    );
  }
  return value ?? other;
}

function truncation(truncate: Truncation | undefined, flag: boolean | undefined): Truncation {
  const fromFlag = flag === undefined ? undefined : flag ? "end" : "none";
  if (truncate !== undefined && fromFlag !== undefined && (truncate === "none") !== (fromFlag === "none")) {
    throw apiError(
      "incompatible_options",
      "`truncate` and `truncation` are two names of one field and differ: send one of them.",
      "truncation",
    );
  }
  return truncate ?? fromFlag ?? "none";
}
