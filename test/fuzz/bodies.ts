// Fuzzing the parsers of request bodies: nearly good bodies with a few fields replaced by anything. A parser answers a
// request that keeps its promises, or throws a fault of the caller's that names a field and quotes nothing.
import * as fc from "fast-check";
import { assert } from "../../shared/assert.ts";
import { ApiError, ERRORS } from "../../shared/errors.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { INPUTS_MAX } from "../../shared/schemas/texts.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import type { RerankDocument } from "../../shared/schemas/rerank.ts";
import { parseSimilarityRequest } from "../../shared/schemas/similarity.ts";
import { parseTokenizeRequest } from "../../shared/schemas/tokenize.ts";

export const NEEDLE = "needle7731";
const MESSAGE_LENGTH_MAX = 2000;

const texts = fc.oneof(
  fc.string({ unit: "binary" }).map((text) => NEEDLE + text),
  // Lone surrogates, and lists that nobody balanced.
  fc
    .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })))
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom("", " ", "\0", "a\ud800", "\udfff\ud800", "__proto__", NEEDLE),
);
const numbers = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom(-0, 0.5, 1e308, 2 ** 31, 2 ** 53, -1, Number.MIN_VALUE),
);
const anything = fc.oneof(
  texts,
  numbers,
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 4 }),
  fc.array(texts, { maxLength: 5 }),
  fc.array(numbers, { maxLength: 5 }),
  fc.array(fc.array(fc.oneof(texts, numbers), { maxLength: 3 }), { maxLength: 5 }),
);
const words = fc.constantFrom(
  "float",
  "base64",
  "int8",
  "ubinary",
  "query",
  "document",
  "none",
  "END",
  "start",
  "per_item",
  "fail",
);

const FIELDS = [
  "model",
  "input",
  "dimensions",
  "output_dimension",
  "encoding_format",
  "output_dtype",
  "instruction",
  "input_type",
  "truncate",
  "truncation",
  "token_encoding",
  "normalize",
  "user",
  "metadata",
  "pairs",
  "source",
  "targets",
  "query",
  "documents",
  "top_n",
  "top_k",
  "return_documents",
  "rank_fields",
  "on_error",
  "revision",
  // Other vendors'.
  "task",
  "embedding_type",
  "late_chunking",
  "prompt",
  "prompt_name",
  "options",
  "inputs",
  "texts",
  "truncation_direction",
  "raw_scores",
  "images",
  "max_tokens",
  "embedding_types",
  "requests",
  "content",
  "taskType",
  "title",
  "outputDimensionality",
];
const field = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...FIELDS) },
  { weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "toString", "dimension", "inputs") },
  { weight: 1, arbitrary: fc.string() },
);
const counts = fc.constantFrom(INPUTS_MAX, INPUTS_MAX + 1);
const TEXT_FIELDS = [
  "input",
  "query",
  "documents",
  "source",
  "targets",
  "pairs",
  // Other vendors'.
  "inputs",
  "texts",
  "prompt",
  "images",
  "requests",
  "content",
  "title",
];
const textual = fc.tuple(
  fc.constantFrom(...TEXT_FIELDS),
  fc.oneof(
    { weight: 2, arbitrary: counts.map((count) => Array.from({ length: count }, () => "a")) },
    { weight: 1, arbitrary: texts },
    { weight: 1, arbitrary: fc.array(texts, { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(fc.tuple(texts, texts), { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(fc.oneof(texts, fc.record({ text: texts })), { minLength: 1, maxLength: 5 }) },
  ),
);
const change = fc.oneof(textual, fc.tuple(field, fc.oneof(anything, words)));
/** Half of them one change of a text alone: with several, one fault hides the others. */
const changes = fc.oneof(fc.tuple(textual), fc.array(change, { maxLength: 4 }));

export type Parser = (body: unknown) => unknown;

/** `good` with changes, written to JSON and read again: own `__proto__` fields and all. */
function changed(good: Readonly<Record<string, unknown>>, list: readonly (readonly [string, unknown])[]): unknown {
  const entries = new Map<string, unknown>([...Object.entries(good), ...list]);
  const json = [...entries].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? "null"}`);
  return JSON.parse(`{${json.join(",")}}`) as unknown;
}

/** Fields whose values are texts, or may hold some: no message names them. */
const TEXTS = new RegExp(`^(?:${[...TEXT_FIELDS, "instruction"].join("|")})\\b`);

function checkFault(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  const { code, message, param } = error.fault;
  assert(ERRORS[code].status === 400 || ERRORS[code].status === 404, `a fault of the body is the caller's: ${code}`);
  assert(message.length < MESSAGE_LENGTH_MAX, "a message is short");
  assert(!(param ?? "").includes(NEEDLE), "a field is named as the request has it");
  assert(!TEXTS.test(param ?? "") || !message.includes(NEEDLE), "a message quotes no text");
}

function checkTexts(list: readonly string[]): void {
  assert(list.length >= 1 && list.length <= INPUTS_MAX, "as many texts as a request may have");
  for (const text of list) assert(text !== "" && text.isWellFormed(), "texts are not empty and well formed");
}

/** What every parsed request promises the code behind it, whatever route it is for. */
function checkRequest(request: unknown): void {
  if (typeof request !== "object" || request === null) throw new TypeError("a request is an object");
  const { input, query, documents, dimensions } = request as Record<string, unknown>;
  if (typeof query === "string") checkTexts([query]);
  if (Array.isArray(documents)) checkTexts((documents as RerankDocument[]).map(({ text }) => text));
  // Their range is the model's: checkDimensions.
  if (typeof dimensions === "number") assert(Number.isSafeInteger(dimensions), "dimensions are whole");
  if (typeof input !== "object" || input === null) return;
  const parsed = input as { kind: string; texts: string[]; ids: number[][] };
  if (parsed.kind !== "ids") return checkTexts(parsed.texts);
  assert(parsed.ids.length >= 1 && parsed.ids.length <= INPUTS_MAX, "as many lists as a request may have");
  for (const id of parsed.ids.flat()) assert(Number.isSafeInteger(id) && id >= 0 && id < 2 ** 31, "ids are 31 bits");
  return undefined;
}

export function bodies(parse: Parser, good: Readonly<Record<string, unknown>>) {
  return fc.property(changes, (list) => {
    let request: unknown;
    try {
      request = parse(changed(good, list));
    } catch (error) {
      return checkFault(error);
    }
    return checkRequest(request);
  });
}

export const embeddingsBodies = bodies(parseEmbeddingsRequest, { model: "a/b", input: NEEDLE });
export const rerankBodies = bodies(parseRerankRequest, { model: "a/b", query: NEEDLE, documents: [NEEDLE] });
export const similarityBodies = bodies(parseSimilarityRequest, { model: "a/b", pairs: [[NEEDLE, NEEDLE]] });
export const tokenizeBodies = bodies(parseTokenizeRequest, { model: "a/b", input: [NEEDLE] });

/** Any JSON value at all for a body. */
export const anyBodies = fc.property(anything, (body) => {
  for (const parse of [parseEmbeddingsRequest, parseRerankRequest, parseSimilarityRequest, parseTokenizeRequest]) {
    try {
      parse(body);
    } catch (error) {
      checkFault(error);
    }
  }
});
