// Which form of 4-bit weights a checkpoint gets on a card: what a trial of the forms found fastest for large runs, if it is not slower for a
// short text and gives the same vectors; and where one form is faster for small runs and another for large ones, both. Pure.

import * as z from "zod";

import type { CudaWeights } from "../compiler/compiled-model.ts";

const FORMS = ["as-is", "block32", "dense"] as const satisfies readonly CudaWeights[];
const formSchema = z.enum(FORMS);
const figuresSchema = z.object({
  form: formSchema,
  /** The fastest time, in milliseconds, of a run of `tokens` tokens, shortest run first. */
  runs: z.array(z.object({ tokens: z.int(), ms: z.number() })).min(1),
  /** 1 - cos of any calibration text's vector to that of the form as it is. */
  distance: z.number(),
});
export type FormFigures = z.infer<typeof figuresSchema>;
const bySizeSchema = z.object({
  small: formSchema,
  large: formSchema,
  /** Runs of at least this many tokens are large. */
  tokensMin: z.int(),
});
/** A form for small runs and one for large ones. */
export type FormsBySize = z.infer<typeof bySizeSchema>;
export const cudaChoiceSchema = z.object({
  /** The best form alone. */
  cudaWeights: formSchema,
  /** Better than that, where the card holds both. */
  bySize: bySizeSchema.optional(),
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

type Chosen = Pick<CudaChoice, "cudaWeights" | "bySize" | "why">;

/** `figures`: the form as it is, and those that could be tried. */
export function chooseForm(figures: readonly FormFigures[]): Chosen {
  const base = figures.find(({ form }) => form === "as-is");
  if (base === undefined) return { cudaWeights: "as-is", why: "nothing could be measured" };
  const near = figures.filter(({ distance }) => distance <= DISTANCE_MAX);
  const better = near.filter(
    (other) =>
      other !== base && shortMs(other) <= shortMs(base) * SHORT_LOSS_MAX && longMs(other) * GAIN_MIN <= longMs(base),
  );
  const best = better.toSorted((left, right) => longMs(left) - longMs(right))[0] ?? base;
  const bySize = chooseBySize(near, best);
  const why =
    best === base
      ? "no other form is faster, as near, and no slower for short texts"
      : `${best.form} is ${gain(longMs(base), longMs(best))} over ${best.runs.at(-1)?.tokens} tokens as weights as they are`;
  if (bySize === undefined) return { cudaWeights: best.form, why };
  return { cudaWeights: best.form, bySize: bySize.forms, why: `alone, ${why}; ${bySize.why}` };
}

/** Two forms where each is faster than `best` or than the other at its end, and the larger one from one size on. */
function chooseBySize(near: readonly FormFigures[], best: FormFigures) {
  const small = near.toSorted((left, right) => shortMs(left) - shortMs(right))[0] ?? best;
  const large = near.toSorted((left, right) => longMs(left) - longMs(right))[0] ?? best;
  const isFaster = (at: number): boolean => (large.runs[at]?.ms ?? 0) * GAIN_MIN <= (small.runs[at]?.ms ?? 0);
  const from = small.runs.findIndex((_, at) => small.runs.slice(at).every((_run, after) => isFaster(at + after)));
  const tokensMin = small.runs[from]?.tokens;
  const isWorthIt = shortMs(small) * GAIN_MIN <= shortMs(best) || longMs(large) * GAIN_MIN <= longMs(best);
  if (small === large || from <= 0 || tokensMin === undefined || !isWorthIt) return undefined;
  return {
    forms: { small: small.form, large: large.form, tokensMin },
    why: `${small.form} is ${gain(shortMs(large), shortMs(small))} as ${large.form} over ${small.runs[0]?.tokens} tokens, and ${large.form} as ${small.form} ${gain(longMs(small), longMs(large))} over ${small.runs.at(-1)?.tokens}`,
  };
}

const shortMs = ({ runs }: FormFigures): number => runs[0]?.ms ?? 0;
const longMs = ({ runs }: FormFigures): number => runs.at(-1)?.ms ?? 0;
const gain = (slow: number, fast: number): string => `${(slow / fast).toFixed(2)} times as fast`;

/** "dense", or "block32+dense@2048" for two. Undefined where it is neither. */
export function parseForms(text: string): CudaWeights | FormsBySize | undefined {
  const [alone, ...others] = text.split("+");
  const form = formSchema.safeParse(alone);
  if (others.length === 0) return form.data;
  const [, large, tokens] = /^(\S+)@([1-9]\d{0,5})$/.exec(others.join("+")) ?? [];
  return bySizeSchema.safeParse({ small: form.data, large, tokensMin: Number(tokens) }).data;
}
