import { rmSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { QWEN3 } from "../../../gpu-backend/compiler/architectures/qwen3.ts";
import { loadTokenizer, type TokenizerLibrary } from "../../../gpu-backend/tokenizer/library.ts";
import { type PairQuery, pairTokenizer } from "../../../gpu-backend/tokenizer/pair.ts";
import { tokenOf, typeOf } from "../../../gpu-backend/token-type.ts";
import { must } from "../../../shared/assert.ts";
import { tokenBound, prefixBound } from "../../../shared/token-bound.ts";
import { anyText } from "./any-text.ts";
import { ZOO_TEXTS, zooTokenizer } from "./zoo.ts";

const END = 1;
const VOCABULARY = 5_000;
const prompt = must(QWEN3.pairPrompt, "Qwen's prompt");
const LIMITS = { maxTokens: 8_192, vocabSize: VOCABULARY };

async function pairsOf(dir: string, library: TokenizerLibrary, withPrompt: boolean, maxTokens = LIMITS.maxTokens) {
  const pairs = await pairTokenizer(
    dir,
    library,
    { ...LIMITS, maxTokens },
    { types: 2, ...(withPrompt && { prompt }) },
  );
  return {
    facts: pairs.facts,
    idsOf: async (query: PairQuery, document: string): Promise<readonly number[]> => {
      const documents = await pairs.of(query);
      if (documents.kind !== "documents") throw new Error(`the query is ${documents.kind}`);
      const result = await documents.tokenize(document, "end");
      if (result.kind !== "ids") throw new Error(`the document is ${result.kind}`);
      return [...result.ids];
    },
  };
}

async function withZoo(name: string, use: (dir: string, library: TokenizerLibrary) => Promise<void>): Promise<void> {
  const { dir } = zooTokenizer(name);
  try {
    await use(dir, await loadTokenizer(dir, END, VOCABULARY));
  } finally {
    rmSync(join(dir, ".."), { recursive: true });
  }
}

const QUERIES = ["how much protein", "", "\u4eca\u5929 [SEP] <|im_end|>", "cafe\u0301 \u0301", "  "];

describe.each(["byte-level-qwen", "byte-level-digits"])("a pair in Qwen's prompt with %s", (name) => {
  it("has the ids of the start, of all between as one text, and of the end, in every language", async () => {
    await withZoo(name, async (dir, library) => {
      const { idsOf } = await pairsOf(dir, library, true);
      const [start, end] = [await library.encode(prompt.start), await library.encode(prompt.end)];
      for (const [index, document] of ZOO_TEXTS.entries()) {
        const query = QUERIES[index % QUERIES.length] ?? "";
        const between = `<Instruct>: ${prompt.instruction}\n<Query>: ${query}\n<Document>: ${document}`;
        expect(await idsOf({ instruction: null, query }, document)).toEqual([
          ...start,
          ...(await library.encode(between.toWellFormed())),
          ...end,
        ]);
      }
    });
  });

  it("has no more ids than its texts' bounds and the template's tokens, and loses of the document alone", async () => {
    await withZoo(name, async (dir, library) => {
      const { facts, idsOf } = await pairsOf(dir, library, true);
      const small = await pairsOf(dir, library, true, 512);
      const end = await library.encode(prompt.end);
      await fc.assert(
        fc.asyncProperty(anyText, anyText, anyText, async (instruction, query, document) => {
          const [short, asked] = [instruction.slice(0, 8), query.slice(0, 8)];
          const ids = await idsOf({ instruction: short, query: asked }, document);
          const bound = prefixBound(short) + prefixBound(asked) + tokenBound(document) + facts.templateTokens;
          expect(ids.length).toBeLessThanOrEqual(bound);
          const cut = await small.idsOf({ instruction: short, query: asked }, document);
          expect(cut).toHaveLength(Math.min(ids.length, 512));
          expect(cut).toEqual([...ids.slice(0, cut.length - end.length), ...end]);
        }),
        { numRuns: 60 },
      );
    });
  });
});

describe.each(["word-piece-uncased", "word-piece-cased", "unigram-words", "unigram-text"])(
  "a pair in the template of %s",
  (name) => {
    it("has each text's own ids between the template's, and the template's types", async () => {
      await withZoo(name, async (dir, library) => {
        const { facts, idsOf } = await pairsOf(dir, library, false);
        const { leading, between, trailing, documentType } = await library.pairTemplate();
        expect(facts.templateTokens).toBe(name.startsWith("word-piece") ? 3 : 4);
        expect(documentType).toBe(name.startsWith("word-piece") ? 1 : 0);
        const idOf = ({ id }: { readonly id: number }): number => id;
        for (const [index, document] of ZOO_TEXTS.entries()) {
          const query = QUERIES[index % QUERIES.length] ?? "";
          const pair = await idsOf({ instruction: null, query }, document);
          const [first, second] = [await library.encode(query), await library.encode(document.toWellFormed())];
          const before = [...leading.map(idOf), ...first, ...between.map(idOf)];
          expect(pair.map(tokenOf)).toEqual([...before, ...second, ...trailing.map(idOf)]);
          expect(pair.map(typeOf)).toEqual(pair.map((_, at) => (at < before.length ? 0 : documentType)));
        }
      });
    });
  },
);

describe("a tokenizer that a reranker cannot have", () => {
  it("is refused where its template has more token types than the model", async () => {
    await withZoo("word-piece-cased", async (dir, library) => {
      await expect(pairTokenizer(dir, library, LIMITS, { types: 1 })).rejects.toThrow(
        /its template gives a pair more token types than the 1 of config\.json's type_vocab_size$/u,
      );
    });
  });

  it("is refused where the template leaves no room for a query", async () => {
    await withZoo("byte-level-qwen", async (dir, library) => {
      await expect(pairTokenizer(dir, library, { ...LIMITS, maxTokens: 64 }, { types: 1, prompt })).rejects.toThrow(
        /a context of 64 tokens has no room for a query beside the template of pairs$/u,
      );
    });
  });
});
