// Which form of 4-bit weights a checkpoint gets on a card: what a trial of the forms found fastest for large runs, if it is not slower for a
// short text and gives the same vectors. Pure.

import * as z from "zod";

import type { CudaWeights } from "../compiler/compiled-model.ts";

const figuresSchema = z.object({
  form: z.enum(["as-is", "block32", "dense"]),
  /** Least milliseconds of a run: one text of 16 tokens, and 16 of 512. */
  shortMs: z.number(),
  longMs: z.number(),
  /** 1 - cos of any calibration text's vector to that of the form as it is. */
  distance: z.number(),
});
export type FormFigures = z.infer<typeof figuresSchema>;
export const cudaChoiceSchema = z.object({
  cudaWeights: figuresSchema.shape.form,
  card: z.string(),
  /** In one sentence. */
  why: z.string(),
  figures: z.array(figuresSchema),
});
export type CudaChoice = z.infer<typeof cudaChoiceSchema>;

/** What float16 itself may be off. */
const DISTANCE_MAX = 2e-4;
/** Another compiled folder, and for dense weights four times the memory, have to be worth it. */
const GAIN_MIN = 1.1;
const SHORT_LOSS_MAX = 1.3;

/** `figures`: the form as it is, and those that could be tried. */
export function chooseForm(figures: readonly FormFigures[]): {
  readonly cudaWeights: CudaWeights;
  readonly why: string;
} {
  const base = figures.find(({ form }) => form === "as-is");
  if (base === undefined) return { cudaWeights: "as-is", why: "nothing could be measured" };
  const better = figures.filter(
    ({ form, shortMs, longMs, distance }) =>
      form !== "as-is" &&
      distance <= DISTANCE_MAX &&
      shortMs <= base.shortMs * SHORT_LOSS_MAX &&
      longMs * GAIN_MIN <= base.longMs,
  );
  const [best] = better.toSorted((left, right) => left.longMs - right.longMs);
  if (best === undefined)
    return { cudaWeights: "as-is", why: "no other form is faster, as near, and no slower for short texts" };
  const gain = (base.longMs / best.longMs).toFixed(2);
  return {
    cudaWeights: best.form,
    why: `${best.form} is ${gain} times as fast over 8,192 tokens as weights as they are`,
  };
}
