import * as fc from "fast-check";
import { expect, it } from "vitest";
import { PART_TOKENS_MIN, estimateTokens, join, split } from "../../../edge/backend/split.ts";
import { itemsOf } from "../../../edge/backend/wire-request.ts";
import type { EmbedRequest } from "../../../shared/wire.ts";
import { REVISION_1 } from "../support/fake-backends.ts";

const requestOf = (texts: EmbedRequest["texts"]): EmbedRequest => ({
  version: 1,
  model: "m",
  revision: null,
  account: "a",
  tier: "interactive",
  truncate: "none",
  prefix: "",
  texts,
});

it("keeps every text and every token id once, in order, however it splits", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.nat(20_000),
          fc.nat(60_000).map((length) => "x".repeat(length)),
        ),
        {
          minLength: 1,
          maxLength: 30,
        },
      ),
      fc.integer({ min: 1, max: 8 }),
      (texts, partsMax) => {
        const count = texts.reduce<number>((sum, text) => sum + (typeof text === "number" ? text : 0), 0);
        const ids = Uint32Array.from({ length: count }, (_, index) => index);
        const parts = split(requestOf(texts), ids, partsMax);
        expect(parts.length).toBeLessThanOrEqual(partsMax);
        expect(parts.flatMap((part) => itemsOf(part.request))).toEqual(texts);
        expect(parts.every((part) => itemsOf(part.request).length > 0)).toBe(true);
        let offset = 0;
        let idOffset = 0;
        for (const part of parts) {
          expect(part.offset).toBe(offset);
          offset += itemsOf(part.request).length;
          if (part.ids.length > 0) expect(part.ids[0]).toBe(idOffset);
          idOffset += part.ids.length;
        }
        expect(idOffset).toBe(count);
      },
    ),
  );
});

it("makes parts of about equal tokens, and none that is not worth a call", () => {
  const texts = Array.from({ length: 40 }, () => "x".repeat(8000));
  const parts = split(requestOf(texts), new Uint32Array(), 4);
  const sizes = parts.map((part) => estimateTokens(part.request).reduce((sum, one) => sum + one, 0));
  expect(parts.length).toBe(4);
  expect(Math.max(...sizes) / Math.min(...sizes)).toBeLessThan(1.01);
  expect(split(requestOf(texts.slice(0, 10)), new Uint32Array(), 4).length).toBe(
    Math.max(1, Math.floor((10 * 2001) / PART_TOKENS_MIN)),
  );
});

it("splits the documents of a rerank too, each part with the whole query", () => {
  const documents = Array.from({ length: 12 }, (_, place) => String.fromCodePoint(65 + place).repeat(20_000));
  const { prefix: _, texts: __, ...rest } = requestOf([]);
  const whole = { ...rest, truncate: "end" as const, instruction: "judge", query: "which?", documents };
  const parts = split(whole, new Uint32Array(), 3);
  expect(parts.map(({ offset }) => offset)).toEqual([0, 4, 8]);
  expect(parts.flatMap(({ request }) => itemsOf(request))).toEqual(documents);
  for (const { request } of parts) expect(request).toMatchObject({ instruction: "judge", query: "which?" });
});

it("counts the template of each pair, and the model's own instruction where the call has none", () => {
  const { prefix: _, texts: __, ...rest } = requestOf([]);
  const pairs = { ...rest, truncate: "end" as const, instruction: null, query: "12345678", documents: ["1234", ""] };
  const reranker = { instruction: "1234".repeat(5), templateTokens: 60, queryTokensMax: 100 };
  expect(estimateTokens(pairs)).toEqual([2 + 1 + 1, 2 + 1]);
  expect(estimateTokens(pairs, reranker)).toEqual([60 + 5 + 2 + 1 + 1, 60 + 5 + 2 + 1]);
  expect(estimateTokens({ ...pairs, instruction: "1234" }, reranker)).toEqual([60 + 1 + 2 + 1 + 1, 60 + 1 + 2 + 1]);
  const short = { ...pairs, documents: Array.from({ length: 600 }, () => "1234") };
  expect(split(short, new Uint32Array(), 4, reranker)).toHaveLength(2);
  expect(split(short, new Uint32Array(), 4)).toHaveLength(1);
});

it("joins vectors, counts and faults of the parts by their place in the whole", () => {
  const texts = ["a", "bad", "b", "c", "bad", "bad"].map((text) => text.padEnd(80_000));
  const parts = split(requestOf(texts), new Uint32Array(), 3);
  expect(parts.map(({ offset }) => offset)).toEqual([0, 2, 4]);
  const isBad = (text: unknown) => String(text).startsWith("bad");
  const answers = parts.map(({ request, offset }) => ({
    version: 1 as const,
    revision: REVISION_1,
    dimensions: 1,
    tokens: itemsOf(request).map((text) => (isBad(text) ? 0 : 7)),
    truncated: itemsOf(request).map(() => false),
    faults: itemsOf(request).flatMap((text, index) =>
      isBad(text) ? [{ code: "text_too_complex" as const, message: "", index, facts: {}, retryAfterS: null }] : [],
    ),
    load: { queueSeconds: 0 },
    timings: { tokenizeMs: 0, queueMs: 0, runMs: 0 },
    vectors: Uint16Array.from(itemsOf(request).flatMap((text, index) => (isBad(text) ? [] : [offset + index]))),
  }));
  const { faults, tokens, vectors } = join(parts, answers);
  expect(faults?.map(({ index }) => index)).toEqual([1, 4, 5]);
  expect(tokens).toEqual([7, 0, 7, 7, 0, 0]);
  expect([...vectors]).toEqual([0, 2, 3]);
});
