// `POST /v1/rerank` and `/v2/rerank`: the fields of Cohere's, Jina's and Voyage's rerankers.

import * as z from "zod";
import type { Truncation } from "../wire.ts";
import { aliased, ignoredFields, instructionFields, modelField, truncateFields, truncationOf } from "./common.ts";
import { integer, parseBody } from "./fields.ts";
import type { InputType } from "./input-type.ts";
import { describe } from "./shown.ts";
import { INPUTS_MAX, TEXT_SCHEMA, itemList, textItem } from "./texts.ts";
import { apiError } from "../errors.ts";

/** One less than INPUTS_MAX, because the query is a text of the request too. */
const DOCUMENTS_MAX = INPUTS_MAX - 1;
const TOP_MAX = 1_000_000;
const DOCUMENTS = "an array of strings or of {text} objects";

const DOCUMENTS_SCHEMA = {
  description: "Strings, or objects with a `text`.",
  type: "array",
  minItems: 1,
  maxItems: DOCUMENTS_MAX,
  items: { anyOf: [TEXT_SCHEMA, { type: "object", required: ["text"], properties: { text: TEXT_SCHEMA } }] },
} as const;

const limit = integer(1, TOP_MAX).describe("Accepted; a document is read up to the model's context all the same.");
const flag = z.boolean({ error: () => "true or false" }).optional();

export const rerankBodySchema = z.strictObject({
  model: modelField,
  /** Parsed by textItem. */
  query: z.unknown().meta(TEXT_SCHEMA).optional(),
  /** Parsed by documentText. */
  documents: z.unknown().meta(DOCUMENTS_SCHEMA).optional(),
  top_n: integer(1, TOP_MAX).optional(),
  top_k: integer(1, TOP_MAX).optional(),
  return_documents: flag,
  ...instructionFields,
  ...truncateFields,
  /** Cohere's limits of what it reads of a document. Ours is the model's context, so they have no effect. */
  max_tokens_per_doc: limit.optional(),
  max_chunks_per_doc: limit.optional(),
  ...ignoredFields,
});

export interface RerankRequest {
  readonly model: string;
  readonly query: string;
  readonly documents: readonly string[];
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
  const documents = itemList(fields.documents, "documents", DOCUMENTS, DOCUMENTS_MAX).map((item, index) =>
    documentText(item, `documents[${index}]`),
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
    documents,
    top: aliased("top_n", fields.top_n, "top_k", fields.top_k),
    returnDocuments: fields.return_documents ?? false,
    instruction: fields.instruction?.toWellFormed(),
    inputType: fields.input_type ?? (fields.instruction === undefined ? undefined : "query"),
    truncate: truncationOf(fields.truncate, fields.truncation, "end"),
  };
}

/** A document is a string, or an object with `text` and any other fields. */
function documentText(item: unknown, param: string): string {
  if (typeof item === "string") return textItem(item, param);
  if (typeof item === "object" && item !== null && "text" in item) return textItem(item.text, `${param}.text`);
  throw apiError(
    "invalid_type",
    `\`${param}\` must be a string or an object with a string \`text\`, not ${describe(item)}.`,
    param,
  );
}
