import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { CostModel, fitCost } from "../../../gpu-backend/scheduler/cost-model.ts";
import { warmUp, warmUpShapes } from "../../../gpu-backend/scheduler/warm-up.ts";
import type { Engine } from "../../../gpu-backend/engine/types.ts";

describe("the cost of a text", () => {
  it("is found again from samples of a linear and a squared part", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-5, max: 1e-2, noNaN: true }),
        fc.double({ min: 0, max: 1e-6, noNaN: true }),
        (a, b) => {
          const samples = [16, 128, 512, 2_048].map((tokens) => ({
            texts: 4,
            tokens,
            seconds: 4 * (a * tokens + b * tokens ** 2),
          }));
          const fitted = fitCost(samples);
          expect(fitted.a).toBeCloseTo(a, 6);
          expect(fitted.b).toBeCloseTo(b, 9);
        },
      ),
    );
  });

  it("is never negative and always finite, whatever was measured", () => {
    const sample = fc.record({
      texts: fc.integer({ min: 1, max: 64 }),
      tokens: fc.integer({ min: 1, max: 32_768 }),
      seconds: fc.double({ min: 1e-6, max: 1e3, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 6 }), (samples) => {
        const { a, b } = fitCost(samples);
        expect(Number.isFinite(a) && a > 0).toBe(true);
        expect(Number.isFinite(b) && b >= 0).toBe(true);
      }),
    );
  });

  it("follows what batches really take", () => {
    const model = new CostModel({ a: 0.001, b: 0 });
    for (let batch = 0; batch < 200; batch += 1) model.observe(model.seconds(100), 0.3);
    expect(model.seconds(100)).toBeCloseTo(0.3, 2);
    model.observe(0, 5);
    expect(model.seconds(100)).toBeCloseTo(0.3, 2);
  });
});

describe("warm-up", () => {
  const runs: number[] = [];
  const engine: Engine = {
    run: (texts) => {
      const tokens = texts.reduce((sum, text) => sum + text.length, 0);
      runs.push(texts[0]?.length ?? 0);
      return Promise.resolve({ vectors: new Uint16Array(), runMs: tokens });
    },
    state: "ready",
    restarts: 0,
    pid: undefined,
    close: () => Promise.resolve(),
  };
  const options = { vocabSize: 100, endTokenId: 99, onProgress: () => undefined };

  it("fits the cost to what it ran and leaves out shapes that would take too long", async () => {
    const { a, b } = await warmUp(engine, { ...options, shapes: warmUpShapes(8_192, 256), secondsMax: 3 });
    expect(a).toBeCloseTo(0.001, 6);
    expect(b).toBeCloseTo(0, 9);
    expect(runs).toEqual([32, 32, 128, 512, 2_048]);
  });

  it("measures the first shape though the run before it took all the time", async () => {
    runs.length = 0;
    const { a } = await warmUp(engine, { ...options, shapes: warmUpShapes(8_192, 256), secondsMax: 0 });
    expect(runs).toEqual([32, 32]);
    expect(a).toBeCloseTo(0.001, 6);
  });

  it("goes up to the longest text of the model where time does not matter", async () => {
    runs.length = 0;
    await warmUp(engine, { ...options, shapes: warmUpShapes(1_000, 256), secondsMax: Number.POSITIVE_INFINITY });
    expect(runs).toEqual([32, 32, 128, 512, 1_000]);
  });

  it("fills whole batches on a GPU", () => {
    const shapes = warmUpShapes(32_768, 32_768);
    expect(shapes.map(({ texts, tokens }) => texts * tokens)).toEqual([8_192, 32_768, 32_768, 32_768, 32_768, 32_768]);
  });
});
