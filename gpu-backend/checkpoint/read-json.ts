// Reads a small JSON file of a checkpoint through a schema, so that a fault names the file and the field.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";

/** The file's content, or undefined when there is no such file. Throws CheckpointError when it is not what `schema` says. */
export function readOptionalJson<Schema extends z.ZodType>(
  dir: string,
  name: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  const path = join(dir, name);
  if (!existsSync(path)) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new CheckpointError(`${path}: is not valid JSON`);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CheckpointError(`${path}: field ${issue?.path.join(".") ?? "?"}: ${issue?.message ?? "is wrong"}`);
}

/** As readOptionalJson, for a file that must be there. */
export function readJson<Schema extends z.ZodType>(dir: string, name: string, schema: Schema): z.infer<Schema> {
  const content = readOptionalJson(dir, name, schema);
  if (content === undefined) throw new CheckpointError(`${dir}: ${name} is missing; a checkpoint folder has one`);
  return content;
}
