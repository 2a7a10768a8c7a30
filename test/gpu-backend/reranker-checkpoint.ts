// A reranker of test/vectors/make_rerankers.py with what transformers gives for its pairs.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import * as z from "zod";

import { ofSecondType } from "../../gpu-backend/token-type.ts";

export const RERANKERS = fileURLToPath(new URL("../vectors/rerankers", import.meta.url));

const callSchema = z.object({
  instruction: z.string().nullable(),
  query: z.string(),
  documents: z.array(z.string()),
  ids: z.string(),
  /** Where each pair's second type begins. */
  seconds: z.array(z.int()).optional(),
  truncated: z.array(z.boolean()),
  scores: z.array(z.number()),
});
const expectedSchema = z.object({ contextTokens: z.int(), calls: z.array(callSchema) });

export interface ExpectedCall extends Omit<z.infer<typeof callSchema>, "ids" | "seconds"> {
  /** Of each document's pair, as the engine takes them (token-type.ts). */
  readonly pairs: readonly Int32Array<ArrayBuffer>[];
}

export function expectedOf(name: string): {
  readonly contextTokens: number;
  readonly calls: readonly ExpectedCall[];
} {
  const text = readFileSync(join(RERANKERS, name, "expected.json"), "utf8");
  const { contextTokens, calls } = expectedSchema.parse(JSON.parse(text));
  return {
    contextTokens,
    calls: calls.map(({ ids, seconds, ...call }) => ({
      ...call,
      pairs: unpacked(ids, call.documents.length).map((pair, index) => {
        const second = seconds?.[index] ?? pair.length;
        return Int32Array.from(pair, (id, at) => (at < second ? id : ofSecondType(id)));
      }),
    })),
  };
}

function unpacked(packed: string, count: number): readonly (readonly number[])[] {
  const bytes = inflateSync(Buffer.from(packed, "base64"));
  const numbers = Array.from({ length: bytes.length / 2 }, (_, at) => bytes.readUInt16LE(2 * at));
  let offset = count;
  return numbers.slice(0, count).map((length) => numbers.slice(offset, (offset += length)));
}
