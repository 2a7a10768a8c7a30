import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { embeddingsContent } from "../../../edge/answer/embeddings-answer.ts";
import type { EmbeddingsBody } from "../../../edge/answer/embeddings-body.ts";
import { CHUNK_BYTES, bodyBytes, bodyBytesMax, writeBody } from "../../../edge/answer/embeddings-body.ts";
import { MemoryBudget } from "../../../edge/lib/memory-budget.ts";
import { float32ToFloat16Bits } from "../../../shared/float16.ts";
import { OUTPUT_DTYPES, cutVector, dotProduct, quantise } from "../../../shared/vectors.ts";

const USAGE = { prompt_tokens: 5, total_tokens: 5, prompt_tokens_details: { cached_tokens: 0 }, cost: 4e-8 };

function canonical(seed: number, native: number): Uint16Array {
  const values = Float32Array.from({ length: native }, (_, index) => Math.sin(seed * 7919 + index * 31.7));
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return float32ToFloat16Bits(values.map((value) => value / norm));
}

function answerOf(count: number, native: number, change: Partial<EmbeddingsBody> = {}): EmbeddingsBody {
  return {
    vectors: Array.from({ length: count }, (_, index) => canonical(index, native)),
    dimensions: native,
    dtype: "float",
    encoding: "float",
    model: "owner/mödel",
    usage: USAGE,
    pairs: false,
    ...change,
  };
}

function streamOf(content: ReturnType<typeof embeddingsContent>): ReadableStream<Uint8Array> {
  if (!(content instanceof ReadableStream)) throw new TypeError("expected a stream");
  return content;
}

interface Parsed {
  object: string;
  data: { object: string; index: number; embedding: number[] | string }[];
  similarities?: (number | null)[];
  model: string;
  usage: object;
}

async function parse(answer: EmbeddingsBody): Promise<Parsed> {
  const held: Promise<unknown>[] = [];
  const text = await new Response(embeddingsContent(answer, (work) => held.push(work))).text();
  await Promise.all(held);
  const exact = bodyBytes(answer);
  const bytes = new TextEncoder().encode(text).length;
  if (exact !== undefined) expect(bytes).toBe(exact);
  expect(bytes).toBeLessThanOrEqual(bodyBytesMax(answer));
  return JSON.parse(text) as Parsed;
}

