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
import { anyText, inPieces } from "./any-text.ts";

const END = 16_381;
const library = await loadTokenizer(DEMO_MODEL_DIR, END, 16_384);
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

async function idsOf(
  text: string,
  { prefix = "", truncate = "none", within = limits }: IdsOptions = {},
): Promise<number[]> {
  const result = await tokenizeText(library, within, prefix, text, truncate);
  if (result.kind !== "ids") throw new Error(JSON.stringify(result));
  return [...result.ids];
}

describe("token ids of a text", () => {
  it("are the reference's, for every reference text", async () => {
    const reference = readDemoReference();
    for (const [index, text] of reference.texts.entries())
      expect(await idsOf(text)).toEqual([...(reference.ids[index] ?? [])]);
  });

  it("end with the template's own ending token alone, and with the model's where the template adds none", async () => {
    const other = await loadTokenizer(DEMO_MODEL_DIR, 16_383, 16_384);
    expect(await tokenizeText(other, limits, "", "hello", "none")).toEqual(
      await tokenizeText(library, limits, "", "hello", "none"),
    );
    const none = await loadTokenizer(
      writeTokenizer(scratch, { ...demoTokenizer(), post_processor: null }),
      16_383,
      16_384,
    );
    const result = await tokenizeText(none, limits, "", "hello", "none");
    expect(result.kind === "ids" && [...result.ids]).toEqual([...(await library.encode("hello")), 16_383]);
  });

  it("are refused where a token of theirs has no row in the model's table", async () => {
    const definition = demoTokenizer();
    definition.added_tokens.push(addedToken("<think>", 16_384));
    const larger = await loadTokenizer(writeTokenizer(scratch, definition), END, 16_384);
    expect(await tokenizeText(larger, limits, "", "the <think> tag", "none")).toEqual({
      kind: "beyond_table",
      id: 16_384,
    });
    expect(await tokenizeText(larger, limits, "<think>", "a tag", "none")).toEqual({
      kind: "beyond_table",
      id: 16_384,
    });
    expect((await tokenizeText(larger, limits, "", "the < think > tag", "none")).kind).toBe("ids");
    // What is cut off need not be in the table.
    expect((await tokenizeText(larger, tiny, "", `${"word ".repeat(40)}<think>`, "end")).kind).toBe("ids");
  });

  it("take a lone surrogate for U+FFFD", async () => {
    expect(await idsOf("a\ud800b")).toEqual(await idsOf("a\ufffdb"));
  });

  it("are the same in pieces as in one, for any text", async () => {
    const { cutRules } = library;
    expect(cutRules).toBeDefined();
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), async (text, segmentChars) => {
        const whole = text.toWellFormed();
        const segments = segmentsOf(whole, cutRules, segmentChars);
        if (segments.kind !== "pieces") throw new Error(segments.kind);
        expect(segments.pieces.join("")).toBe(whole);
        expect(await inPieces(library, segments.pieces)).toEqual(await library.encode(whole));
      }),
      { numRuns: 300 },
    );
  });

  // The library's Unicode may be older than Node's, and NFC makes letter and mark of some letters: punctuation behind
  // such a letter is one word with it, and "-b" none.
  it("are cut before punctuation only behind what is a letter or digit to the library, of all of the basic plane", async () => {
    const isCut = (text: string): boolean => {
      const segments = segmentsOf(text, library.cutRules, 1);
      return segments.kind === "pieces" && segments.pieces.length === 2;
    };
    const [word, ...more] = await library.encode("-b");
    expect(more).toEqual([]);
    const units = Array.from({ length: 0x1_00_00 }, (_, unit) => String.fromCharCode(unit));
    const cut = units.filter((unit) => isCut(`${unit}-b`));
    expect(cut).toEqual(expect.arrayContaining(["a", "7", "ß", "я", "中", "か", "한"]));
    const lines = cut.map((unit) => `${unit}-b\n`);
    const ids = await library.encode(lines.join(""));
    expect(ids.filter((id) => id === word)).toHaveLength(lines.length);
  });
});

