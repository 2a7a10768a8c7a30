// Checks the number of dimensions of an answer before anything runs: a vector that cannot be cut to it would be charged
// for nothing.

import type { ResolvedModel } from "../models/models.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { OutputDtype } from "../../shared/vectors.ts";
import { cutVector } from "../../shared/vectors.ts";
import type { BackendReady } from "../../shared/wire.ts";
import type { CallContext } from "./endpoint.ts";

/** The requested number of dimensions, and whether the field or the model's suffix asks for it. */
export interface WantedDimensions {
  /** Undefined: the model's own. */
  readonly count: number | undefined;
  readonly isSuffix: boolean;
}

/** From the field or the model's suffix. Throws where the two contradict. */
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

/**
 * Throws `invalid_dimensions`, or `model_not_ready` where only the backend knows the model's size and has not said.
 * Undefined, so no wait, where the whole vector is wanted.
 */
export function checkDimensions(
  context: CallContext,
  model: CatalogModel,
  wanted: WantedDimensions,
  dtype: OutputDtype = "float",
): Promise<void> | undefined {
  const isPacked = dtype === "binary" || dtype === "ubinary";
  return wanted.count === undefined && !isPacked ? undefined : checkCut(context, model, wanted, dtype, isPacked);
}

/** Whether vectors of `ready` may be cut to `dimensions`. Where they may not, `checkDimensions` says why. */
export function mayCut(model: CatalogModel, ready: BackendReady, dimensions: number): boolean {
  const native = model.nativeDimensions > 0 ? model.nativeDimensions : ready.dimensions;
  return isInRange(dimensions, native) && (dimensions === native || (ready.matryoshka ?? true));
}

/** `native` undefined: not known yet. */
function isInRange(size: number, native: number | undefined): boolean {
  return size >= 1 && size <= (native ?? Infinity);
}

async function checkCut(
  context: CallContext,
  model: CatalogModel,
  { count, isSuffix }: WantedDimensions,
  dtype: OutputDtype,
  isPacked: boolean,
): Promise<void> {
  const native = await context.nativeDimensionsOf(model);
  if (native === undefined && (count === undefined || count >= 1)) {
    throw apiError("model_not_ready", "No backend has said yet how many dimensions this model has.", null, 5);
  }
  const size = count ?? native ?? 0;
  const name = isSuffix && count !== undefined ? `\`@${count}\` behind the model's name` : "`dimensions`";
  if (!isInRange(size, native)) {
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

/** Cuts canonical vectors to `dimensions` and normalises them; undefined: all dimensions. */
export function cutterOf(dimensions: number | undefined): (vector: Uint16Array) => Float32Array<ArrayBuffer> {
  return (vector) => cutVector(vector, dimensions ?? vector.length);
}
