// A checkpoint in a folder of the test's own, so that compiled files and damage stay out of the repository.

import { cpSync, mkdtempSync } from "node:fs";
import { basename, join } from "node:path";

/** Copies `dir` into a new folder under `parent` and gives its path. */
export function copyCheckpoint(dir: string, parent: string): string {
  const copy = join(mkdtempSync(join(parent, "copy-")), basename(dir));
  cpSync(dir, copy, { recursive: true, filter: (path) => !path.endsWith(".compiled") });
  return copy;
}
