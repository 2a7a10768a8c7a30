// A folder and those above it. Not mkdir's own `recursive`: on a read-only mount it says ENOENT instead of EROFS, and where
// the kernel says ENOENT for good (/proc) it never comes back.

import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

import { codeOf } from "./refusal.ts";

/** Throws the system's error of the folder that could not be made. */
export function makeFolder(path: string): void {
  try {
    makeOne(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    makeOne(path);
  }
}

function makeOne(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
