// What a line of check:gpu says that may not be.

import { type Mode, nameOf } from "./modes.ts";

/** 1 - cos to float32: the median of a checkpoint's texts, and any of them. */
export interface Distances {
  readonly median: number;
  readonly max: number;
}

/** What float16 may be off. */
export const FLOAT16_MAX: Distances = { median: 2e-5, max: 2e-4 };
/**
 * bfloat16 may be as far off as torch in bfloat16 on the same texts, so many times: a way to round is a sample. Of torch's own two
 * attentions the larger counts; over 46 texts they are within 8 % of each other, over five apart by up to 2 times in the median and 2.7 at
 * worst (test/vectors/bfloat16-distances.json).
 */
export const BFLOAT16_TIMES: Distances = { median: 1.5, max: 2 };

const NO_FAST_KERNEL = "No valid fpA_intB MatMulNBits tactic";

/** What `mode` may be off on a subject; undefined where nobody knows what torch is off there. */
export function limitOf(mode: Mode, torch: Distances | undefined): Distances | undefined {
  if (mode.target !== "cuda-bf16") return FLOAT16_MAX;
  return torch && { median: torch.median * BFLOAT16_TIMES.median, max: torch.max * BFLOAT16_TIMES.max };
}

/** Sentences. `torch`: in bfloat16, on the same subject. */
export function faultsOf(mode: Mode, line: Record<string, unknown>, torch: Distances | undefined): readonly string[] {
  const where = `${nameOf(mode)}, ${String(line["subject"])}`;
  if (typeof line["error"] === "string") return [`${where}: ${line["error"]}`];
  const [median = Number.NaN, max = Number.NaN, notFinite] = ["median", "max", "notFinite"].map((key) =>
    line[key] === null ? Number.NaN : Number(line[key]),
  );
  const found: string[] = [];
  // The fast 4-bit kernels want columns in multiples of 64, as every published model has and some layouts here have not.
  if (String(line["refusal"]).includes(NO_FAST_KERNEL)) return found;
  if (typeof line["refusal"] === "string") found.push(`${where}: refused: ${line["refusal"]}`);
  if (notFinite !== 0) found.push(`${where}: ${notFinite} vectors are not finite`);
  const limit = limitOf(mode, torch);
  if (limit === undefined) return found;
  if (!(median <= limit.median)) found.push(`${where}: the median is ${median} off, ${limit.median} is allowed`);
  if (!(max <= limit.max)) found.push(`${where}: the worst is ${max} off, ${limit.max} is allowed`);
  return found;
}
