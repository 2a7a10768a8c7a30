// Who is blamed where tokenising a call of pairs takes too long: its query, or the document that it is.
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { QWEN3 } from "../../../gpu-backend/compiler/architectures/qwen3.ts";
import { TokenizerPool } from "../../../gpu-backend/tokenizer/pool.ts";
import { TextFault } from "../../../gpu-backend/tokenizer/text-fault.ts";
import type { OnError } from "../../../shared/wire.ts";
import { must } from "../../../shared/assert.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";

// A limit that no text here reaches: what is refused is refused for its time.
const PAIRS = { types: 1, prompt: must(QWEN3.pairPrompt, "Qwen's prompt") };
const LIMITS = { endTokenId: 16_381, vocabSize: 16_384, maxTokens: 20_000_000 };
const SLOW = "many words ".repeat(500_000);

describe("a call of pairs that takes too long", () => {
  let pool: TokenizerPool;
  beforeAll(async () => {
    const setup = { checkpointDir: DEMO_MODEL_DIR, ...LIMITS, pairs: PAIRS };
    pool = await TokenizerPool.start(setup, { threads: 1, timeLimitMs: 400 });
  });
  afterAll(() => pool.close());

  const tokenize = (query: string, inputs: readonly string[], onError: OnError) =>
    pool.tokenize(
      {
        account: "a",
        inputs,
        prefix: "",
        pair: { instruction: null, query },
        truncate: "none",
        tier: "interactive",
        onError,
        tokensMax: 10_000_000,
      },
      new AbortController().signal,
    );

  it.each(["fail", "per_item"] as const)("for its query is refused for its query, once: %s", async (onError) => {
    const before = pool.replacements;
    const error = await tokenize(SLOW, ["fine", "too"], onError).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TextFault);
    expect(error).toMatchObject({
      fault: {
        code: "text_too_complex",
        index: null,
        facts: { query: 1 },
        message: "The query cannot be tokenised in reasonable time: tokenising it takes too long.",
      },
    });
    expect(pool.replacements).toBe(before + 1);
  });

  it("for a document is refused for that one", async () => {
    const { faults, texts } = await tokenize("fine", ["too", SLOW], "per_item");
    expect(faults).toMatchObject([{ code: "text_too_complex", index: 1 }]);
    expect(texts[0]?.length).toBeGreaterThan(0);
    await expect(tokenize("fine", ["too", SLOW], "fail")).rejects.toMatchObject({ fault: { index: 1 } });
  });
});
