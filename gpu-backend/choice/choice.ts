// The decision which form the linear layers of a CPU graph have, and for how long it holds.

import * as z from "zod";

import type { ModelConfig } from "../checkpoint/read-config.ts";
import { CPU_LINEARS } from "../compiler/compiled-model.ts";
import { keep, keptFile, readKept } from "./kept-choice.ts";

/** What `exact` promises: 1 - cos of any text's vector to the float32 graph's, at most. */
export const EXACT_DISTANCE_MAX = 1e-5;
/** The same of a reranker: the difference of any pair's scores. */
const EXACT_DIFFERENCE_MAX = 1e-4;

export function distanceMaxOf({ reranker }: Pick<ModelConfig, "reranker">): number {
  return reranker === undefined ? EXACT_DISTANCE_MAX : EXACT_DIFFERENCE_MAX;
}
/** Why a form is used without a measurement. */
export const ASKED_FOR = "it was asked for with --linears";

const choiceSchema = z.object({
  linears: z.enum(CPU_LINEARS),
  /** The class of processor it was made on. */
  processor: z.string(),
  /** In one sentence. */
  why: z.string(),
  /** When the trial failed, in Unix milliseconds: it is made again some time later. */
  failedAt: z.number().optional(),
  /** Milliseconds of processor time for one layer's MLP over `rows` rows. */
  benchmark: z.array(z.object({ rows: z.int(), float32Ms: z.number(), int8PairsMs: z.number() })).optional(),
  /** Distances of calibration texts' vectors, or scores, to those of the float32 graph, as EXACT_DISTANCE_MAX has them. */
  probes: z
    .array(z.object({ linears: z.enum(CPU_LINEARS), texts: z.int(), median: z.number(), max: z.number() }))
    .optional(),
});
export type LinearsChoice = z.infer<typeof choiceSchema>;

/** The name of the file. `facts`: all that the choice depends on. */
export function choiceFile(facts: readonly string[]): string {
  return keptFile("linears", facts);
}

/** What failed once fails again at once, and takes minutes: a start that is repeated must not wait for it each time. */
const FAILED_LASTS_MS = 24 * 3_600_000;

/** The choice that is kept under `file`, or what `trial` gives, which is kept from then on. Rejects as `trial` does. */
export async function keptOrTried(
  folders: readonly string[],
  file: string,
  trial: () => Promise<LinearsChoice>,
  /** Unix milliseconds. */
  now = Date.now(),
): Promise<LinearsChoice> {
  const kept = readKept(
    choiceSchema,
    folders,
    file,
    ({ failedAt }) => failedAt === undefined || Math.abs(now - failedAt) < FAILED_LASTS_MS,
  );
  if (kept !== undefined) return kept;
  const choice = await trial();
  keep(folders, file, choice);
  return choice;
}
