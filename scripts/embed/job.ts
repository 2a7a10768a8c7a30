// A folder's job, in job/job.json. It never mixes vectors of different models, revisions, lengths or types.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { Stop } from "./stop.ts";
import { TRUNCATIONS } from "../../shared/wire.ts";

export const DTYPES = ["float32", "float16", "int8", "binary"] as const;
export type Dtype = (typeof DTYPES)[number];

const jobSchema = z.object({
  format: z.literal(1),
  /** Goes into each Idempotency-Key, so that a job begun anew never gets answers of the one before. */
  id: z.string(),
  model: z.string(),
  revision: z.string(),
  dimensions: z.int().min(1),
  dtype: z.enum(DTYPES),
  input_type: z.nullable(z.string()),
  instruction: z.nullable(z.string()),
  truncate: z.enum(TRUNCATIONS),
});
export type Job = z.infer<typeof jobSchema>;

/** The job's settings, from the command line and the API. */
export type JobSettings = Omit<Job, "format" | "id">;

const BITS: Readonly<Record<Dtype, number>> = { float32: 32, float16: 16, int8: 8, binary: 1 };

/** Bytes of one vector as it is stored. */
export function vectorBytesOf({ dtype, dimensions }: Pick<Job, "dtype" | "dimensions">): number {
  return (BITS[dtype] * dimensions) / 8;
}

/** The folder's job; undefined where none was begun. */
export function readJob(folder: string): Job | undefined {
  const path = join(folder, "job.json");
  if (!existsSync(path)) return undefined;
  try {
    return jobSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    throw new Stop(`${path} is no job that this version wrote: take another --out, or --restart to begin anew.`);
  }
}

export function writeJob(folder: string, job: Job): void {
  const path = join(folder, "job.json");
  writeFileSync(`${path}.tmp`, `${JSON.stringify(job, undefined, 2)}\n`, { flush: true });
  renameSync(`${path}.tmp`, path);
}

export function newJob(settings: JobSettings): Job {
  return { format: 1, id: randomBytes(8).toString("hex"), ...settings };
}

/** Settings that a job cannot change, and the option of each; undefined for what the API decides. */
const OPTION_OF: Readonly<Record<keyof JobSettings, string | undefined>> = {
  model: "--model",
  revision: undefined,
  dimensions: "--dimensions",
  dtype: "--dtype",
  input_type: "--input-type",
  instruction: "--instruction",
  truncate: "--truncate",
};
const SETTINGS = ["model", "revision", "dimensions", "dtype", "input_type", "instruction", "truncate"] as const;

/**
 * The job that continues under `settings`. It may begin to truncate: what it has was not cut. Throws Stop for any other
 * difference.
 */
export function continuedJob(job: Job, settings: JobSettings, out: string): Job {
  const differing = SETTINGS.filter(
    (name) => job[name] !== settings[name] && !(name === "truncate" && job.truncate === "none"),
  );
  if (differing.length === 0) return { ...job, truncate: settings.truncate };
  const list = differing.map((name) => `${name} ${shown(job[name])}, now ${shown(settings[name])}`).join("; ");
  const same = differing.flatMap((name) => OPTION_OF[name] ?? []).join(", ");
  const way = differing.includes("revision")
    ? "Vectors of two revisions cannot be compared."
    : `Give the same ${same} to go on.`;
  throw new Stop(
    `${out} holds a job with other settings (${list}). ${way} Take another --out, or --restart to embed everything anew.`,
  );
}

function shown(value: string | number | null): string {
  return value === null ? "none" : JSON.stringify(value);
}