describe("truncation", () => {
  it("keeps a text that just fits, and cuts nothing from it", async () => {
    const ids = await idsOf("one two three four five six seven eight nine ten");
    const exactly = { ...tiny, maxTokens: ids.length };
    for (const truncate of ["none", "end", "start"] as const) {
      expect(
        await tokenizeText(library, exactly, "", "one two three four five six seven eight nine ten", truncate),
      ).toEqual({
        kind: "ids",
        ids: Int32Array.from(ids),
        truncated: false,
      });
    }
  });

  it("is exact for any text: the first or the last ids, the prefix's kept, the ending token last", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.constantFrom("", PREFIX), async (text, prefix) => {
        const whole = await idsOf(text, { prefix });
        const within = { ...tiny, maxTokens: 16 };
        const end = await idsOf(text, { prefix, truncate: "end", within });
        const start = await idsOf(text, { prefix, truncate: "start", within });
        if (whole.length <= 16) {
          expect(end).toEqual(whole);
          expect(start).toEqual(whole);
          return;
        }
        expect(end).toEqual([...whole.slice(0, 15), END]);
        const kept = await prefixTokens(prefix, whole);
        expect(start).toEqual([...whole.slice(0, kept), ...whole.slice(whole.length - (16 - kept))]);
      }),
      { numRuns: 300 },
    );
  });

  it("of a long text tokenises only what it needs and is still exact", async () => {
    const text = Array.from({ length: 30_000 }, (_, index) => `word${index % 977},`).join(" ");
    const whole = await library.encode(PREFIX + text);
    const head = whole.slice(0, limits.maxTokens - 1);
    expect(await idsOf(text, { prefix: PREFIX, truncate: "end" })).toEqual([...head, END]);
    const kept = await prefixTokens(PREFIX, whole);
    const tail = whole.slice(whole.length - (limits.maxTokens - 1 - kept));
    expect(await idsOf(text, { prefix: PREFIX, truncate: "start" })).toEqual([...whole.slice(0, kept), ...tail, END]);
  });

  it("of a text whose prefix alone fills the limit is refused", async () => {
    expect(await tokenizeText(library, tiny, "word ".repeat(20), "text", "start")).toMatchObject({ kind: "too_long" });
  });
});

/** Ids of `whole` up to the end of the prefix, counted by decoding. */
async function prefixTokens(prefix: string, whole: readonly number[]): Promise<number> {
  let kept = 0;
  while ((await library.decode(whole.slice(0, kept))).length < prefix.length) kept += 1;
  return kept;
}

