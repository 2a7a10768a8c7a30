// The folder of --out: vectors and lists for the customer, and job/ for the job itself.

import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { JobLock } from "./job-lock.ts";
import { takeJobLock } from "./job-lock.ts";
import { Stop } from "./stop.ts";

const JOB = "job";
const LOCK = "lock";

export function jobFolderOf(out: string): string {
  return join(out, JOB);
}

/** Throws Stop unless `out` is a job's folder, or could become one. */
export function checkOut(out: string): void {
  const there = statSync(out, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isDirectory()) throw new Stop(`--out ${out} is a file: name a folder.`);
  const [name] = readdirSync(out);
  if (name === undefined || existsSync(join(out, JOB))) return;
  throw new Stop(`--out ${out} has other files (${name}): name a new or empty folder, or that of a job.`);
}

/** Creates the folder and takes its lock. Throws Stop if another job runs there. */
export async function holdFolder(out: string): Promise<JobLock> {
  const folder = jobFolderOf(out);
  mkdirSync(folder, { recursive: true });
  const lock = await takeJobLock(join(folder, LOCK));
  return {
    check: () => lock.check(),
    release: () => {
      lock.release();
      // Nothing was begun, so no folder is left.
      if (readdirSync(folder).length > 0) return;
      rmdirSync(folder);
      if (readdirSync(out).length === 0) rmdirSync(out);
    },
  };
}

/** Deletes a job, its settings first, so that a kill half-way leaves no job that counts. */
export function clearJob(out: string): void {
  const folder = jobFolderOf(out);
  rmSync(join(folder, "job.json"), { force: true });
  for (const name of readdirSync(folder)) {
    if (name !== LOCK) rmSync(join(folder, name), { recursive: true });
  }
}
