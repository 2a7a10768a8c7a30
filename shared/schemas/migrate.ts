// `POST /v1/migrate/report`: texts to be compared under two revisions of a model.

import * as z from "zod";
import { apiError } from "../errors.ts";
import type { ModelRevision } from "../ids.ts";
import type { Truncation } from "../wire.ts";
import { revisionSchema } from "../wire.ts";
import { ignoredFields, instructionFields, modelField, queryOf, truncateFields, truncationOf } from "./common.ts";
import { integer, parseBody, wrongValue } from "./fields.ts";
import { NO_FAULTS } from "./items.ts";
import type { InputType } from "./input-type.ts";
import { TEXT_SCHEMA, itemList, textItem } from "./texts.ts";

const TEXTS_MIN = 2;
/** Each is compared with each, in a Worker's own time. */
const TEXTS_MAX = 256;
const K_DEFAULT = 10;
const K_MAX = 100;

const revision = (what: string) => revisionSchema.meta({ description: what, pattern: "^[0-9a-f]{16,64}$" });

export const migrateBodySchema = z.strictObject({
  model: modelField,
  from: revision("The revision that you have vectors of. It must be served now: `revisions` in /v1/models."),
  to: revision("The one that you might go to."),
  /** Parsed by textItem. */
  input: z.unknown().meta({ type: "array", items: TEXT_SCHEMA, minItems: TEXTS_MIN, maxItems: TEXTS_MAX }).optional(),
  k: integer(1, K_MAX)
    .describe(`How many nearest texts of each are compared; less than there are texts. Default: ${K_DEFAULT}, or all.`)
    .optional(),
  dimensions: z
    .int({ error: () => "an integer from 1 to the model's own number of dimensions" })
    .meta({ minimum: 1 })
    .describe("The length at which you keep vectors.")
    .optional(),
  ...instructionFields,
  ...truncateFields,
  ...ignoredFields,
});

export interface MigrateRequest {
  readonly model: string;
  readonly from: ModelRevision;
  readonly to: ModelRevision;
  readonly texts: readonly string[];
  /** 1 to one less than there are texts. */
  readonly k: number;
  /** Undefined: the model's native length. */
  readonly dimensions: number | undefined;
  readonly instruction: string | undefined;
  readonly inputType: InputType | undefined;
  readonly truncate: Truncation;
}

/** Parses the body; throws ApiError. */
export function parseMigrateRequest(body: unknown): MigrateRequest {
  const fields = parseBody(migrateBodySchema, body);
  const { model, from, to, k, dimensions } = fields;
  if (from === to) throw wrongValue("to", "another revision than `from`", to);
  const items = itemList(fields.input, "input", `an array of ${TEXTS_MIN} to ${TEXTS_MAX} strings`, TEXTS_MAX);
  const texts = items.map((item, index) => textItem(item, `input[${index}]`));
  if (texts.length < TEXTS_MIN) {
    throw apiError("invalid_value", "`input` has one text: it has no neighbours. Send two at least.", "input");
  }
  const others = texts.length - 1;
  if (k !== undefined && k > others) throw wrongValue("k", `at most ${others} for ${texts.length} texts`, k);
  return {
    model,
    from,
    to,
    texts,
    k: k ?? Math.min(K_DEFAULT, others),
    dimensions,
    truncate: truncationOf(fields.truncate, fields.truncation),
    ...queryOf(fields, { kind: "texts", texts, faults: NO_FAULTS }),
  };
}
