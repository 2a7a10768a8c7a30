// The Gemini API's embedding methods, as its clients speak them: https://ai.google.dev/api/embeddings. The model stands in
// the path; the key may come as `x-goog-api-key`.

import * as z from "zod";
import type { Vendor } from "../lib/vendor.ts";
import type { Embedded, EmbeddingsAdapter } from "./adapter.ts";
import { fieldOf, leftOut, taskWord, vectorList } from "./adapter.ts";
import { apiError } from "../../shared/errors.ts";
import type { ErrorSpec } from "../../shared/errors.ts";
import { embeddingsBodySchema } from "../../shared/schemas/embeddings.ts";
import { parseBody, text } from "../../shared/schemas/fields.ts";
import { describe } from "../../shared/schemas/shown.ts";
import { INPUTS_MAX, TEXT_SCHEMA, textItem } from "../../shared/schemas/texts.ts";

/** Of google.rpc.Code; it has none for credit. */
const STATUS: Readonly<Record<ErrorSpec["status"], string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "FAILED_PRECONDITION",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  405: "UNIMPLEMENTED",
  409: "ABORTED",
  413: "INVALID_ARGUMENT",
  415: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  431: "INVALID_ARGUMENT",
  499: "CANCELLED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};
const ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo";

export const GEMINI: Vendor = {
  errorName: "GeminiError",
  errorSchema: {
    type: "object",
    required: ["error"],
    properties: {
      error: {
        type: "object",
        required: ["code", "message", "status", "details"],
        properties: {
          code: { type: "integer", description: "The HTTP status." },
          message: { type: "string", description: "What was wrong, where, and what would be right." },
          status: { enum: [...new Set(Object.values(STATUS))] },
          details: {
            type: "array",
            items: {
              type: "object",
              required: ["@type", "reason", "domain", "metadata"],
              properties: {
                "@type": { const: ERROR_INFO },
                reason: { type: "string", description: "Our code: it has a section at /docs/errors." },
                domain: { const: "gigarouter" },
                metadata: { type: "object", properties: { param: { type: "string" } } },
              },
            },
          },
        },
      },
    },
  },
  errorBody: ({ message, code, param, status }) => ({
    error: {
      code: status,
      message,
      status: STATUS[status],
      details: [{ "@type": ERROR_INFO, reason: code, domain: "gigarouter", metadata: param === null ? {} : { param } }],
    },
  }),
  keyHeader: "x-goog-api-key",
};

const UNSPECIFIED = "TASK_TYPE_UNSPECIFIED";

export const geminiEmbedSchema = z.strictObject(
  {
    model: text("the model of the URL, with `models/` before it").describe("The one of the URL.").optional(),
    content: z
      .unknown()
      .meta({
        type: "object",
        required: ["parts"],
        properties: {
          parts: {
            type: "array",
            minItems: 1,
            maxItems: 1,
            items: { type: "object", required: ["text"], properties: { text: TEXT_SCHEMA } },
          },
        },
      })
      .optional(),
    taskType: taskWord(["RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "QUESTION_ANSWERING", UNSPECIFIED])
      .describe("A query carries the model's instruction.")
      .optional(),
    title: leftOut("write the title at the beginning of the text"),
    outputDimensionality: embeddingsBodySchema.shape.dimensions,
  },
  { error: () => "an object with `content`" },
);
type Request = z.output<typeof geminiEmbedSchema>;

const REQUESTS_RULE = `an array of 1 to ${INPUTS_MAX} requests`;

export const geminiBatchSchema = z.strictObject({
  requests: z
    .array(geminiEmbedSchema, { error: () => REQUESTS_RULE })
    .min(1, { error: REQUESTS_RULE })
    .max(INPUTS_MAX, { error: REQUESTS_RULE })
    .describe("`taskType` and `outputDimensionality` are the same in all."),
});

/** A text that is too long is an error: there is no field to say that it may be cut. */
const ADVICE = { 'truncate: "end"` or `"start"': 'truncate: "end"` or `"start"` to `/v1/embeddings' };

/** `:embedContent`. */
export const geminiEmbed: EmbeddingsAdapter = {
  read(body, model) {
    const request = parseBody(geminiEmbedSchema, body);
    const own = ownBody(request, model, [textOf(request, model, "")]);
    const names = { "input[0]": "content", dimensions: "outputDimensionality", ...ADVICE };
    return { own, names, asked: undefined };
  },
  show: (embedded) => ['{"embedding":', ...valuesOf(embedded), usageOf(embedded)],
};

/** `:batchEmbedContents`: a text a request. */
export const geminiBatch: EmbeddingsAdapter = {
  read(body, model) {
    const { requests } = parseBody(geminiBatchSchema, body);
    const [first = {}] = requests;
    const texts = requests.map((request, index) => {
      const place = `requests[${index}].`;
      for (const name of ["taskType", "outputDimensionality"] as const) {
        if (request[name] === first[name]) continue;
        const rule = `\`${place}${name}\` differs from that of \`requests[0]\``;
        throw apiError(
          "incompatible_options",
          `${rule}: send requests that differ in calls of their own.`,
          place + name,
        );
      }
      return textOf(request, model, place);
    });
    const names = { input: "requests", dimensions: "requests[0].outputDimensionality", ...ADVICE };
    return { own: ownBody(first, model, texts), names, asked: undefined };
  },
  show: (embedded) => ['{"embeddings":[', ...valuesOf(embedded), "]", usageOf(embedded)],
};

function ownBody({ taskType, outputDimensionality }: Request, model: string, input: readonly string[]) {
  return {
    model,
    input,
    input_type: taskType === UNSPECIFIED ? undefined : taskType,
    dimensions: outputDimensionality,
  };
}

/** The one text of a request. `place`: what stands before its fields' names. Throws ApiError. */
function textOf({ model: named, content }: Request, model: string, place: string): string {
  if (named !== undefined && named !== model && named !== `models/${model}`) {
    const param = `${place}model`;
    throw apiError("incompatible_options", `\`${param}\` must be the model of the URL, or left out.`, param);
  }
  const parts = fieldOf(content, "parts");
  const param = `${place}content`;
  if (content === undefined) {
    throw apiError("missing_field", `\`${param}\` is missing: it must be {parts: [{text}]}.`, param);
  }
  if (!Array.isArray(parts) || parts.length !== 1) {
    const came = Array.isArray(parts) ? `${parts.length} parts` : describe(content);
    throw apiError("invalid_type", `\`${param}\` must be {parts: [{text}]} with one part, not ${came}.`, param);
  }
  const [part]: readonly unknown[] = parts;
  return textItem(fieldOf(part, "text"), `${param}.parts[0].text`);
}

function valuesOf(embedded: Embedded) {
  return vectorList(embedded).flatMap((part) => (typeof part === "string" ? [part] : ['{"values":', part, "}"]));
}

function usageOf({ usage }: Embedded): string {
  return `,"usageMetadata":{"promptTokenCount":${usage.prompt_tokens}}}`;
}
