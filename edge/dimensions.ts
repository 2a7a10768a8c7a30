// How many dimensions an answer may have, checked before anything is run: a vector that cannot be cut so would be
// charged for nothing.

import type { Context } from "./context.ts";
import { waitUntilOf } from "./context.ts";
import type { ResolvedModel } from "./models.ts";
import type { CatalogModel } from "../shared/catalog.ts";
import { apiError } from "../shared/errors.ts";
import { cutVector } from "../shared/vectors.ts";

/** The field wins over the model's suffix; they may not contradict. */
export function dimensionsOf(
  request: { readonly dimensions: number | undefined },
  { dimensions: suffix }: ResolvedModel,
): number | undefined {
  const wanted = request.dimensions ?? suffix;
  if (request.dimensions !== undefined && suffix !== undefined && request.dimensions !== suffix) {
    throw apiError(
      "incompatible_options",
      `\`dimensions\` is ${request.dimensions}, the model's suffix says ${suffix}: send one of them.`,
      "dimensions",
    );
  }
  return wanted;
}

/** Throws `invalid_dimensions`; `model_not_ready` for a model whose size only its backend knows while none has said so. */
export async function checkDimensions(c: Context, model: CatalogModel, wanted: number | undefined): Promise<void> {
  if (wanted === undefined) return;
  const native = await nativeDimensions(c, model);
  if (wanted >= 1 && wanted <= native) return;
  throw apiError(
    "invalid_dimensions",
    `\`dimensions\` must be an integer from 1 to ${native} for this model, not ${wanted}.`,
    "dimensions",
  );
}

async function nativeDimensions(c: Context, model: CatalogModel): Promise<number> {
  // The catalogue's figure where it has one: no model is asked before its price and sizes are known.
  if (model.nativeDimensions > 0) return model.nativeDimensions;
  const announced = await c.get("services").pool.announced(model.id, waitUntilOf(c));
  if (announced !== undefined) return announced.dimensions;
  throw apiError("model_not_ready", "No backend has said yet how many dimensions this model has.", null, 5);
}

/** From canonical vectors to cut, normalised ones; `dimensions` undefined: whole. */
export function cutterOf(dimensions: number | undefined): (vector: Uint16Array) => Float32Array<ArrayBuffer> {
  return (vector) => cutVector(vector, dimensions ?? vector.length);
}
