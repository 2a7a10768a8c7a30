// The form of a job's requests: their fields besides the texts, and how many texts they carry.

import type { Job } from "./job.ts";
import { vectorBytesOf } from "./job.ts";
import type { Options } from "./options.ts";
import type { ServedModel } from "./service.ts";
import { Stop } from "./stop.ts";
import { INPUTS_MAX } from "../../shared/schemas/texts.ts";

/** The most bytes of canonical vectors under an Idempotency-Key (docs/contract.md, Defaults). */
const CANONICAL_BYTES_MAX = 4_194_304;
/** The most bytes of base64 in an answer, so that those in flight fit in memory. */
const ANSWER_BYTES_MAX = 2_097_152;
/** Throws Stop if the model has no such vectors. */
export function dimensionsOf({ dimensions, dtype }: Options, model: ServedModel): number {
  if (model.status === "coming_soon") throw new Stop(`${model.id} is not offered yet: GET /v1/models lists what is.`);
  const length = dimensions ?? model.native_dimensions;
  if (length > model.native_dimensions) {
    throw new Stop(`--dimensions is ${length}; ${model.id} has 1 to ${model.native_dimensions}.`);
  }
  if (dtype === "binary" && length % 8 !== 0)
    throw new Stop(`--dimensions is ${length}; binary needs a multiple of 8.`);
  return length;
}

/** The most texts of a request. */
export function textsMaxOf(job: Job, { native_dimensions: native }: ServedModel): number {
  // float16 is made here from float32.
  const answered = job.dtype === "float16" ? 4 * job.dimensions : vectorBytesOf(job);
  const [stored, sent] = [CANONICAL_BYTES_MAX / (2 * native), ANSWER_BYTES_MAX / (answered * (4 / 3))];
  return Math.max(1, Math.floor(Math.min(INPUTS_MAX, stored, sent)));
}

/** The fields that say how texts are read. */
export function textFields({ inputType, instruction }: Options): Readonly<Record<string, string>> {
  return {
    ...(inputType === undefined ? {} : { input_type: inputType }),
    ...(instruction === undefined ? {} : { instruction }),
  };
}

/** A request's fields without its texts. */
export function requestFields(job: Job): Readonly<Record<string, string | number>> {
  return {
    model: job.model,
    encoding_format: "base64",
    dimensions: job.dimensions,
    ...(job.dtype === "int8" ? { output_dtype: "int8" } : {}),
    ...(job.dtype === "binary" ? { output_dtype: "ubinary" } : {}),
    ...(job.input_type === null ? {} : { input_type: job.input_type }),
    ...(job.instruction === null ? {} : { instruction: job.instruction }),
    ...(job.truncate === "none" ? {} : { truncate: job.truncate }),
  };
}
