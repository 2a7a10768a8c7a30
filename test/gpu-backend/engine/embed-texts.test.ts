import { describe, expect, it } from "vitest";

import { embedTexts } from "../../../gpu-backend/engine/embed-texts.ts";

const SIZE = 2;
const BUDGET = { maxTokens: 100, maxPaddedTokens: 100 };
const POISON = 13;
const REFUSED = 7;

/** A graph whose vectors depend on a text's first id; POISON makes the whole run NaN, as overflow in attention can. */
function graph(calls: number[]) {
  return (texts: readonly Int32Array[]): Promise<Float32Array> => {
    calls.push(texts.length);
    if (texts.some((text) => text[0] === REFUSED)) return Promise.reject(new Error("out of memory"));
    const poisoned = texts.some((text) => text[0] === POISON);
    return Promise.resolve(
      Float32Array.from(
        texts.flatMap((text) => (poisoned ? [Number.NaN, 0] : [Math.cos(text[0] ?? 0), Math.sin(text[0] ?? 0)])),
      ),
    );
  };
}
const texts = (...firsts: number[]) => firsts.map((first) => Int32Array.of(first, 99));

describe("embedding a batch in which some texts cannot be embedded", () => {
  it("computes each text of a poisoned run alone, and only the bad one fails", async () => {
    const calls: number[] = [];
    const { vectors, failed } = await embedTexts(graph(calls), texts(1, POISON, 2), SIZE, BUDGET);
    const clean = await embedTexts(graph([]), texts(1, 2), SIZE, BUDGET);
    expect(failed).toEqual([{ index: 1 }]);
    expect([...vectors]).toEqual([...clean.vectors.subarray(0, 2), 0, 0, ...clean.vectors.subarray(2)]);
    expect(calls).toEqual([3, 1, 1, 1]);
  });

  it("names the runtime's reason for a text that it refuses also alone", async () => {
    const { failed } = await embedTexts(graph([]), texts(1, REFUSED, 2), SIZE, BUDGET);
    expect(failed).toEqual([{ index: 1, reason: "out of memory" }]);
  });

  it("does not compute a text twice that was alone in its run", async () => {
    const calls: number[] = [];
    const { failed } = await embedTexts(graph(calls), texts(POISON), SIZE, BUDGET);
    expect(failed).toEqual([{ index: 0 }]);
    expect(calls).toEqual([1]);
  });

  it("takes a vector of zeros for a failure, since it has no direction", async () => {
    const { failed } = await embedTexts(() => Promise.resolve(new Float32Array(SIZE)), texts(1), SIZE, BUDGET);
    expect(failed).toEqual([{ index: 0 }]);
  });
});