describe("a text that is too much", () => {
  it("is refused with its exact count when it is a little over the limit", async () => {
    const tokens = (await library.encode("word ".repeat(9_000))).length + 1;
    expect(await tokenizeText(library, limits, "", "word ".repeat(9_000), "none")).toEqual({
      kind: "too_long",
      tokens,
      counted: true,
    });
  });

  it("is refused without tokenising when its bytes cannot fit", async () => {
    const refusing = { ...library, encode: () => expect.unreachable("tokenised") };
    const text = "a".repeat(limits.maxTokens * library.longestTokenBytes + 1);
    expect(await tokenizeText(refusing, limits, "", text, "none")).toMatchObject({ kind: "too_long", counted: false });
  });

  it("is refused after a few pieces when it is far over the limit", async () => {
    let encoded = 0;
    const counting = {
      ...library,
      longestTokenBytes: 1_000,
      encode: (text: string) => ((encoded += text.length), library.encode(text)),
    };
    expect(await tokenizeText(counting, tiny, "", "some words ".repeat(90_000), "none")).toMatchObject({
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
  ])("is too complex as a run of %s that nothing breaks", async (_, text) => {
    const patient = { ...library, longestTokenBytes: 1_000_000, encode: () => expect.unreachable("tokenised") };
    expect((await tokenizeText(patient, limits, "", text, "none")).kind).toBe("too_complex");
  });
});

describe("an instruction", () => {
  const anyPrefix = fc.oneof(
    anyText.map((text) => `Instruct: ${text}\nQuery:`),
    anyText,
  );

  it("gives the ids of the whole, whatever it and the text are", async () => {
    await fc.assert(
      fc.asyncProperty(anyPrefix, anyText, async (prefix, text) => {
        expect(await idsOf(text, { prefix })).toEqual([...(await library.encode((prefix + text).toWellFormed())), END]);
      }),
      { numRuns: 500 },
    );
  });

  it("is tokenised once for all the texts behind it", async () => {
    let encoded = 0;
    const counting = { ...library, encode: (text: string) => ((encoded += text.length), library.encode(text)) };
    const prefix = `Instruct: ${"find what answers ".repeat(200)}\nQuery:`;
    for (let text = 0; text < 512; text += 1) {
      for (const truncate of ["none", "end", "start"] as const) {
        expect((await tokenizeText(counting, limits, prefix, `x${text}`, truncate)).kind).toBe("ids");
      }
    }
    expect(encoded).toBeLessThan(2 * prefix.length + 3 * 512 * 8);
  });

  it("that an added token could go on from is tokenised with each text", async () => {
    const definition = demoTokenizer();
    const added = [...Object(definition)["added_tokens"], addedToken("Query:me", 16_384)];
    const chat = await loadTokenizer(writeTokenizer(scratch, { ...definition, added_tokens: added }), END, 20_000);
    for (const text of ["me", "men", "you", ":me"]) {
      const result = await tokenizeText(chat, { maxTokens: 100, vocabSize: 20_000 }, PREFIX, text, "none");
      expect(result).toMatchObject({ ids: Int32Array.from([...(await chat.encode(PREFIX + text)), END]) });
    }
  });

  it("that alone is over the limit is encoded no further, and refused or cut with every text", async () => {
    const prefix = `Instruct: ${"many words ".repeat(50_000)}\nQuery:`;
    for (let text = 0; text < 200; text += 1) {
      expect((await tokenizeText(library, tiny, prefix, `x${text}`, "none")).kind).toBe("too_long");
      expect((await tokenizeText(library, tiny, prefix, `x${text}`, "start")).kind).toBe("too_long");
      expect(await idsOf(`x${text}`, { prefix, truncate: "end", within: tiny })).toEqual([
        ...(await library.encode(prefix.slice(0, 200))).slice(0, 11),
        END,
      ]);
    }
  });
});

function given(ids: readonly number[], truncate: Truncation = "none", within = limits) {
  return tokenizeIds(library, within, Uint32Array.from(ids), truncate);
}

describe("the caller's own token ids", () => {
  it("are taken as they are, the ending token added where it is absent", async () => {
    const bare = await library.encode("hello world");
    const expected = { kind: "ids", ids: Int32Array.from([...bare, END]), truncated: false, survives: true };
    expect(await given(bare)).toEqual(expected);
    expect(await given([...bare, END])).toEqual(expected);
  });

  it("are refused beyond the vocabulary", async () => {
    expect(await given([1, 16_384])).toEqual({ kind: "beyond_vocabulary", id: 16_384 });
  });

  it("survive decoding for any text of our own and do not when another tokenizer made them", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        expect(await given(await library.encode(text.toWellFormed()))).toMatchObject({ survives: true });
      }),
      { numRuns: 200 },
    );
    // "hello" letter by letter: valid ids that our own tokenizer would never give.
    expect(await given(await inPieces(library, "hello".split("")))).toMatchObject({ survives: false });
  });

  it("are truncated at either end with the ending token kept", async () => {
    const bare = await library.encode(
      "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
    );
    expect(await given(bare, "none", tiny)).toEqual({ kind: "too_long", tokens: bare.length + 1, counted: true });
    expect(await given(bare, "end", tiny)).toMatchObject({
      ids: Int32Array.from([...bare.slice(0, 11), END]),
      truncated: true,
    });
    expect(await given(bare, "start", tiny)).toMatchObject({
      ids: Int32Array.from([...bare.slice(-11), END]),
      truncated: true,
    });
  });

  it("survive where a cut went through a character", async () => {
    const bare = await library.encode("日本語のとても長い文章です。".repeat(4));
    for (let maxTokens = 20; maxTokens < bare.length; maxTokens += 1) {
      const within = { ...limits, maxTokens };
      for (const truncate of ["start", "end"] as const) {
        expect(await given(bare, truncate, within)).toMatchObject({ truncated: true, survives: true });
      }
    }
  });
});
