// The tokenizers of test/vectors/make_tokenizers.py, one or two of each kind, and the reference library's ids.

import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, inflateSync } from "node:zlib";
import * as z from "zod";

import { writeTokenizer } from "../write-tokenizer.ts";

const VECTORS = fileURLToPath(new URL("../../vectors/tokenizers", import.meta.url));
const entrySchema = z.object({ file: z.string(), changes: z.record(z.string(), z.unknown()), ids: z.string() });
const { texts, tokenizers } = z
  .object({ texts: z.array(z.string()), tokenizers: z.record(z.string(), entrySchema) })
  .parse(JSON.parse(readFileSync(join(VECTORS, "ids.json"), "utf8")));

export const ZOO_TEXTS: readonly string[] = texts;
export const ZOO_NAMES: readonly string[] = Object.keys(tokenizers);

/** Writes the tokenizer's folder under the system's scratch folder; `remove` it afterwards. */
export function zooTokenizer(name: string): { readonly dir: string; readonly ids: readonly (readonly number[])[] } {
  const entry = entrySchema.parse(tokenizers[name]);
  const definition = JSON.parse(gunzipSync(readFileSync(join(VECTORS, entry.file))).toString("utf8"));
  const scratch = mkdtempSync(join(tmpdir(), "zoo-"));
  return { dir: writeTokenizer(scratch, { ...definition, ...entry.changes }), ids: idsOf(entry.ids) };
}

function idsOf(packed: string): readonly (readonly number[])[] {
  const bytes = inflateSync(Buffer.from(packed, "base64"));
  const numbers = Array.from({ length: bytes.length / 2 }, (_, at) => bytes.readUInt16LE(2 * at));
  let offset = texts.length;
  return numbers.slice(0, texts.length).map((length) => numbers.slice(offset, (offset += length)));
}
