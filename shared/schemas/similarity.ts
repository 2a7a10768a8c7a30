// `POST /v1/similarity`: pairs of texts, or one source and its targets.

import * as z from "zod";
import { apiError } from "../errors.ts";
import type { ModelRevision } from "../ids.ts";
import type { OnError, Truncation } from "../wire.ts";
import { ignoredFields, modelField, revisionField, truncateFields, truncationOf } from "./common.ts";
import { parseBody } from "./fields.ts";
import { onErrorField, onErrorOf, parseItems, placeOf } from "./items.ts";
import type { ItemFaults } from "./items.ts";
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
  on_error: onErrorField,
  revision: revisionField,
  ...ignoredFields,
});

/** Items are pairs, or targets. */
export interface SimilarityRequest {
  readonly model: string;
  readonly texts: readonly string[];
  /** For each item that is right, the places of its two texts in `texts`. */
  readonly pairs: readonly (readonly [number, number])[];
  readonly faults: ItemFaults;
  readonly onError: OnError;
  /** The only one that will do; undefined: any. */
  readonly revision: ModelRevision | undefined;
  /** The name of the text at `index` in the caller's body: `pairs[0][1]`. */
  readonly itemOf: (index: number) => string;
  readonly truncate: Truncation;
}

/** Parses the body; throws ApiError. */
export function parseSimilarityRequest(body: unknown): SimilarityRequest {
  const fields = parseBody(similarityBodySchema, body);
  const { pairs, source, targets } = fields;
  const truncate = truncationOf(fields.truncate, fields.truncation);
  const onError = onErrorOf(fields.on_error, fields.model);
  if ((pairs === undefined) === (source === undefined && targets === undefined)) {
    throw apiError(
      pairs === undefined ? "missing_field" : "incompatible_options",
      "Send either `pairs`, or `source` with `targets`.",
      "pairs",
    );
  }
  const texts = pairs === undefined ? fromSource(source, targets, onError) : fromPairs(pairs, onError);
  return { model: fields.model, truncate, onError, revision: fields.revision, ...texts };
}

type Texts = Pick<SimilarityRequest, "texts" | "pairs" | "faults" | "itemOf">;

function fromPairs(value: unknown, onError: OnError): Texts {
  const list = itemList(value, "pairs", "an array of [string, string] pairs", PAIRS_MAX);
  const { items, faults } = parseItems(list, onError, (item, index) => pairTexts(item, `pairs[${index}]`));
  return {
    texts: items.flat(),
    pairs: items.map((_, index) => [2 * index, 2 * index + 1]),
    faults,
    itemOf: (index) => `pairs[${placeOf(index >> 1, faults)}][${index & 1}]`,
  };
}

function pairTexts(item: unknown, param: string): readonly string[] {
  if (!Array.isArray(item) || item.length !== 2) {
    throw apiError("invalid_type", `\`${param}\` must be a pair of two strings, not ${describe(item)}.`, param);
  }
  const pair: readonly unknown[] = item;
  return pair.map((text, side) => textItem(text, `${param}[${side}]`));
}

function fromSource(source: unknown, targets: unknown, onError: OnError): Texts {
  if (source === undefined) throw apiError("missing_field", "`source` is missing: it must be a string.", "source");
  const first = textItem(source, "source");
  const list = itemList(targets, "targets", "an array of strings", TARGETS_MAX);
  const { items, faults } = parseItems(list, onError, (item, index) => textItem(item, `targets[${index}]`));
  return {
    texts: [first, ...items],
    pairs: items.map((_, index) => [0, index + 1]),
    faults,
    itemOf: (index) => (index === 0 ? "source" : `targets[${placeOf(index - 1, faults)}]`),
  };
}
