// `POST /v1/rerank` and `/v2/rerank`: the fields of Cohere's, Jina's and Voyage's rerankers.

import * as z from "zod";
import type { OnError, Truncation } from "../wire.ts";
import {
  aliased,
  ignoredFields,
  instructionFields,
  modelField,
  revisionField,
  truncateFields,
  truncationOf,
} from "./common.ts";
import { integer, parseBody, text } from "./fields.ts";
import type { InputType } from "./input-type.ts";
import { onErrorField, onErrorOf, parseItems } from "./items.ts";
import type { ItemFaults } from "./items.ts";
import { describe, shownName } from "./shown.ts";
import { INPUTS_MAX, TEXT_SCHEMA, itemList, textItem } from "./texts.ts";
import { apiError } from "../errors.ts";
import type { ModelRevision } from "../ids.ts";

/** One less than INPUTS_MAX, because the query is a text of the request too. */
const DOCUMENTS_MAX = INPUTS_MAX - 1;
const TOP_MAX = 1_000_000;
const DOCUMENTS = "an array of strings or of {text} objects";
const RANK_FIELDS_MAX = 64;
const RANK_FIELDS = `an array of 1 to ${RANK_FIELDS_MAX} names of fields`;
const TEXT_ALONE: readonly string[] = ["text"];

const DOCUMENTS_SCHEMA = {
  description: "Strings, or objects with a `text` or with some of the fields that `rank_fields` names.",
  type: "array",
  minItems: 1,
  maxItems: DOCUMENTS_MAX,
  items: { anyOf: [TEXT_SCHEMA, { type: "object", additionalProperties: true }] },
} as const;

const limit = integer(1, TOP_MAX).describe("Accepted; a document is read up to the model's context all the same.");
const flag = z.boolean({ error: () => "true or false" }).optional();

export const rerankBodySchema = z.strictObject({
  model: modelField,
  /** Parsed by textItem. */
  query: z.unknown().meta(TEXT_SCHEMA).optional(),
  /** Parsed by documentOf. */
  documents: z.unknown().meta(DOCUMENTS_SCHEMA).optional(),
  top_n: integer(1, TOP_MAX).optional(),
  top_k: integer(1, TOP_MAX).optional(),
  return_documents: flag,
  rank_fields: z
    .array(text("a name").min(1, { error: "a name" }), { error: () => RANK_FIELDS })
    .min(1, { error: RANK_FIELDS })
    .max(RANK_FIELDS_MAX, { error: RANK_FIELDS })
    .describe("Which fields of documents that are objects are read, in this order, a line each; `text` unless given.")
    .optional(),
  ...instructionFields,
  ...truncateFields,
  on_error: onErrorField,
  revision: revisionField,
  /** Cohere's limits of what it reads of a document. Ours is the model's context, so they have no effect. */
  max_tokens_per_doc: limit.optional(),
  max_chunks_per_doc: limit.optional(),
  ...ignoredFields,
});

export interface RerankDocument {
  /** What is scored. */
  readonly text: string;
  /** What `return_documents` returns: an object as it was sent, always with a `text`. */
  readonly shown: { readonly text: string };
}

export interface RerankRequest {
  readonly model: string;
  readonly query: string;
  /** Those that are right. */
  readonly documents: readonly RerankDocument[];
  readonly faults: ItemFaults;
  readonly onError: OnError;
  /** The only one that will do; undefined: any. */
  readonly revision: ModelRevision | undefined;
  /** How many of the best documents to return; undefined: all. */
  readonly top: number | undefined;
  readonly returnDocuments: boolean;
  /** For the query; undefined: the model's own. */
  readonly instruction: string | undefined;
  /** What the query is embedded as; undefined: not given, which means a query. */
  readonly inputType: InputType | undefined;
  /** `end` unless given: rerankers read the beginning of a document that is too long. */
  readonly truncate: Truncation;
}

/** Parses the body; throws ApiError. */
export function parseRerankRequest(body: unknown): RerankRequest {
  const fields = parseBody(rerankBodySchema, body);
  if (fields.query === undefined) throw apiError("missing_field", "`query` is missing: it must be a string.", "query");
  const query = textItem(fields.query, "query");
  const onError = onErrorOf(fields.on_error, fields.model);
  const list = itemList(fields.documents, "documents", DOCUMENTS, DOCUMENTS_MAX);
  const documents = parseItems(list, onError, (item, index) =>
    documentOf(item, `documents[${index}]`, fields.rank_fields ?? TEXT_ALONE),
  );
  if (fields.input_type === "document" && fields.instruction !== undefined) {
    throw apiError(
      "incompatible_options",
      '`instruction` belongs to queries: leave it out, or set `input_type` to "query".',
      "instruction",
    );
  }
  return {
    model: fields.model,
    query,
    documents: documents.items,
    faults: documents.faults,
    onError,
    revision: fields.revision,
    top: aliased("top_n", fields.top_n, "top_k", fields.top_k),
    returnDocuments: fields.return_documents ?? false,
    instruction: fields.instruction?.toWellFormed(),
    inputType: fields.input_type ?? (fields.instruction === undefined ? undefined : "query"),
    truncate: truncationOf(fields.truncate, fields.truncation, "end"),
  };
}

/** A document is a string, or an object with at least one of `fields` and anything beside. */
function documentOf(item: unknown, param: string, fields: readonly string[]): RerankDocument {
  if (typeof item === "string") {
    const whole = textItem(item, param);
    return { text: whole, shown: { text: whole } };
  }
  const known = typeof item === "object" && item !== null ? new Map<string, unknown>(Object.entries(item)) : NO_FIELDS;
  const parts = fields.flatMap((name) => {
    const value = known.get(name) ?? undefined;
    return value === undefined ? [] : [textItem(value, `${param}.${shownName(name)}`)];
  });
  if (parts.length === 0) {
    const rule = fields === TEXT_ALONE ? "a string `text`" : "one of the fields that `rank_fields` names";
    throw apiError(
      "invalid_type",
      `\`${param}\` must be a string or an object with ${rule}, not ${describe(item)}.`,
      param,
    );
  }
  const joined = parts.join("\n");
  const own = known.get("text");
  return { text: joined, shown: { ...Object.fromEntries(known), text: typeof own === "string" ? own : joined } };
}

const NO_FIELDS: ReadonlyMap<string, unknown> = new Map();
