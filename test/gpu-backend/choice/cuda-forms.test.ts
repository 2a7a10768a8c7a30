import { describe, expect, it } from "vitest";

import { chooseForm, type FormFigures, parseForms } from "../../../gpu-backend/choice/cuda-forms.ts";

const SIZES = [16, 512, 8_192];
/** `ms`: over 16, 512 and 8,192 tokens. */
const figures = (form: FormFigures["form"], ms: readonly number[], distance = 1e-6): FormFigures => ({
  form,
  runs: SIZES.map((tokens, at) => ({ tokens, ms: ms[at] ?? 0 })),
  distance,
});
const asIs = figures("as-is", [10, 30, 100], 0);

describe("the form of the weights on a card", () => {
  it("is the fastest over large runs", () => {
    expect(chooseForm([asIs, figures("block32", [10, 20, 80]), figures("dense", [10, 15, 60])])).toEqual({
      cudaWeights: "dense",
      why: "dense is 1.67 times as fast over 8192 tokens as weights as they are",
    });
  });

  it("is none that is slower for a short text, off, or hardly faster", () => {
    for (const other of [
      figures("dense", [14, 30, 95]),
      figures("block32", [5, 10, 60], 3e-4),
      figures("block32", [5, 10, 60], Number.POSITIVE_INFINITY),
      figures("dense", [10, 28, 95]),
    ])
      expect(chooseForm([asIs, other])).toMatchObject({ cudaWeights: "as-is" });
  });

  it("is as it is where nothing could be measured", () => {
    expect(chooseForm([]).cudaWeights).toBe("as-is");
    expect(chooseForm([figures("dense", [1, 1, 1])]).cudaWeights).toBe("as-is");
  });

  it("is two by size where one is faster for small runs and another for large ones, from where it is on", () => {
    const block32 = figures("block32", [5, 20, 80]);
    expect(chooseForm([asIs, block32, figures("dense", [12, 21, 60])])).toEqual({
      cudaWeights: "dense",
      bySize: { small: "block32", large: "dense", tokensMin: 8_192 },
      why: "alone, dense is 1.67 times as fast over 8192 tokens as weights as they are; block32 is 2.40 times as fast as dense over 16 tokens, and dense as block32 1.33 times as fast over 8192",
    });
    expect(chooseForm([asIs, block32, figures("dense", [12, 15, 60])]).bySize?.tokensMin).toBe(512);
    // One that a short text alone could not have.
    expect(chooseForm([asIs, figures("dense", [14, 15, 60])])).toMatchObject({
      cudaWeights: "as-is",
      bySize: { small: "as-is", large: "dense", tokensMin: 512 },
    });
  });

  it("is not two where one is the fastest, or one of them is off, or hardly faster", () => {
    const block32 = figures("block32", [5, 20, 80]);
    for (const other of [
      figures("dense", [5.1, 21, 85]),
      figures("dense", [12, 15, 60], 3e-4),
      figures("dense", [12, 15, 78]),
    ])
      expect(chooseForm([asIs, block32, other]).bySize).toBeUndefined();
  });

  it("may be asked for by name, alone or two by size", () => {
    expect(parseForms("dense")).toBe("dense");
    expect(parseForms("block32+dense@2048")).toEqual({ small: "block32", large: "dense", tokensMin: 2_048 });
    for (const text of [
      "",
      "int4",
      "block32+dense",
      "block32+dense@0",
      "block32@9",
      "dense+as-is+block32@9",
      "+dense@9",
    ])
      expect(parseForms(text)).toBeUndefined();
  });
});
