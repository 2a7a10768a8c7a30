// Cohere's second API, as its clients speak it: https://docs.cohere.com/reference/embed. (Its rerank is our own,
// endpoints/rerank.ts.)

import * as z from "zod";
import type { Vendor } from "../lib/vendor.ts";
import type { EmbeddingsAdapter } from "./adapter.ts";
import { TEXTS_SCHEMA, fieldOf, leftOut, taskWord, textsOf, vectorList } from "./adapter.ts";
import { apiError } from "../../shared/errors.ts";
import { ignoredFields, modelField, truncateFields } from "../../shared/schemas/common.ts";
import { embeddingsBodySchema } from "../../shared/schemas/embeddings.ts";
import { oneOf, parseBody } from "../../shared/schemas/fields.ts";
import { describe } from "../../shared/schemas/shown.ts";
import { INPUTS_MAX, TEXT_SCHEMA, itemList, textItem } from "../../shared/schemas/texts.ts";
import { OUTPUT_DTYPES } from "../../shared/vectors.ts";

export const COHERE: Vendor = {
  errorName: "CohereError",
  errorSchema: {
    type: "object",
    required: ["message", "code", "param"],
    properties: {
      message: { type: "string", description: "What was wrong, where, and what would be right." },
      code: { type: "string", description: "Our code: it has a section at /docs/errors." },
      param: { type: ["string", "null"] },
    },
  },
  errorBody: ({ message, code, param }) => ({ message, code, param }),
};

/** `base64`: of float32. */
export const COHERE_TYPES = [...OUTPUT_DTYPES, "base64"] as const;
type EmbeddingType = (typeof COHERE_TYPES)[number];

const TYPES_RULE = `an array of 1 to ${COHERE_TYPES.length} types`;
const INPUTS = 'an array of {content: [{type: "text", text}]} objects';
const INPUT_ITEM_SCHEMA = {
  type: "object",
  required: ["content"],
  properties: {
    content: {
      type: "array",
      minItems: 1,
      maxItems: 1,
      items: {
        type: "object",
        required: ["type", "text"],
        properties: { type: { const: "text" }, text: TEXT_SCHEMA },
      },
    },
  },
} as const;

export const cohereEmbedSchema = z.strictObject({
  model: modelField,
  // First, so that a call with images is told that, and not that `input_type` is wrong.
  images: leftOut("no model here embeds images"),
  input_type: taskWord(["search_document", "search_query"]).describe("A query carries the model's instruction."),
  texts: z.unknown().meta(TEXTS_SCHEMA).optional(),
  inputs: z.unknown().meta({ type: "array", items: INPUT_ITEM_SCHEMA, minItems: 1, maxItems: INPUTS_MAX }).optional(),
  max_tokens: leftOut("a text is read up to the model's whole context"),
  output_dimension: embeddingsBodySchema.shape.dimensions,
  embedding_types: z
    .array(oneOf(COHERE_TYPES), { error: () => TYPES_RULE })
    .min(1, { error: TYPES_RULE })
    .max(COHERE_TYPES.length, { error: TYPES_RULE })
    .describe("`float` unless given; `base64` is of float32.")
    .optional(),
  truncate: truncateFields.truncate,
  priority: ignoredFields.priority,
});

interface Asked {
  readonly types: readonly EmbeddingType[];
  /** What the answer repeats; absent: the texts came as `inputs`. */
  readonly texts?: readonly string[];
}

/** `POST /v2/embed`. A text over the context loses its end, as with Cohere, unless `truncate` says otherwise. */
export const cohereEmbed: EmbeddingsAdapter<Asked> = {
  read(body) {
    const fields = parseBody(cohereEmbedSchema, body);
    const { texts, inputs, embedding_types: types = ["float"] } = fields;
    if (texts !== undefined && inputs !== undefined) {
      throw apiError("incompatible_options", "`texts` and `inputs` are two forms of one field: send one.", "inputs");
    }
    const name = inputs === undefined ? "texts" : "inputs";
    const input = inputs === undefined ? textsOf(texts, name) : inputTexts(inputs);
    const own = {
      model: fields.model,
      input,
      input_type: fields.input_type,
      dimensions: fields.output_dimension,
      truncate: fields.truncate ?? "end",
      // Only these have a rule of their own.
      output_dtype: types.find((type) => type === "binary" || type === "ubinary"),
    };
    const names = { input: name, dimensions: "output_dimension", output_dtype: "embedding_types" };
    return { own, names, asked: { types: [...new Set(types)], ...(inputs === undefined && { texts: input }) } };
  },
  show(embedded, { types, texts }) {
    const meta = {
      api_version: { version: "2" },
      billed_units: { input_tokens: embedded.usage.prompt_tokens },
    };
    return [
      `{"id":${JSON.stringify(embedded.callId)},"embeddings":{`,
      ...types.flatMap((type, place) => [
        `${place === 0 ? "" : ","}"${type}":[`,
        ...(type === "base64" ? vectorList(embedded, "float", "base64") : vectorList(embedded, type)),
        "]",
      ]),
      `},${texts === undefined ? "" : `"texts":${JSON.stringify(texts)},`}`,
      `"meta":${JSON.stringify(meta)},"response_type":"embeddings_by_type"}`,
    ];
  },
};

/** The text of each input. Throws ApiError for one that is not a single text. */
function inputTexts(inputs: unknown): readonly string[] {
  return itemList(inputs, "inputs", INPUTS, INPUTS_MAX).map((input, index) => {
    const name = `inputs[${index}]`;
    const content = fieldOf(input, "content");
    if (!Array.isArray(content) || content.length !== 1) {
      const came = Array.isArray(content) ? `${content.length} parts` : describe(input);
      const rule = '`content` of one part {type: "text", text}';
      throw apiError("invalid_type", `\`${name}\` must be an object with ${rule}, not ${came}.`, name);
    }
    const [part]: readonly unknown[] = content;
    const place = `${name}.content[0]`;
    if (fieldOf(part, "type") !== "text") {
      throw apiError("invalid_type", `\`${place}\` must be {type: "text", text}: no model here embeds images.`, place);
    }
    return textItem(fieldOf(part, "text"), `${place}.text`);
  });
}
