// How many dimensions an answer may have, checked before anything is run: a vector that cannot be cut so would be
// charged for nothing, and stored as what nobody can read.

import type { ResolvedModel } from "../models/models.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import { cutVector } from "../../shared/vectors.ts";
import type { CallContext } from "./endpoint.ts";

/** What was asked for, and where. */
export interface WantedDimensions {
  /** Undefined: the model's own. */
  readonly count: number | undefined;
  readonly isSuffix: boolean;
}

/** The field or the model's suffix; they may not contradict. */
export function wantedDimensions(field: number | undefined, { dimensions: suffix }: ResolvedModel): WantedDimensions {
  if (field !== undefined && suffix !== undefined && field !== suffix) {
    throw apiError(
      "incompatible_options",
      `\`dimensions\` is ${field}, the model's suffix says ${suffix}: send one of them.`,
      "dimensions",
    );
  }
  return { count: field ?? suffix, isSuffix: field === undefined };
}

/** Throws `invalid_dimensions`; `model_not_ready` for a model whose size only its backend knows while none has said so. */
export async function checkDimensions(
  context: CallContext,
  model: CatalogModel,
  { count, isSuffix }: WantedDimensions,
  dtype: OutputDtype = "float",
): Promise<void> {
  const isPacked = dtype === "binary" || dtype === "ubinary";
  if (count === undefined && !isPacked) return;
  const native = await context.nativeDimensionsOf(model);
  if (native === undefined && (count === undefined || count >= 1)) {
    throw apiError("model_not_ready", "No backend has said yet how many dimensions this model has.", null, 5);
  }
  const size = count ?? native ?? 0;
  const name = isSuffix && count !== undefined ? `\`@${count}\` behind the model's name` : "`dimensions`";
  if (size < 1 || size > (native ?? Infinity)) {
    const rule = `an integer from 1 to ${native ?? "the number that the model has"} for this model`;
    throw apiError("invalid_dimensions", `${name} must be ${rule}, not ${size}.`, "dimensions");
  }
  if (size !== native && native !== undefined && !context.isMatryoshka(model)) {
    throw apiError(
      "invalid_dimensions",
      `${name} must be ${native}, not ${size}: this model was not trained for vectors that can be cut.`,
      "dimensions",
    );
  }
  if (!isPacked || size % 8 === 0) return;
  throw apiError(
    "invalid_dimensions",
    `\`output_dtype\` "${dtype}" packs eight dimensions into a byte: ${name} must be divisible by 8, not ${size}.`,
    "dimensions",
  );
}

/** From canonical vectors to cut, normalised ones; `dimensions` undefined: whole. */
export function cutterOf(dimensions: number | undefined): (vector: Uint16Array) => Float32Array<ArrayBuffer> {
  return (vector) => cutVector(vector, dimensions ?? vector.length);
}
