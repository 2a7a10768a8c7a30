import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";

import { loadTokenizer } from "../../../gpu-backend/tokenizer/library.ts";
import { segmentsOf } from "../../../gpu-backend/tokenizer/segments.ts";
import { tokenizeText } from "../../../gpu-backend/tokenizer/text-tokenizer.ts";
import { addedToken, demoTokenizer, writeTokenizer } from "../write-tokenizer.ts";
import { anyText, inPieces } from "./any-text.ts";

const END = 16_381;
const scratch = mkdtempSync(join(tmpdir(), "special-tokens-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Tokens whose text has places where a text without them would be cut; some are the beginning of others. */
const TAGS = ["<tool_response>", "</tool_response>", "<|file_sep|>", "<|file_sep|>x", "<|", "a b", "<think>", "word."];

const definition = demoTokenizer();
const chat = await loadTokenizer(
  writeTokenizer(scratch, {
    ...definition,
    added_tokens: [...definition.added_tokens, ...TAGS.map((tag, index) => addedToken(tag, 16_384 + index))],
  }),
  END,
  20_000,
);

describe("a text with special tokens", () => {
  const withTags = fc
    .array(
      fc.oneof(anyText, fc.constantFrom(...TAGS, "<|im_end|>", "<|im_start|>", "<|im_", "end|>", "|>", "<", "tool")),
      { maxLength: 12 },
    )
    .map((parts) => parts.join("").toWellFormed());

  it("has the same ids in pieces as in one, wherever it could be cut", async () => {
    await fc.assert(
      fc.asyncProperty(withTags, fc.integer({ min: 1, max: 30 }), async (text, segmentChars) => {
        const segments = segmentsOf(text, chat.cutRules, segmentChars);
        if (segments.kind !== "pieces") throw new Error(segments.kind);
        expect(segments.pieces.join("")).toBe(text);
        expect(segments.pieces).not.toContain(text === "" ? "a" : "");
        expect(await inPieces(chat, segments.pieces)).toEqual(await chat.encode(text));
      }),
      { numRuns: 700 },
    );
  });

  it("has the ids of the whole though its first piece would end inside a token", async () => {
    const turn = "<|im_start|>user\nwhat is it<|im_end|>\n<tool_response>it is <think>a</think></tool_response>";
    const log = turn.repeat(Math.ceil(34_000 / turn.length));
    const ids = await chat.encode(log);
    // What is put before it moves the cut through a turn, and is one token each.
    for (let shift = 0; shift < turn.length; shift += 7) {
      const text = "<|file_sep|>".repeat(shift) + log;
      const result = await tokenizeText(chat, { maxTokens: 60_000, vocabSize: 20_000 }, "", text, "none");
      const expected = [...Array.from({ length: shift }, () => 16_386), ...ids];
      expect(result.kind === "ids" && [...result.ids].slice(0, -1)).toEqual(expected);
    }
  });

  it("is cut between tokens where nothing else breaks it", async () => {
    const segments = segmentsOf("<|im_end|>".repeat(20_000), chat.cutRules);
    expect(segments.kind === "pieces" && segments.pieces.length).toBeGreaterThan(4);
  });

  it.each<[string, object]>([
    ["another pre-tokenizer", { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Whitespace" }] } }],
    ["a token that takes white space", { added_tokens: [addedToken("<mask>", 16_384, { lstrip: true })] }],
    ["a token that is matched after normalising", { added_tokens: [addedToken("a b", 16_384, { normalized: true })] }],
  ])("is kept whole under a tokenizer with %s", async (_, change) => {
    const other = await loadTokenizer(
      writeTokenizer(scratch, { ...definition, ...change, post_processor: null }),
      END,
      20_000,
    );
    expect(other.cutRules).toBeUndefined();
  });
});
