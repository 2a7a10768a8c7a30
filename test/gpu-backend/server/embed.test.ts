import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { distance, row } from "../cosine.ts";
import { readDemoReference } from "../engine/demo-reference.ts";
import { embedded, faultIn, MODEL, post, type RunningBackend, startBackend, tokenized } from "./running-backend.ts";

const reference = readDemoReference();
// The empty text is for the engine only: a call with one is refused.
const items = reference.texts
  .map((text, index) => ({
    text,
    ids: [...(reference.ids[index] ?? [])],
    embedding: reference.embeddings[index] ?? [],
  }))
  .filter((item) => item.text !== "");

describe("a running backend", () => {
  let backend: RunningBackend;
  beforeAll(async () => {
    backend = await startBackend();
  });
  afterAll(() => backend.close());

  it("embeds every reference text within the tolerance of int8 activations", async () => {
    const { answer, vectors } = await embedded(
      await post(backend.origin, "/embed", { texts: items.map((item) => item.text) }),
    );
    expect(answer.tokens).toEqual(items.map((item) => item.ids.length));
    expect(answer.truncated).toEqual(items.map(() => false));
    for (const [index, item] of items.entries()) {
      expect(distance(row(vectors, index, answer.dimensions), item.embedding)).toBeLessThanOrEqual(1e-3);
    }
  });

  it("gives the reference's token ids", async () => {
    const { ids } = await tokenized(await post(backend.origin, "/tokenize", { texts: items.map((item) => item.text) }));
    expect([...ids]).toEqual(items.flatMap((item) => item.ids));
  });

  it("names the text that is too long", async () => {
    const response = await post(backend.origin, "/embed", { texts: ["fine", "word ".repeat(9_000)] });
    expect(response.status).toBe(400);
    expect(await faultIn(response)).toMatchObject({
      code: "context_length_exceeded",
      index: 1,
      facts: { maxTokens: 8192 },
    });
  });

  it("counts texts that are too long against the call's limit, where each has its fault", async () => {
    const header = { onError: "per_item" };
    const long = "word ".repeat(9_000);
    const call = (count: number) =>
      post(backend.origin, "/embed", { texts: ["fine", ...Array.from({ length: count }, () => long)], header });
    const { answer } = await embedded(await call(2));
    expect(answer.faults?.map(({ index, code }) => [index, code])).toEqual([
      [1, "context_length_exceeded"],
      [2, "context_length_exceeded"],
    ]);
    expect(await faultIn(await call(40))).toMatchObject({ code: "too_many_tokens" });
  });

  it("says in /ready what it serves", async () => {
    const response = await fetch(`${backend.origin}/ready`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: "ready",
      model: MODEL,
      dimensions: 256,
      contextTokens: 8192,
    });
  });
});
