// Tokens per second of the tokenizer processes, against the 80,000 that a GPU could eat (design: one H100).
//   node --import tsx test/bench/backend/tokenizer.ts [processes]

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { TokenizerPool } from "../../../gpu-backend/tokenizer/pool.ts";

const NEEDED = 80_000;
const ROUNDS = 5;
const threads = Number(process.argv[2] ?? 2);
const model = fileURLToPath(new URL("../../../gpu-backend/demo-model", import.meta.url));
const pool = await TokenizerPool.start(
  { checkpointDir: model, endTokenId: 16_381, vocabSize: 16_384, maxTokens: 8_192 },
  { threads, timeLimitMs: 10_000 },
);

const source = readFileSync(fileURLToPath(import.meta.url), "utf8");
const corpora: Record<string, string[]> = {
  "words of a Zipf law over 50,000, 512 texts of 800 characters": slices(zipfWords(400_000), 800, 512),
  "the same, 20 texts of 20,000 characters": slices(zipfWords(400_000), 20_000, 20),
  "code, 128 texts of 3,000 characters": slices(source.repeat(200), 3_000, 128),
};

for (const [name, texts] of Object.entries(corpora)) {
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const began = performance.now();
    const done = await pool.tokenize(
      { account: "a", inputs: texts, prefix: "", truncate: "end", tier: "interactive", tokensMax: Infinity },
      new AbortController().signal,
    );
    const tokens = done.texts.reduce((sum, ids) => sum + ids.length, 0);
    if (round > 0) rates.push((tokens * 1_000) / (performance.now() - began));
  }
  const median = rates.toSorted((left, right) => left - right)[Math.floor(ROUNDS / 2)] ?? 0;
  console.log(`${name}: ${Math.round(median).toLocaleString("en")} tokens/s, ${(median / NEEDED).toFixed(1)} × needed`);
}
await pool.close();

function slices(text: string, chars: number, count: number): string[] {
  // Each starts elsewhere, so that no word cache sees the same text again and again.
  return Array.from({ length: count }, (_, index) =>
    text.slice((index * chars) % (text.length - chars)).slice(0, chars),
  );
}

/** Made-up words as English spreads them: few very often, most hardly ever, so that no cache of words holds them all. */
function zipfWords(chars: number): string {
  const syllables = [
    "an",
    "be",
    "con",
    "der",
    "es",
    "fi",
    "gra",
    "hu",
    "in",
    "ko",
    "lis",
    "men",
    "no",
    "or",
    "pre",
    "ti",
    "ver",
    "ous",
  ];
  let state = 42;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const words: string[] = [];
  for (let length = 0; length < chars;) {
    let rank = Math.floor(50_000 ** random());
    let word = "";
    for (; rank > 0; rank = Math.floor(rank / syllables.length)) word += syllables[rank % syllables.length] ?? "";
    words.push(word);
    length += word.length + 1;
  }
  return words.join(" ");
}
