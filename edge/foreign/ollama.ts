// Ollama's API, as its clients speak it: https://github.com/ollama/ollama/blob/main/docs/api.md. The key is a header of
// the client's (`Authorization: Bearer gr-…`), or OLLAMA_API_KEY for Python's.

import * as z from "zod";
import type { Vendor } from "../lib/vendor.ts";
import type { EmbeddingsAdapter } from "./adapter.ts";
import { INPUT_SCHEMA, leftOut, textsOf, vectorList } from "./adapter.ts";
import { apiError } from "../../shared/errors.ts";
import { modelField } from "../../shared/schemas/common.ts";
import { embeddingsBodySchema } from "../../shared/schemas/embeddings.ts";
import { parseBody } from "../../shared/schemas/fields.ts";
import { TEXT_SCHEMA, textItem } from "../../shared/schemas/texts.ts";

export const OLLAMA: Vendor = {
  errorName: "OllamaError",
  errorSchema: {
    type: "object",
    required: ["error", "code", "param"],
    properties: {
      error: { type: "string", description: "What was wrong, where, and what would be right." },
      code: { type: "string", description: "Our code: it has a section at /docs/errors." },
      param: { type: ["string", "null"] },
    },
  },
  errorBody: ({ message, code, param }) => ({ error: message, code, param }),
};

const NS_PER_MS = 1e6;

const sharedFields = {
  model: modelField,
  /** Ollama's server reads but `num_ctx` for generation alone, or for the machine that it runs on. */
  options: z
    .looseObject({ num_ctx: leftOut("a text is read up to the model's whole context") }, { error: "an object" })
    .describe("Accepted; only `num_ctx`, which would cut texts, is refused.")
    .optional(),
  keep_alive: z.unknown().describe("Accepted and ignored: models stay loaded.").optional(),
};

export const ollamaEmbedSchema = z.strictObject({
  ...sharedFields,
  input: z.unknown().meta(INPUT_SCHEMA).optional(),
  truncate: z
    .boolean({ error: () => "true or false" })
    .describe("True, the default: a text over the model's context loses its end. False: it is an error.")
    .optional(),
  dimensions: embeddingsBodySchema.shape.dimensions,
});

export const ollamaEmbeddingsSchema = z.strictObject({
  ...sharedFields,
  prompt: z.unknown().meta(TEXT_SCHEMA).optional(),
});

/** `POST /api/embed`. */
export const ollamaEmbed: EmbeddingsAdapter = {
  read(body) {
    const { model, input, truncate = true, dimensions } = parseBody(ollamaEmbedSchema, body);
    const own = {
      model,
      input: typeof input === "string" ? textItem(input, "input") : textsOf(input, "input"),
      truncate: truncate ? "end" : "none",
      dimensions,
    };
    return { own, names: { 'truncate: "end"` or `"start"': "truncate: true" }, asked: undefined };
  },
  show(embedded) {
    const { model, usage, elapsedMs } = embedded;
    const facts = {
      total_duration: Math.round(elapsedMs * NS_PER_MS),
      load_duration: 0,
      prompt_eval_count: usage.prompt_tokens,
    };
    return [
      `{"model":${JSON.stringify(model)},"embeddings":[`,
      ...vectorList(embedded),
      `],${JSON.stringify(facts).slice(1)}`,
    ];
  },
};

/** `POST /api/embeddings`, the older form: one text. It is not cut, as there is no field to say so. */
export const ollamaEmbeddings: EmbeddingsAdapter = {
  read(body) {
    const { model, prompt } = parseBody(ollamaEmbeddingsSchema, body);
    if (prompt === undefined) throw apiError("missing_field", "`prompt` is missing: it must be a string.", "prompt");
    const names = { "input[0]": "prompt", 'truncate: "end"` or `"start"': "truncate: true` to `/api/embed" };
    return { own: { model, input: textItem(prompt, "prompt") }, names, asked: undefined };
  },
  show: (embedded) => ['{"embedding":', ...vectorList(embedded), "}"],
};
