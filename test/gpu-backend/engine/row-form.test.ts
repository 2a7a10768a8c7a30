import { expect, it } from "vitest";

import { rowFormOf } from "../../../gpu-backend/engine/row-form.ts";
import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { join } from "node:path";
import { RERANKERS } from "../reranker-checkpoint.ts";

const form = rowFormOf(readConfig(join(RERANKERS, "bert")));

function scoreOf(logit: number): number | undefined {
  const words = form.encode(Float32Array.of(logit));
  return words && new Float32Array(words.buffer)[0];
}

it("a score is its logit's sigmoid in float32, told apart far beyond where kernels clamp", () => {
  expect([form.values, form.words]).toEqual([1, 2]);
  expect(scoreOf(0)).toBe(0.5);
  expect(scoreOf(2)).toBe(Math.fround(1 / (1 + Math.exp(-2))));
  expect(scoreOf(-40)).toBeGreaterThan(scoreOf(-50) ?? Number.NaN);
  expect(scoreOf(-50)).toBeGreaterThan(0);
  expect([scoreOf(-1e4), scoreOf(1e4)]).toEqual([0, 1]);
});

it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("a logit of %d is no score", (logit) => {
  expect(scoreOf(logit)).toBeUndefined();
});
