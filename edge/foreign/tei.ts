// Text Embeddings Inference's API, as its clients speak it (https://huggingface.github.io/text-embeddings-inference). A
// server of TEI's has one model and no field for it: here it stands in the path.

import * as z from "zod";
import type { Vendor } from "../lib/vendor.ts";
import type { EmbeddingsAdapter, Names, RerankAdapter } from "./adapter.ts";
import { INPUT_SCHEMA, taskWord, textsOf, vectorList } from "./adapter.ts";
import { apiError } from "../../shared/errors.ts";
import { embeddingsBodySchema } from "../../shared/schemas/embeddings.ts";
import { oneOf, parseBody } from "../../shared/schemas/fields.ts";
import { INPUTS_MAX, TEXT_SCHEMA, textItem } from "../../shared/schemas/texts.ts";

export const TEI: Vendor = {
  errorName: "TeiError",
  errorSchema: {
    type: "object",
    required: ["error", "error_type", "param"],
    properties: {
      error: { type: "string", description: "What was wrong, where, and what would be right." },
      error_type: { type: "string", description: "Our code: it has a section at /docs/errors." },
      param: { type: ["string", "null"] },
    },
  },
  errorBody: ({ message, code, param }) => ({ error: message, error_type: code, param }),
};

const flag = z.boolean({ error: () => "true or false" });

const truncateFields = {
  truncate: flag.describe("False, the default: a text over the model's context is an error.").optional(),
  truncation_direction: oneOf(["right", "left", "Right", "Left"])
    .describe("What is cut if `truncate` is true: right, the default, the end; left the beginning.")
    .optional(),
};

export const teiEmbedSchema = z.strictObject({
  inputs: z.unknown().meta(INPUT_SCHEMA).optional(),
  ...truncateFields,
  prompt_name: taskWord(["query", "document", "passage"])
    .describe("Which of the model's prompts stands before each text.")
    .optional(),
  normalize: embeddingsBodySchema.shape.normalize,
  dimensions: embeddingsBodySchema.shape.dimensions,
});

export const teiRerankSchema = z.strictObject({
  query: z.unknown().meta(TEXT_SCHEMA).optional(),
  texts: z
    .unknown()
    .meta({ type: "array", items: TEXT_SCHEMA, minItems: 1, maxItems: INPUTS_MAX - 1 })
    .optional(),
  ...truncateFields,
  raw_scores: z.literal(false, { error: () => "false: a score is from 0 to 1" }).optional(),
  return_text: flag.optional(),
});

const NAMES: Names = {
  input: "inputs",
  'truncate: "end"` or `"start"': "truncate: true",
  'truncate: "end"` or `"none"': 'truncation_direction: "right"',
  'truncate: "end"': "truncate: true",
};

interface Truncate {
  readonly truncate?: boolean | undefined;
  readonly truncation_direction?: string | undefined;
}

function truncationOf({ truncate = false, truncation_direction: direction = "right" }: Truncate) {
  if (!truncate) return "none";
  return direction.toLowerCase() === "left" ? "start" : "end";
}

/** `POST …/embed`. */
export const teiEmbed: EmbeddingsAdapter = {
  read(body, model) {
    const { inputs, prompt_name, dimensions, ...cut } = parseBody(teiEmbedSchema, body);
    const input = typeof inputs === "string" ? textItem(inputs, "inputs") : textsOf(inputs, "inputs");
    const own = { model, input, input_type: prompt_name, dimensions, truncate: truncationOf(cut) };
    return { own, names: NAMES, asked: undefined };
  },
  show: (embedded) => ["[", ...vectorList(embedded), "]"],
};

/** `POST …/rerank`. */
export const teiRerank: RerankAdapter = {
  read(body, model) {
    const { query, texts, return_text, ...cut } = parseBody(teiRerankSchema, body);
    if (query === undefined) throw apiError("missing_field", "`query` is missing: it must be a string.", "query");
    const own = {
      model,
      query: textItem(query, "query"),
      documents: textsOf(texts, "texts"),
      return_documents: return_text,
      truncate: truncationOf(cut),
    };
    return { own, names: { documents: "texts", ...NAMES } };
  },
  show: (results) =>
    results.map(({ index, relevance_score, document }) => ({
      index,
      score: relevance_score,
      ...(document === undefined ? {} : { text: document.text }),
    })),
};
