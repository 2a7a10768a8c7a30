// The decision which form the linear layers of a CPU graph have, and where it is kept: beside the compiled files, under what it
// depends on, so that another processor, runtime or checkpoint is tried anew.

import { createHash, randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

import { CPU_LINEARS } from "../compiler/compiled-model.ts";
import { refusalOf } from "../storage/refusal.ts";

/** What `exact` promises: 1 - cos of any text's vector to the float32 graph's, at most. */
export const EXACT_DISTANCE_MAX = 1e-5;

const choiceSchema = z.object({
  linears: z.enum(CPU_LINEARS),
  /** The class of processor it was made on. */
  processor: z.string(),
  /** In one sentence. */
  why: z.string(),
  /** Milliseconds of processor time for one layer's MLP over so many rows. */
  benchmark: z.array(z.object({ rows: z.int(), float32Ms: z.number(), int8PairsMs: z.number() })).optional(),
  /** 1 - cos of calibration texts' vectors to those of the float32 graph. */
  probes: z
    .array(z.object({ linears: z.enum(CPU_LINEARS), texts: z.int(), median: z.number(), max: z.number() }))
    .optional(),
});
export type LinearsChoice = z.infer<typeof choiceSchema>;

/** The name of the file. `facts`: all that the choice depends on. */
export function choiceFile(facts: readonly string[]): string {
  return `linears-${createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16)}.json`;
}

/** The first that is found in `folders`. */
export function readChoice(folders: readonly string[], file: string): LinearsChoice | undefined {
  for (const folder of folders) {
    try {
      return choiceSchema.parse(JSON.parse(readFileSync(join(folder, file), "utf8")));
    } catch {
      // None, or one of another version: made again.
    }
  }
  return undefined;
}

/** Keeps it in the first folder that can be written; where none can, the next start tries again. */
export function writeChoice(folders: readonly string[], file: string, choice: LinearsChoice): void {
  for (const folder of folders) {
    const part = join(folder, `${file}.${randomUUID()}`);
    try {
      writeFileSync(part, JSON.stringify(choice));
      renameSync(part, join(folder, file));
      return;
    } catch (error) {
      rmSync(part, { force: true });
      if (refusalOf(error) === undefined) throw error;
    }
  }
}
