// Every kind of tokenizer against the library of Python, and the promises that the edge and the truncation rest on.

import { rmSync } from "node:fs";
import { dirname } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { loadTokenizer, type TokenizerLibrary } from "../../../gpu-backend/tokenizer/library.ts";
import { PIECE_CHARS_MAX, segmentsOf } from "../../../gpu-backend/tokenizer/segments.ts";
import { tokenizeIds, tokenizeText } from "../../../gpu-backend/tokenizer/text-tokenizer.ts";
import { prefixBound, tokenBound } from "../../../shared/token-bound.ts";
import { inPieces } from "./any-text.ts";
import { ZOO_NAMES, ZOO_TEXTS, zooTokenizer } from "./zoo.ts";

const limits = { maxTokens: 100_000, vocabSize: 10_000 };
const NEVER = 9_999;

const zoo = new Map<string, { readonly library: TokenizerLibrary; readonly ids: readonly (readonly number[])[] }>();
const folders: string[] = [];
for (const name of ZOO_NAMES) {
  const { dir, ids } = zooTokenizer(name);
  folders.push(dirname(dir));
  zoo.set(name, { library: await loadTokenizer(dir, NEVER, limits.vocabSize), ids });
}
afterAll(() => folders.forEach((dir) => rmSync(dir, { recursive: true })));

async function idsOf(library: TokenizerLibrary, text: string, prefix = ""): Promise<readonly number[]> {
  const result = await tokenizeText(library, limits, prefix, text, "none");
  if (result.kind !== "ids") throw new Error(JSON.stringify(result));
  return [...result.ids];
}

/** Pieces of the zoo's texts, put together anew. */
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...ZOO_TEXTS).chain((text) => {
        const points = Array.from(text);
        return fc
          .tuple(fc.nat(points.length), fc.nat(12))
          .map(([from, length]) => points.slice(from, from + length).join(""));
      }),
      fc.constantFrom(" ", "  ", "a", "word", ", ", "\n", "<mask>", "[MASK]", "</s>", "\u2581", "7"),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join("").toWellFormed());

describe.each([...zoo])("the tokenizer %s", (_, { library, ids }) => {
  const ends = library.trailing.includes(NEVER);
  let own: readonly (readonly number[])[];
  beforeAll(async () => (own = await Promise.all(ZOO_TEXTS.map((text) => idsOf(library, text)))));

  it("gives the ids of the reference library for every text", () => {
    // Where the template ends a text with nothing, the model's ending token does.
    const bare = ends ? own.map((all) => all.slice(0, -1)) : own;
    for (const [index, text] of ZOO_TEXTS.entries()) expect(bare[index], JSON.stringify(text)).toEqual(ids[index]);
  });

  it("never gives more ids than the edge's bound", async () => {
    for (const [index, text] of ZOO_TEXTS.entries()) {
      expect(own[index]?.length).toBeLessThanOrEqual(tokenBound(text));
      const prefixed = await idsOf(library, text, "query: ");
      expect(prefixed.length).toBeLessThanOrEqual(prefixBound("query: ") + tokenBound(text));
    }
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        expect((await idsOf(library, text)).length).toBeLessThanOrEqual(tokenBound(text));
      }),
      { numRuns: 100 },
    );
  });

  it("gives the same ids in pieces as in one, for any text", async () => {
    const { cutRules } = library;
    expect(cutRules).toBeDefined();
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), async (text, segmentChars) => {
        const segments = segmentsOf(text, cutRules, segmentChars);
        if (segments.kind !== "pieces") throw new Error(segments.kind);
        expect(await inPieces(library, segments.pieces)).toEqual(await library.encode(text));
      }),
      { numRuns: 200 },
    );
  });

  it("cuts at either end, keeping the template and the prefix's ids", async () => {
    const [before, after] = [library.leading.length, library.trailing.length];
    const within = { ...limits, maxTokens: before + after + 8 };
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const whole = (await idsOf(library, text)).slice(before, -after);
        const end = await tokenizeText(library, within, "", text, "end");
        const start = await tokenizeText(library, within, "", text, "start");
        const truncated = whole.length > 8;
        const around = (some: readonly number[]) => Int32Array.from([...library.leading, ...some, ...library.trailing]);
        expect(end).toEqual({ kind: "ids", ids: around(whole.slice(0, 8)), truncated });
        expect(start).toEqual({ kind: "ids", ids: around(whole.slice(-8)), truncated });
      }),
      { numRuns: 100 },
    );
    const long = await tokenizeText(library, within, "find: ", "many other words and many more of them", "start");
    const prefix = await library.encode("find:");
    expect(long).toMatchObject({ kind: "ids", truncated: true });
    expect(long.kind === "ids" && [...long.ids].slice(before, before + prefix.length)).toEqual(prefix);
  });

  it("cuts a text of more than a piece's most characters that has spaces", async () => {
    const text = "one more of many words ".repeat(6_000);
    // Room for more than the first piece, and for more than the last.
    const within = { ...limits, maxTokens: 20_000 };
    const whole = await library.encode(text);
    expect(text.length).toBeGreaterThan(PIECE_CHARS_MAX);
    const end = await tokenizeText(library, within, "", text, "end");
    const start = await tokenizeText(library, within, "", text, "start");
    const room = within.maxTokens - library.leading.length - library.trailing.length;
    const bare = (result: typeof end) =>
      result.kind === "ids" ? [...result.ids].slice(library.leading.length, -library.trailing.length) : result;
    expect(bare(end)).toEqual(whole.slice(0, room));
    expect(bare(start)).toEqual(whole.slice(-room));
  });

  it("reads a text after a prefix as they are together, also where an added token begins in the prefix", async () => {
    for (const [prefix, text] of [
      ["find: <", "/s> x"],
      ["find: ", "</s> x"],
      ["find this: ", "x"],
      ["a ", " b"],
    ] as const) {
      const together = await idsOf(library, text, prefix);
      const whole = await library.encode(prefix + text);
      expect(together.slice(library.leading.length, -library.trailing.length), prefix).toEqual(whole);
    }
  });

  it("takes its own ids back", async () => {
    for (const [index, given] of own.entries()) {
      const again = await tokenizeIds(library, limits, Uint32Array.from(given), "none");
      const text = JSON.stringify(ZOO_TEXTS[index]);
      expect(again, text).toMatchObject({ ids: Int32Array.from(given), survives: true });
    }
  });
});
