// Reads a JSON file of a checkpoint through a schema, so that a fault names the file and the field, or the place in it.

import { join } from "node:path";
import type * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";
import { readPlainFile } from "./plain-file.ts";

/** The file's content, or undefined when there is no such file. Throws CheckpointError when it is not what `schema` says. */
export function readOptionalJson<Schema extends z.ZodType>(
  dir: string,
  name: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  const path = join(dir, name);
  const bytes = readPlainFile(path);
  if (bytes === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(path, bytes));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue === undefined || issue.path.length === 0 ? "" : `field ${issue.path.join(".")}: `;
  throw new CheckpointError(`${path}: ${field}${issue?.message ?? "is wrong"}`);
}

/** As readOptionalJson, for a file that must be there. */
export function readJson<Schema extends z.ZodType>(dir: string, name: string, schema: Schema): z.infer<Schema> {
  const content = readOptionalJson(dir, name, schema);
  if (content === undefined) throw new CheckpointError(`${dir}: ${name} is missing; a checkpoint folder has one`);
  return content;
}

function parseJson(path: string, bytes: Buffer): unknown {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new CheckpointError(`${path}: begins with a byte order mark (EF BB BF); JSON is UTF-8 without one`);
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new CheckpointError(`${path}: begins with a byte order mark of UTF-16; JSON is UTF-8 without one`);
  }
  const text = utf8Of(path, bytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${path}: is not valid JSON: ${faultOf(text, error)}`);
  }
}

function utf8Of(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CheckpointError(`${path}: is not UTF-8, and so no JSON`);
  }
}

/** What is wrong, and where. For some faults V8 only shows a piece of the text, so the place is found by trying. */
function faultOf(text: string, error: unknown): string {
  const at = faultAt(text);
  // Python's json module writes these three, no standard reader takes them.
  const word = /^(?:-?Infinity|NaN)/u.exec(text.slice(at, at + "-Infinity".length))?.[0];
  if (word !== undefined) return `it says ${word} ${placeOf(text, at)}, and JSON has only finite numbers`;
  const message = error instanceof Error ? error.message : String(error);
  const what = /^(?:Unexpected token '.'|Unexpected end of JSON input|[^"]+?(?=(?: in JSON)? at position))/u.exec(
    message,
  )?.[0];
  return `${what ?? "something unexpected"} ${placeOf(text, at)}`;
}

/** Where the text stops being the beginning of a JSON text: the longest prefix that fails only because it ends. */
function faultAt(text: string): number {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (endsTooEarly(text.slice(0, middle))) low = middle;
    else high = middle - 1;
  }
  return low;
}

function endsTooEarly(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    if (/^Unexpected end of JSON|^Unterminated string/u.test(message)) return true;
    return Number(/ at position (\d+)/u.exec(message)?.[1]) === prefix.length;
  }
}

function placeOf(text: string, index: number): string {
  const before = text.slice(0, index).split("\n");
  return `in line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
}
