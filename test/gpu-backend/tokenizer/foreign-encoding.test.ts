// Ids of OpenAI's encodings back to text. The ids were made by js-tiktoken 1.0.21's own encoder.
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { foreignEncoding } from "../../../gpu-backend/tokenizer/foreign-encoding.ts";
import { TokenizerPool } from "../../../gpu-backend/tokenizer/pool.ts";
import { TextFault } from "../../../gpu-backend/tokenizer/text-fault.ts";
import type { TokenEncoding } from "../../../shared/wire.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";

const MIXED = "Grüße aus Zürich, 東京 🙂 👩‍🚀\n\t  end";
const SAMPLES: readonly (readonly [TokenEncoding, string, readonly number[]])[] = [
  ["cl100k_base", "hello world", [15339, 1917]],
  [
    "cl100k_base",
    MIXED,
    [
      6600, 2448, 24352, 9608, 1901, 5297, 718, 11, 61696, 109, 47653, 28584, 62904, 102, 378, 235, 9468, 248, 222, 198,
      3762, 842,
    ],
  ],
  ["cl100k_base", " ".repeat(20), [3909]],
  ["o200k_base", "hello world", [24912, 2375]],
  [
    "o200k_base",
    MIXED,
    [3193, 572, 13153, 3976, 127483, 11, 185244, 26192, 61138, 102, 2524, 112927, 222, 198, 7758, 1268],
  ],
  ["o200k_base", " ".repeat(20), [7692]],
];

describe("ids of OpenAI's encodings", () => {
  it.each(SAMPLES)("of %s become their text", async (encoding, text, ids) => {
    expect((await foreignEncoding(encoding)).decode(Uint32Array.from(ids))).toBe(text);
  });

  it("know the special tokens, name the first id that is none, and replace what is no UTF-8", async () => {
    const { decode } = await foreignEncoding("cl100k_base");
    expect(decode(Uint32Array.of(100_257))).toBe("<|endoftext|>");
    expect(decode(Uint32Array.of(15_339, 100_300, 100_301))).toEqual({ unknown: 100_300, encoding: "cl100k_base" });
    expect(decode(Uint32Array.of(61_696))).toContain("\ufffd");
  });
});

describe("a call of such ids", () => {
  const setup = { checkpointDir: DEMO_MODEL_DIR, endTokenId: 16_381, vocabSize: 16_384, maxTokens: 8_192 };
  const forever = new AbortController().signal;
  let pool: TokenizerPool;
  beforeAll(async () => {
    pool = await TokenizerPool.start(setup, { threads: 1, timeLimitMs: 20_000 });
  });
  afterAll(() => pool.close());

  const tokenize = (inputs: readonly (string | Uint32Array)[], encoding?: TokenEncoding) =>
    pool.tokenize(
      { inputs, account: "a", tokensMax: 1_000_000, prefix: "", truncate: "none", tier: "interactive", encoding },
      forever,
    );

  it.each(SAMPLES)("of %s reads as its text does", async (encoding, text, ids) => {
    expect(await tokenize([Uint32Array.from(ids)], encoding)).toEqual(await tokenize([text]));
  });

  it("with an id that the encoding lacks names the array", async () => {
    const failure = await tokenize([Uint32Array.of(1), Uint32Array.of(300_000)], "o200k_base").catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(TextFault);
    expect((failure as TextFault).fault).toMatchObject({ code: "invalid_token_id", index: 1, facts: { id: 300_000 } });
  });
});
