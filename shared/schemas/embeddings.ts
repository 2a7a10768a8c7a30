// `POST /v1/embeddings`: the body, parsed once. Rules: docs/contract.md, Embeddings.

import * as z from "zod";
import type { ModelRevision } from "../ids.ts";
import { OUTPUT_DTYPES } from "../vectors.ts";
import type { OutputDtype } from "../vectors.ts";
import { TOKEN_ENCODINGS } from "../wire.ts";
import type { OnError, TokenEncoding, Truncation } from "../wire.ts";
import {
  aliased,
  ignoredFields,
  instructionFields,
  modelField,
  queryOf,
  revisionField,
  truncateFields,
  truncationOf,
} from "./common.ts";
import { oneOf, parseBody } from "./fields.ts";
import { INPUT_SCHEMA, parseInput } from "./input.ts";
import { inputTypeField } from "./input-type.ts";
import type { InputType } from "./input-type.ts";
import type { EmbeddingInput } from "./input.ts";
import { onErrorField, onErrorOf } from "./items.ts";

/** The upper bound depends on the model, so the range is checked after the model is resolved. */
export const dimensionsField = z
  .int({ error: () => "an integer from 1 to the model's own number of dimensions" })
  .meta({ minimum: 1 });

const alwaysNormalised = z.literal(true, { error: () => "true: vectors are always normalised" }).optional();

/** Jina's names of fields, and what they mean here: https://api.jina.ai/docs. */
const jinaFields = {
  task: inputTypeField.describe("Jina's name of `input_type`.").optional(),
  embedding_type: oneOf(["float", "base64", "binary", "ubinary"])
    .describe("Jina's name of `encoding_format`, or of `output_dtype`.")
    .optional(),
  normalized: alwaysNormalised,
  late_chunking: z
    .literal(false, { error: () => "false: each text is embedded by itself" })
    .describe("Jina's: only false.")
    .optional(),
};

export const embeddingsBodySchema = z.strictObject({
  model: modelField,
  /** Parsed by parseInput. */
  input: z.unknown().meta(INPUT_SCHEMA).optional(),
  dimensions: dimensionsField
    .describe("1 to the model's native length; the vector is normalised again after the cut.")
    .optional(),
  output_dimension: dimensionsField.describe("Another name of `dimensions`.").optional(),
  encoding_format: oneOf(["float", "base64"])
    .describe("base64: little-endian float32, or the bytes of `output_dtype`.")
    .optional(),
  output_dtype: oneOf(OUTPUT_DTYPES)
    .describe("Quantised after the cut; the binary types pack eight dimensions into a byte.")
    .optional(),
  ...instructionFields,
  ...truncateFields,
  token_encoding: oneOf(TOKEN_ENCODINGS).describe("The encoding of token ids that are not the model's own.").optional(),
  on_error: onErrorField,
  revision: revisionField,
  normalize: alwaysNormalised,
  ...jinaFields,
  ...ignoredFields,
});

export interface EmbeddingsRequest {
  /** As the caller wrote it, perhaps with a suffix (`@512`, `:query`, `:per_item`), which the model registry resolves. */
  readonly model: string;
  readonly input: EmbeddingInput;
  /** Undefined: the model's native length. */
  readonly dimensions: number | undefined;
  readonly encoding: "float" | "base64";
  readonly dtype: OutputDtype;
  /** For queries; undefined: the model's own. */
  readonly instruction: string | undefined;
  /** From the fields; undefined: not given (a suffix of the model's name may still give it). */
  readonly inputType: InputType | undefined;
  readonly truncate: Truncation;
  readonly tokenEncoding: TokenEncoding | undefined;
  /** By the field or the model's suffix. */
  readonly onError: OnError;
  /** The only one that will do; undefined: any. */
  readonly revision: ModelRevision | undefined;
}

/** Parses the body of `POST /v1/embeddings`; throws ApiError. */
export function parseEmbeddingsRequest(body: unknown): EmbeddingsRequest {
  const fields = readCommonBody(body) ?? parseBody(embeddingsBodySchema, body);
  const onError = onErrorOf(fields.on_error, fields.model);
  const input = parseInput(fields.input, onError);
  const { task } = fields;
  const asked =
    task === undefined ? fields : { ...fields, input_type: aliased("input_type", fields.input_type, "task", task) };
  const { instruction, inputType } = queryOf(asked, input);
  const { encoding, dtype } = formOf(fields);
  const dims = aliased("dimensions", fields.dimensions, "output_dimension", fields.output_dimension);
  return {
    model: fields.model,
    input,
    dimensions: dims,
    encoding,
    dtype,
    instruction,
    inputType,
    truncate: truncationOf(fields.truncate, fields.truncation),
    tokenEncoding: fields.token_encoding,
    onError,
    revision: fields.revision,
  };
}

type Fields = z.output<typeof embeddingsBodySchema>;

/** How a vector is written. Throws ApiError where Jina's `embedding_type` says another thing than our own fields. */
function formOf({ embedding_type: type, encoding_format: format, output_dtype: dtype }: Fields) {
  if (type === "binary" || type === "ubinary") {
    return { encoding: format ?? "float", dtype: aliased("output_dtype", dtype, "embedding_type", type) ?? type };
  }
  return { encoding: aliased("encoding_format", format, "embedding_type", type) ?? "float", dtype: dtype ?? "float" };
}

/** model, input, encoding_format, dimensions, user. */
const COMMON_FIELDS = 5;

/**
 * The schema's result for a body with only the most common fields; undefined for any other body, which the schema then
 * checks. Every call comes here, and checking by hand takes a twentieth of the time.
 */
export function readCommonBody(body: unknown): Fields | undefined {
  if (!isRecord(body)) return undefined;
  const fields: { model?: string; input?: unknown; dimensions?: number; encoding_format?: "float" | "base64" } = {};
  const names = Object.keys(body);
  if (names.length > COMMON_FIELDS) return undefined;
  for (const name of names) {
    const value = body[name];
    if (value === null) continue;
    if (name === "model" && typeof value === "string" && value !== "") fields.model = value;
    else if (name === "input") fields.input = value;
    else if (name === "encoding_format" && (value === "base64" || value === "float")) fields.encoding_format = value;
    else if (name === "dimensions" && Number.isSafeInteger(value)) fields.dimensions = Number(value);
    else if (name !== "user") return undefined;
  }
  const { model } = fields;
  return model === undefined ? undefined : { ...fields, model };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
