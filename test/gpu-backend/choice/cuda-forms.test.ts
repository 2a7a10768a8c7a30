import { describe, expect, it } from "vitest";

import { chooseForm, type FormFigures } from "../../../gpu-backend/choice/cuda-forms.ts";

const figures = (form: FormFigures["form"], shortMs: number, longMs: number, distance = 1e-6): FormFigures => ({
  form,
  shortMs,
  longMs,
  distance,
});
const asIs = figures("as-is", 10, 100, 0);

describe("the form of the weights on a card", () => {
  it("is the fastest over large runs", () => {
    expect(chooseForm([asIs, figures("block32", 5, 80), figures("dense", 12, 60)])).toEqual({
      cudaWeights: "dense",
      why: "dense is 1.67 times as fast over 8,192 tokens as weights as they are",
    });
  });

  it("is none that is slower for a short text, off, or hardly faster", () => {
    for (const other of [
      figures("dense", 14, 60),
      figures("block32", 5, 60, 3e-4),
      figures("block32", 5, 60, Number.POSITIVE_INFINITY),
      figures("dense", 10, 95),
    ])
      expect(chooseForm([asIs, other]).cudaWeights).toBe("as-is");
  });

  it("is as it is where nothing could be measured", () => {
    expect(chooseForm([]).cudaWeights).toBe("as-is");
    expect(chooseForm([figures("dense", 1, 1)]).cudaWeights).toBe("as-is");
  });
});
