// Fields that several routes share, with the same names and rules.

import * as z from "zod";
import { apiError } from "../errors.ts";
import { TRUNCATIONS, revisionSchema } from "../wire.ts";
import type { TokenEncoding, Truncation } from "../wire.ts";
import { text } from "./fields.ts";
import { inputTypeField } from "./input-type.ts";
import type { InputType } from "./input-type.ts";
import type { EmbeddingInput } from "./input.ts";

const MODEL_RULE = "the id of a model, for example one of GET /v1/models";
const TRUNCATE_RULE = 'one of "none", "end", "start"';
const INSTRUCTION_LENGTH_MAX = 4096;

const ignored = () => z.unknown().describe("Accepted and ignored.").optional();

export const modelField = text(MODEL_RULE)
  .min(1, { error: MODEL_RULE })
  .describe("A model's full id, or its bare name where that is unique; `@512`, `:query` and `:per_item` may follow.");

export const revisionField = revisionSchema
  .meta({
    description: "Refuse the call, with 409 `revision_changed`, where the model is not served in this revision.",
    pattern: "^[0-9a-f]{16,64}$",
  })
  .optional();

export const instructionFields = {
  instruction: text("a string")
    .max(INSTRUCTION_LENGTH_MAX, { error: `a string of at most ${INSTRUCTION_LENGTH_MAX} characters` })
    .describe("What queries are to find; the model's default where only `input_type` is given.")
    .optional(),
  input_type: inputTypeField.optional(),
};

/** Jina's form: whether a text may be cut. */
const wordOfFlag = (value: unknown): unknown => (value === true ? "end" : value === false ? "none" : value);

export const truncateFields = {
  truncate: z
    .preprocess(
      wordOfFlag,
      z
        .string({ error: () => TRUNCATE_RULE })
        .transform((value) => value.toLowerCase())
        .pipe(z.enum(TRUNCATIONS, { error: () => TRUNCATE_RULE })),
    )
    .meta({
      description:
        "`none`, `end` or `start`, in any letter case: what to cut from a text over the context. Jina's form: true is `end`, false is `none`.",
      anyOf: [
        { type: "string", pattern: "^([nN][oO][nN][eE]|[eE][nN][dD]|[sS][tT][aA][rR][tT])$" },
        { type: "boolean" },
      ],
    })
    .optional(),
  truncation: z
    .boolean({ error: () => "true or false" })
    .describe("Another name: true is `end`, false is `none`.")
    .optional(),
};

/** Fields that other providers' clients send and that have no effect here. */
export const ignoredFields = {
  user: ignored(),
  metadata: ignored(),
  provider: ignored(),
  service_tier: ignored(),
  priority: ignored(),
};

interface QueryFields {
  readonly instruction?: string | undefined;
  readonly input_type?: InputType | undefined;
  readonly token_encoding?: TokenEncoding | undefined;
}

/** What the fields say the texts are, and the instruction of queries (undefined: the model's own). Throws ApiError. */
export function queryOf(fields: QueryFields, input: EmbeddingInput) {
  const inputType = fields.input_type ?? (fields.instruction === undefined ? undefined : "query");
  if (inputType === "document" && fields.instruction !== undefined) {
    throw apiError(
      "incompatible_options",
      '`instruction` belongs to queries; documents are embedded without one: leave it out, or set `input_type` to "query".',
      "instruction",
    );
  }
  if (input.kind === "ids" && inputType === "query") {
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
  return { instruction: fields.instruction?.toWellFormed(), inputType };
}

/** A value that has two names; if both are given they must agree. Throws ApiError. */
export function aliased<Value>(
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

/** `truncate` or its alias `truncation`; `fallback` if neither is given. Throws ApiError. */
export function truncationOf(
  truncate: Truncation | undefined,
  flag: boolean | undefined,
  fallback: Truncation = "none",
): Truncation {
  const fromFlag = flag === undefined ? undefined : flag ? "end" : "none";
  if (truncate !== undefined && fromFlag !== undefined && (truncate === "none") !== (fromFlag === "none")) {
    throw apiError(
      "incompatible_options",
      "`truncate` and `truncation` are two names of one field and differ: send one of them.",
      "truncation",
    );
  }
  return truncate ?? fromFlag ?? fallback;
}
