// `POST /v1/similarity`: pairs of texts, or one source and its targets.

import * as z from "zod";
import { apiError } from "../errors.ts";
import type { Truncation } from "../wire.ts";
import { ignoredFields, modelField, truncateFields, truncationOf } from "./common.ts";
import { parseBody } from "./fields.ts";
import { describe } from "./shown.ts";
import { INPUTS_MAX, PAIR_SCHEMA, TEXT_SCHEMA, itemList, textItem } from "./texts.ts";

const PAIRS_MAX = INPUTS_MAX / 2;
/** One less than INPUTS_MAX, because the source is a text of the request too. */
const TARGETS_MAX = INPUTS_MAX - 1;

export const similarityBodySchema = z.strictObject({
  model: modelField,
  /** Parsed by pairTexts. */
  pairs: z.unknown().meta({ type: "array", items: PAIR_SCHEMA, minItems: 1, maxItems: PAIRS_MAX }).optional(),
  /** Parsed by textItem. */
  source: z.unknown().meta(TEXT_SCHEMA).optional(),
  targets: z.unknown().meta({ type: "array", items: TEXT_SCHEMA, minItems: 1, maxItems: TARGETS_MAX }).optional(),
  ...truncateFields,
  ...ignoredFields,
});

export interface SimilarityRequest {
  readonly model: string;
  readonly texts: readonly string[];
  /** For each similarity, the places of its two texts in `texts`. */
  readonly pairs: readonly (readonly [number, number])[];
  /** The name of the text at `index` in the caller's body: `pairs[0][1]`. */
  readonly itemOf: (index: number) => string;
  readonly truncate: Truncation;
}

/** Parses the body; throws ApiError. */
export function parseSimilarityRequest(body: unknown): SimilarityRequest {
  const fields = parseBody(similarityBodySchema, body);
  const { pairs, source, targets } = fields;
  const truncate = truncationOf(fields.truncate, fields.truncation);
  if ((pairs === undefined) === (source === undefined && targets === undefined)) {
    throw apiError(
      pairs === undefined ? "missing_field" : "incompatible_options",
      "Send either `pairs`, or `source` with `targets`.",
      "pairs",
    );
  }
  return { model: fields.model, truncate, ...(pairs === undefined ? fromSource(source, targets) : fromPairs(pairs)) };
}

type Texts = Pick<SimilarityRequest, "texts" | "pairs" | "itemOf">;

function fromPairs(value: unknown): Texts {
  const items = itemList(value, "pairs", "an array of [string, string] pairs", PAIRS_MAX);
  const texts = items.flatMap((item, index) => {
    const param = `pairs[${index}]`;
    if (!Array.isArray(item) || item.length !== 2) {
      throw apiError("invalid_type", `\`${param}\` must be a pair of two strings, not ${describe(item)}.`, param);
    }
    const pair: readonly unknown[] = item;
    return pair.map((text, side) => textItem(text, `${param}[${side}]`));
  });
  return {
    texts,
    pairs: items.map((_, index) => [2 * index, 2 * index + 1]),
    itemOf: (index) => `pairs[${index >> 1}][${index & 1}]`,
  };
}

function fromSource(source: unknown, targets: unknown): Texts {
  if (source === undefined) throw apiError("missing_field", "`source` is missing: it must be a string.", "source");
  const first = textItem(source, "source");
  const rest = itemList(targets, "targets", "an array of strings", TARGETS_MAX).map((item, index) =>
    textItem(item, `targets[${index}]`),
  );
  return {
    texts: [first, ...rest],
    pairs: rest.map((_, index) => [0, index + 1]),
    itemOf: (index) => (index === 0 ? "source" : `targets[${index - 1}]`),
  };
}
