// Tokenizer files for tests: the demo model's, changed where the test says so.

import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

import { DEMO_MODEL_DIR } from "./engine/demo-reference.ts";

const objectSchema = z.record(z.string(), z.unknown());
const definitionSchema = z.looseObject({ added_tokens: z.array(objectSchema), model: objectSchema });
export type Definition = z.infer<typeof definitionSchema>;

export function demoTokenizer(): Definition {
  return definitionSchema.parse(JSON.parse(readFileSync(join(DEMO_MODEL_DIR, "tokenizer.json"), "utf8")));
}

/** An entry of `added_tokens` as Qwen's tokenizers have them. */
export function addedToken(content: string, id: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: false, ...more };
}

/** A new folder under `parent` with that tokenizer.json and nothing else. */
export function writeTokenizer(parent: string, definition: object): string {
  const dir = mkdtempSync(join(parent, "tokenizer-"));
  writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(definition));
  return dir;
}
