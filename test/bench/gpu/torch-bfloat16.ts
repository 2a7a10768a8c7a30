// What torch in bfloat16 is off on check:gpu's subjects, which is what our bfloat16 may be off: kept for those that are the same on every machine,
// measured where a checkpoint is the caller's and Python has torch (torch_bfloat16.py).

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as z from "zod";

import type { Distances } from "./check-faults.ts";
import type { Subject } from "./check-subjects.ts";
import { writePlainCheckpoint } from "./plain-checkpoint.ts";
import { pythonWithTorch } from "./torch-peer.ts";

export const BFLOAT16_FILE = join(import.meta.dirname, "../../vectors/bfloat16-distances.json");
const OUTPUT_BYTES_MAX = 1 << 24;

const distancesSchema = z.object({ median: z.number(), max: z.number() });
const lineSchema = distancesSchema.extend({
  subject: z.string(),
  texts: z.int(),
  plainAttention: distancesSchema.optional(),
});
export type TorchLine = z.infer<typeof lineSchema>;
const keptSchema = z.object({ subjects: z.array(lineSchema) });

/** By subject. Texts of more tokens than were measured are held to the same. */
export function keptBfloat16(): readonly TorchLine[] {
  return keptSchema.parse(JSON.parse(readFileSync(BFLOAT16_FILE, "utf8"))).subjects;
}

/** What is known of a subject. */
export function torchOn(lines: readonly TorchLine[], name: unknown): Distances | undefined {
  const line = lines.find(({ subject }) => subject === name);
  if (line?.plainAttention === undefined) return line;
  const { median, max } = line.plainAttention;
  return { median: Math.max(line.median, median), max: Math.max(line.max, max) };
}

/** A line each, or in a sentence why there are none. */
export function measureBfloat16(subjects: readonly Subject[], device: "cpu" | "cuda"): readonly TorchLine[] | string {
  const python = pythonWithTorch();
  if (python === undefined) return "no Python with torch and transformers (PYTHON names one)";
  const work = mkdtempSync(join(tmpdir(), "torch-"));
  try {
    const dirs = new Map<string, string>();
    for (const { dir } of subjects) {
      if (dirs.has(dir)) continue;
      const plain = join(work, String(dirs.size));
      writePlainCheckpoint(dir, plain);
      dirs.set(dir, plain);
    }
    const request = { device, subjects: subjects.map((subject) => ({ ...subject, dir: dirs.get(subject.dir) })) };
    const { status, stdout, stderr } = spawnSync(python, [join(import.meta.dirname, "torch_bfloat16.py")], {
      input: JSON.stringify(request),
      encoding: "utf8",
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    if (status !== 0) return `torch: ${stderr.trim().split("\n").at(-1) ?? ""}`;
    return stdout
      .trim()
      .split("\n")
      .map((line) => lineSchema.parse(JSON.parse(line)));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
