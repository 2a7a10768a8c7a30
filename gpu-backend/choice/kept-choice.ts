// Where a choice is kept: beside the compiled files, under what it depends on, so that another processor, card, runtime or
// checkpoint is tried anew.

import { createHash, randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type * as z from "zod";

import { refusalOf } from "../storage/refusal.ts";

/** The name of the file. `facts`: all that the choice depends on. */
export function keptFile(kind: string, facts: readonly string[]): string {
  return `${kind}-${createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16)}.json`;
}

/** The first in `folders` that still holds. */
export function readKept<Choice>(
  schema: z.ZodType<Choice>,
  folders: readonly string[],
  file: string,
  holds: (choice: Choice) => boolean = () => true,
): Choice | undefined {
  for (const folder of folders) {
    try {
      const choice = schema.parse(JSON.parse(readFileSync(join(folder, file), "utf8")));
      if (holds(choice)) return choice;
    } catch {
      // None, or one of another version: made again.
    }
  }
  return undefined;
}

/** Keeps it in the first folder that can be written; where none can, the next start tries again. */
export function keep(folders: readonly string[], file: string, choice: object): void {
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