describe("the answer", () => {
  it("is OpenAI's object, in index order, with the model's full id and the usage", async () => {
    const parsed = await parse(answerOf(3, 16));
    expect(Object.keys(parsed)).toEqual(["object", "data", "model", "usage"]);
    expect(parsed.object).toBe("list");
    expect(parsed.data.map(({ object, index }) => [object, index])).toEqual([
      ["embedding", 0],
      ["embedding", 1],
      ["embedding", 2],
    ]);
    expect(parsed.model).toBe("owner/mödel");
    expect(parsed.usage).toEqual(USAGE);
  });

  it.each(OUTPUT_DTYPES)("holds %s as numbers and as base64 of the same bytes, short or streamed", async (dtype) => {
    for (const count of [1, 700]) {
      const answer = answerOf(count, 64, { dtype, dimensions: 48 });
      const numbers = await parse(answer);
      const base64 = await parse({ ...answer, encoding: "base64" });
      for (const [index, vector] of answer.vectors.entries()) {
        const expected = quantise(cutVector(vector, 48), dtype);
        expect(Float32Array.from(numbers.data[index]?.embedding as number[])).toEqual(Float32Array.from(expected));
        const bytes = Uint8Array.from(atob(base64.data[index]?.embedding as string), (c) => c.charCodeAt(0));
        const decoded = dtype === "float" ? new Float32Array(bytes.buffer) : bytes;
        const raw = dtype === "float" ? expected : new Uint8Array(expected.buffer);
        expect(decoded).toEqual(raw);
      }
    }
  });

  it("is streamed in pieces beyond one chunk, with an exact length where the bytes are known before", async () => {
    const base64 = answerOf(64, 1024, { encoding: "base64" });
    expect(bodyBytesMax(base64)).toBeGreaterThan(CHUNK_BYTES);
    const held: Promise<unknown>[] = [];
    const response = new Response(embeddingsContent(base64, (work) => held.push(work)));
    expect(held.length).toBe(1);
    expect((await response.arrayBuffer()).byteLength).toBe(bodyBytes(base64));
  });

  it("adds the cosine of each pair as it stands in the vectors that were asked for", async () => {
    const answer = answerOf(6, 32, { pairs: true, dimensions: 8 });
    const parsed = await parse(answer);
    const cut = answer.vectors.map((vector) => cutVector(vector, 8));
    const expected = [0, 1, 2].map((pair) =>
      dotProduct(
        cut[2 * pair] ?? cutVector(new Uint16Array(8), 8),
        cut[2 * pair + 1] ?? cutVector(new Uint16Array(8), 8),
      ),
    );
    expect(parsed.similarities).toEqual(expected);
  });

  it("has an error in the place of each item that has no vector, whatever is asked for, in exactly as many bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.string(), { freq: 3 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 2 }),
        fc.constantFrom(...OUTPUT_DTYPES),
        fc.constantFrom("float" as const, "base64" as const),
        fc.boolean(),
        async (items, eighths, dtype, encoding, pairs) => {
          const errors = items.flatMap((message, index) => {
            const error = { type: "invalid_request_error", param: `input[${index}]`, code: "empty_input" } as const;
            return message === null ? [] : [{ object: "error" as const, index, error: { message, ...error } }];
          });
          const change = { dtype, encoding, dimensions: eighths * 8, pairs, errors };
          const answer = answerOf(items.length - errors.length, 16, change);
          const { data, similarities } = await parse(answer);
          let text = "";
          for (const piece of writeBody(answer, (bytes) => btoa(String.fromCharCode(...bytes)), 500)) {
            text += new TextDecoder().decode(piece);
          }
          expect((JSON.parse(text) as Parsed).data).toEqual(data);
          expect(data.map(({ object, index }) => [object, index])).toEqual(
            items.map((message, index) => [message === null ? "embedding" : "error", index]),
          );
          const empty = encoding === "base64" ? "" : [];
          for (const item of errors) expect(data[item.index]).toEqual({ ...item, embedding: empty });
          const bad = new Set(errors.map(({ index }) => index >> 1));
          if (!pairs) expect(similarities).toBeUndefined();
          else expect(similarities?.map((one) => one === null)).toEqual(similarities?.map((_, pair) => bad.has(pair)));
        },
      ),
      { numRuns: 100 },
    );
  });

  it("never writes a piece larger than a chunk and one vector, whatever is asked for", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 16 }),
        fc.constantFrom(...OUTPUT_DTYPES),
        fc.constantFrom("float" as const, "base64" as const),
        (count, eighths, dtype, encoding) => {
          const answer = answerOf(count, 128, { dtype, encoding, dimensions: eighths * 8 });
          let text = "";
          for (const piece of writeBody(answer, (bytes) => btoa(String.fromCharCode(...bytes)), 500)) {
            expect(piece.length).toBeLessThan(500 + 21 * 128 + 66 + 200);
            text += new TextDecoder().decode(piece);
          }
          expect((JSON.parse(text) as Parsed).data.length).toBe(count);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("a reader", () => {
  it("that is slow is not buffered: nothing is written before it takes what was", async () => {
    const answer = answerOf(256, 1024);
    let written = 0;
    const vectors = new Proxy(answer.vectors, {
      get: (target, key, receiver) => {
        if (typeof key === "string" && /^\d+$/.test(key)) written = Math.max(written, Number(key) + 1);
        return Reflect.get(target, key, receiver) as unknown;
      },
    });
    const held: Promise<unknown>[] = [];
    const reader = streamOf(embeddingsContent({ ...answer, vectors }, (work) => held.push(work))).getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    // A vector takes 11 KB or more: one chunk read and one waiting are a dozen vectors of 256.
    expect(written).toBeLessThan(24);
    await reader.cancel();
    await Promise.all(held);
    expect(written).toBeLessThan(24);
  });

  it("that leaves ends the work and gives the memory back", async () => {
    const cache = { bytes: 0, shrinkTo: () => undefined };
    const budget = new MemoryBudget(cache, () => 0);
    const memory = budget.take(1000);
    const held: Promise<unknown>[] = [];
    await streamOf(embeddingsContent(answerOf(256, 1024), (work) => held.push(work), memory)).cancel();
    await Promise.all(held);
    expect(budget.heldBytes).toBe(0);
  });
});
