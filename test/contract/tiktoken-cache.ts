// LangChain's Python client counts tokens with tiktoken, which downloads OpenAI's vocabulary when it is first used.
// js-tiktoken, a dependency of LangChain's JavaScript client, carries the same vocabulary: written where tiktoken looks
// first, in tiktoken's own format, so that the test needs no network. tiktoken checks the file's SHA-256 itself.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";

const RANKS = join(import.meta.dirname, "node_modules/js-tiktoken/dist/ranks/cl100k_base.js");
const SOURCE = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken";

const moduleSchema = z.object({ default: z.object({ bpe_ranks: z.string() }) });

/** Makes sure that `folder`, tiktoken's TIKTOKEN_CACHE_DIR, holds cl100k_base. */
export async function fillTiktokenCache(folder: string): Promise<void> {
  const file = join(folder, createHash("sha1").update(SOURCE).digest("hex"));
  if (existsSync(file)) return;
  const ranks = moduleSchema.parse(await import(pathToFileURL(RANKS).href)).default.bpe_ranks;
  // A line is `! FIRST_RANK token token …`, tokens in base64.
  const lines = ranks.split("\n").flatMap((line) => {
    const [, first = "0", ...tokens] = line.split(" ");
    return tokens.map((token, index) => `${token} ${Number(first) + index}\n`);
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, lines.join(""));
}
