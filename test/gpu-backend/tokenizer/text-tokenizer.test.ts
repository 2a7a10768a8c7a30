import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";

import { loadTokenizer } from "../../../gpu-backend/tokenizer/library.ts";
import { MARKS_RUN_MAX, PIECE_CHARS_MAX, segmentsOf } from "../../../gpu-backend/tokenizer/segments.ts";
import { tokenizeIds, tokenizeText } from "../../../gpu-backend/tokenizer/text-tokenizer.ts";
import type { Truncation } from "../../../shared/wire.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "../engine/demo-reference.ts";
import { addedToken, demoTokenizer, writeTokenizer } from "../write-tokenizer.ts";

const END = 16_381;
const library = loadTokenizer(DEMO_MODEL_DIR, END, 16_384);
const scratch = mkdtempSync(join(tmpdir(), "tokenizers-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const limits = { maxTokens: 8_192, vocabSize: 16_384 };
const tiny = { maxTokens: 12, vocabSize: 16_384 };
const PREFIX = "Instruct: Find\nQuery:";

interface IdsOptions {
  readonly prefix?: string;
  readonly truncate?: Truncation;
  readonly within?: typeof limits;
}

function idsOf(text: string, { prefix = "", truncate = "none", within = limits }: IdsOptions = {}): number[] {
  const result = tokenizeText(library, within, prefix, text, truncate);
  if (result.kind !== "ids") throw new Error(JSON.stringify(result));
  return [...result.ids];
}

/** Strings that mix what splits words with what does not: letters of several scripts, marks, spaces, punctuation, emoji. */
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "a",
        "word",
        "Été",
        " ",
        "  ",
        "\n",
        "\t",
        ".",
        ",",
        "...",
        "'s",
        "'",
        "’",
        "-",
        "(",
        "1",
        "42",
        "中文",
        "。",
        "\u0301",
        "e\u0301",
        "ﬁ",
        "한국",
        "\u1100\u1161\u11a8",
        "🙂",
        "👩‍🚀",
        "\ud800",
        "<|endoftext|>",
        "\u00a0",
        "\u3000",
        "ไทย",
        "_",
      ),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

describe("token ids of a text", () => {
  it("are the reference's, for every reference text", () => {
    const reference = readDemoReference();
    for (const [index, text] of reference.texts.entries())
      expect(idsOf(text)).toEqual([...(reference.ids[index] ?? [])]);
  });

  it("end with the template's own ending token alone, and with the model's where the template adds none", () => {
    const other = loadTokenizer(DEMO_MODEL_DIR, 16_383, 16_384);
    expect(tokenizeText(other, limits, "", "hello", "none")).toEqual(
      tokenizeText(library, limits, "", "hello", "none"),
    );
    const none = loadTokenizer(writeTokenizer(scratch, { ...demoTokenizer(), post_processor: null }), 16_383, 16_384);
    const result = tokenizeText(none, limits, "", "hello", "none");
    expect(result.kind === "ids" && [...result.ids]).toEqual([...library.encode("hello"), 16_383]);
  });

  it("are refused where a token of theirs has no row in the model's table", () => {
    const definition = demoTokenizer();
    definition.added_tokens.push(addedToken("<think>", 16_384));
    const larger = loadTokenizer(writeTokenizer(scratch, definition), END, 16_384);
    expect(tokenizeText(larger, limits, "", "the <think> tag", "none")).toEqual({ kind: "beyond_table", id: 16_384 });
    expect(tokenizeText(larger, limits, "<think>", "a tag", "none")).toEqual({ kind: "beyond_table", id: 16_384 });
    expect(tokenizeText(larger, limits, "", "the < think > tag", "none").kind).toBe("ids");
    // What is cut off need not be in the table.
    expect(tokenizeText(larger, tiny, "", `${"word ".repeat(40)}<think>`, "end").kind).toBe("ids");
  });

  it("take a lone surrogate for U+FFFD", () => {
    expect(idsOf("a\ud800b")).toEqual(idsOf("a\ufffdb"));
  });

  it("are the same in pieces as in one, for any text", () => {
    const { cutRules } = library;
    expect(cutRules).toBeDefined();
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 20 }), (text, segmentChars) => {
        const whole = text.toWellFormed();
        const segments = segmentsOf(whole, cutRules, segmentChars);
        if (segments.kind !== "pieces") throw new Error(segments.kind);
        expect(segments.pieces.join("")).toBe(whole);
        expect(segments.pieces.flatMap((piece) => library.encode(piece))).toEqual(library.encode(whole));
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Tokens whose text has places where a text without them would be cut; some are the beginning of others. */
const TAGS = ["<tool_response>", "</tool_response>", "<|file_sep|>", "<|file_sep|>x", "<|", "a b", "<think>", "word."];

describe("a text with special tokens", () => {
  const definition = demoTokenizer();
  const chat = loadTokenizer(
    writeTokenizer(scratch, {
      ...definition,
      added_tokens: [...definition.added_tokens, ...TAGS.map((tag, index) => addedToken(tag, 16_384 + index))],
    }),
    END,
    20_000,
  );
  const withTags = fc
    .array(
      fc.oneof(anyText, fc.constantFrom(...TAGS, "<|im_end|>", "<|im_start|>", "<|im_", "end|>", "|>", "<", "tool")),
      { maxLength: 12 },
    )
    .map((parts) => parts.join("").toWellFormed());

  it("has the same ids in pieces as in one, wherever it could be cut", () => {
    fc.assert(
      fc.property(withTags, fc.integer({ min: 1, max: 30 }), (text, segmentChars) => {
        const segments = segmentsOf(text, chat.cutRules, segmentChars);
        if (segments.kind !== "pieces") throw new Error(segments.kind);
        expect(segments.pieces.join("")).toBe(text);
        expect(segments.pieces).not.toContain(text === "" ? "a" : "");
        expect(segments.pieces.flatMap((piece) => chat.encode(piece))).toEqual(chat.encode(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it("has the ids of the whole though its first piece would end inside a token", () => {
    const turn = "<|im_start|>user\nwhat is it<|im_end|>\n<tool_response>it is <think>a</think></tool_response>";
    const log = turn.repeat(Math.ceil(34_000 / turn.length));
    const ids = chat.encode(log);
    // What is put before it moves the cut through a turn, and is one token each.
    for (let shift = 0; shift < turn.length; shift += 7) {
      const text = "<|file_sep|>".repeat(shift) + log;
      const result = tokenizeText(chat, { maxTokens: 60_000, vocabSize: 20_000 }, "", text, "none");
      const expected = [...Array.from({ length: shift }, () => 16_386), ...ids];
      expect(result.kind === "ids" && [...result.ids].slice(0, -1)).toEqual(expected);
    }
  });

  it("is cut between tokens where nothing else breaks it", () => {
    const segments = segmentsOf("<|im_end|>".repeat(20_000), chat.cutRules);
    expect(segments.kind === "pieces" && segments.pieces.length).toBeGreaterThan(4);
  });

  it.each<[string, object]>([
    ["another pre-tokenizer", { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Whitespace" }] } }],
    ["a token that takes white space", { added_tokens: [addedToken("<mask>", 16_384, { lstrip: true })] }],
    ["a token that is matched after normalising", { added_tokens: [addedToken("a b", 16_384, { normalized: true })] }],
  ])("is kept whole under a tokenizer with %s", (_, change) => {
    const other = loadTokenizer(
      writeTokenizer(scratch, { ...definition, ...change, post_processor: null }),
      END,
      20_000,
    );
    expect(other.cutRules).toBeUndefined();
  });
});

describe("truncation", () => {
  it("keeps a text that just fits, and cuts nothing from it", () => {
    const ids = idsOf("one two three four five six seven eight nine ten");
    const exactly = { ...tiny, maxTokens: ids.length };
    for (const truncate of ["none", "end", "start"] as const) {
      expect(tokenizeText(library, exactly, "", "one two three four five six seven eight nine ten", truncate)).toEqual({
        kind: "ids",
        ids: Int32Array.from(ids),
        truncated: false,
      });
    }
  });

  it("is exact for any text: the first or the last ids, the prefix's kept, the ending token last", () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom("", PREFIX), (text, prefix) => {
        const whole = idsOf(text, { prefix });
        const within = { ...tiny, maxTokens: 16 };
        const end = idsOf(text, { prefix, truncate: "end", within });
        const start = idsOf(text, { prefix, truncate: "start", within });
        if (whole.length <= 16) {
          expect(end).toEqual(whole);
          expect(start).toEqual(whole);
          return;
        }
        expect(end).toEqual([...whole.slice(0, 15), END]);
        const kept = prefixTokens(prefix, whole);
        expect(start).toEqual([...whole.slice(0, kept), ...whole.slice(whole.length - (16 - kept))]);
      }),
      { numRuns: 300 },
    );
  });

  it("of a long text tokenises only what it needs and is still exact", () => {
    const text = Array.from({ length: 30_000 }, (_, index) => `word${index % 977},`).join(" ");
    const whole = library.encode(PREFIX + text);
    const head = whole.slice(0, limits.maxTokens - 1);
    expect(idsOf(text, { prefix: PREFIX, truncate: "end" })).toEqual([...head, END]);
    const kept = prefixTokens(PREFIX, whole);
    const tail = whole.slice(whole.length - (limits.maxTokens - 1 - kept));
    expect(idsOf(text, { prefix: PREFIX, truncate: "start" })).toEqual([...whole.slice(0, kept), ...tail, END]);
  });

  it("of a text whose prefix alone fills the limit is refused", () => {
    expect(tokenizeText(library, tiny, "word ".repeat(20), "text", "start")).toMatchObject({ kind: "too_long" });
  });
});

/** Ids of `whole` up to the end of the prefix, counted by decoding. */
function prefixTokens(prefix: string, whole: readonly number[]): number {
  let kept = 0;
  while (library.decode(whole.slice(0, kept)).length < prefix.length) kept += 1;
  return kept;
}

describe("a text that is too much", () => {
  it("is refused with its exact count when it is a little over the limit", () => {
    const tokens = library.encode("word ".repeat(9_000)).length + 1;
    expect(tokenizeText(library, limits, "", "word ".repeat(9_000), "none")).toEqual({
      kind: "too_long",
      tokens,
      counted: true,
    });
  });

  it("is refused without tokenising when its bytes cannot fit", () => {
    const refusing = { ...library, encode: () => expect.unreachable("tokenised") };
    const text = "a".repeat(limits.maxTokens * library.longestTokenBytes + 1);
    expect(tokenizeText(refusing, limits, "", text, "none")).toMatchObject({ kind: "too_long", counted: false });
  });

  it("is refused after a few pieces when it is far over the limit", () => {
    let encoded = 0;
    const counting = {
      ...library,
      longestTokenBytes: 1_000,
      encode: (text: string) => ((encoded += text.length), library.encode(text)),
    };
    expect(tokenizeText(counting, tiny, "", "some words ".repeat(90_000), "none")).toMatchObject({
      kind: "too_long",
      counted: false,
    });
    expect(encoded).toBeLessThan(100_000);
  });

  it.each([
    ["combining marks of two classes", "\u0301\u0316".repeat(MARKS_RUN_MAX)],
    ["spaces", " ".repeat(PIECE_CHARS_MAX + 1)],
    ["one letter", "a".repeat(PIECE_CHARS_MAX + 1)],
    ["emoji", "🙂".repeat(PIECE_CHARS_MAX / 2 + 1)],
  ])("is too complex as a run of %s that nothing breaks", (_, text) => {
    const patient = { ...library, longestTokenBytes: 1_000_000, encode: () => expect.unreachable("tokenised") };
    expect(tokenizeText(patient, limits, "", text, "none").kind).toBe("too_complex");
  });
});

describe("an instruction", () => {
  const anyPrefix = fc.oneof(
    anyText.map((text) => `Instruct: ${text}\nQuery:`),
    anyText,
  );

  it("gives the ids of the whole, whatever it and the text are", () => {
    fc.assert(
      fc.property(anyPrefix, anyText, (prefix, text) => {
        expect(idsOf(text, { prefix })).toEqual([...library.encode((prefix + text).toWellFormed()), END]);
      }),
      { numRuns: 500 },
    );
  });

  it("is tokenised once for all the texts behind it", () => {
    let encoded = 0;
    const counting = { ...library, encode: (text: string) => ((encoded += text.length), library.encode(text)) };
    const prefix = `Instruct: ${"find what answers ".repeat(200)}\nQuery:`;
    for (let text = 0; text < 2_048; text += 1) {
      for (const truncate of ["none", "end", "start"] as const) {
        expect(tokenizeText(counting, limits, prefix, `x${text}`, truncate).kind).toBe("ids");
      }
    }
    expect(encoded).toBeLessThan(2 * prefix.length + 3 * 2_048 * 8);
  });

  it("that an added token could go on from is tokenised with each text", () => {
    const definition = demoTokenizer();
    const added = [...Object(definition)["added_tokens"], addedToken("Query:me", 16_384)];
    const chat = loadTokenizer(writeTokenizer(scratch, { ...definition, added_tokens: added }), END, 20_000);
    for (const text of ["me", "men", "you", ":me"]) {
      const result = tokenizeText(chat, { maxTokens: 100, vocabSize: 20_000 }, PREFIX, text, "none");
      expect(result).toMatchObject({ ids: Int32Array.from([...chat.encode(PREFIX + text), END]) });
    }
  });

  it("that alone is over the limit is encoded no further, and refused or cut with every text", () => {
    const prefix = `Instruct: ${"many words ".repeat(50_000)}\nQuery:`;
    for (let text = 0; text < 200; text += 1) {
      expect(tokenizeText(library, tiny, prefix, `x${text}`, "none").kind).toBe("too_long");
      expect(tokenizeText(library, tiny, prefix, `x${text}`, "start").kind).toBe("too_long");
      expect(idsOf(`x${text}`, { prefix, truncate: "end", within: tiny })).toEqual([
        ...library.encode(prefix.slice(0, 200)).slice(0, 11),
        END,
      ]);
    }
  });
});

function given(ids: readonly number[], truncate: Truncation = "none", within = limits) {
  return tokenizeIds(library, within, Uint32Array.from(ids), truncate);
}

describe("the caller's own token ids", () => {
  it("are taken as they are, the ending token added where it is absent", () => {
    const bare = library.encode("hello world");
    const expected = { kind: "ids", ids: Int32Array.from([...bare, END]), truncated: false, survives: true };
    expect(given(bare)).toEqual(expected);
    expect(given([...bare, END])).toEqual(expected);
  });

  it("are refused beyond the vocabulary", () => {
    expect(given([1, 16_384])).toEqual({ kind: "beyond_vocabulary", id: 16_384 });
  });

  it("survive decoding for any text of our own and do not when another tokenizer made them", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(given(library.encode(text.toWellFormed()))).toMatchObject({ survives: true });
      }),
      { numRuns: 200 },
    );
    // "hello" letter by letter: valid ids that our own tokenizer would never give.
    expect(given("hello".split("").flatMap((letter) => library.encode(letter)))).toMatchObject({ survives: false });
  });

  it("are truncated at either end with the ending token kept", () => {
    const bare = library.encode("one two three four five six seven eight nine ten eleven twelve thirteen fourteen");
    expect(given(bare, "none", tiny)).toEqual({ kind: "too_long", tokens: bare.length + 1, counted: true });
    expect(given(bare, "end", tiny)).toMatchObject({
      ids: Int32Array.from([...bare.slice(0, 11), END]),
      truncated: true,
    });
    expect(given(bare, "start", tiny)).toMatchObject({
      ids: Int32Array.from([...bare.slice(-11), END]),
      truncated: true,
    });
  });

  it("survive where a cut went through a character", () => {
    const bare = library.encode("日本語のとても長い文章です。".repeat(4));
    for (let maxTokens = 20; maxTokens < bare.length; maxTokens += 1) {
      const within = { ...limits, maxTokens };
      for (const truncate of ["start", "end"] as const) {
        expect(given(bare, truncate, within)).toMatchObject({ truncated: true, survives: true });
      }
    }
  });
});
