import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { type GraphPlan, planFor } from "../../../gpu-backend/compiler/graph-plan.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { integerProductsAreExact } from "../../../gpu-backend/engine/integer-products.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { expectedOf, RERANKERS } from "../reranker-checkpoint.ts";

/** To transformers in float32. */
const DIFFERENCE_MAX = 1e-5;
/** Of the integer form at a width of 32, which averages little out; with a real checkpoint a trial holds it to 1e-4. */
const EXACT_MAX = 2e-3;
const CPU = planFor("cpu", "as-is", "float32");
const names = readdirSync(RERANKERS);
const hasIntegers = await integerProductsAreExact(1);

const scratch = mkdtempSync(join(tmpdir(), "rerankers-"));
afterAll(() => rmSync(scratch, { recursive: true }));

async function open(name: string, plan?: GraphPlan, threads = 1) {
  const dir = copyCheckpoint(join(RERANKERS, name), scratch);
  const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact", ...(plan && { plan }) });
  const session = await GraphSession.open({ ...model, threads });
  return { model, session };
}

const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));
const worst = (logits: readonly number[], scores: readonly number[]): number =>
  Math.max(...logits.map((logit, index) => Math.abs(sigmoid(logit) - (scores[index] ?? Number.NaN))));

describe.each(names)("the reranker %s", (name) => {
  const { contextTokens, calls } = expectedOf(name);
  // The first and the last differ most in length and instruction; other forms of a graph need no more.
  const ends = [calls[0], calls.at(-1)].filter((call) => call !== undefined);

  it("gives transformers' scores, in the same order, the same bits alone and among others", async () => {
    const { model, session } = await open(name, undefined, 2);
    expect(model.config).toMatchObject({ dimensions: 1, maxTokens: contextTokens });
    for (const { pairs, scores } of calls) {
      const logits = [...(await session.run(pairs))];
      expect(worst(logits, scores)).toBeLessThanOrEqual(DIFFERENCE_MAX);
      const order = [...pairs.keys()].toSorted((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
      for (const [rank, index] of order.slice(1).entries()) {
        const [better = 0, worse = 0] = [logits[order[rank] ?? 0], logits[index]];
        const apart = (scores[order[rank] ?? 0] ?? 0) - (scores[index] ?? 0);
        if (apart > 2 * DIFFERENCE_MAX) expect(better).toBeGreaterThan(worse);
      }
      const alone = [];
      for (const pair of pairs) alone.push(...(await session.run([pair])));
      expect(alone).toEqual(logits);
    }
    await session.close();
  });

  it("gives a pair the same bits at every place among the rows", async () => {
    const { session } = await open(name);
    const [call] = calls;
    const [pair = Int32Array.of(0), other = Int32Array.of(0)] = call?.pairs ?? [];
    const [alone] = await session.run([pair]);
    for (const before of [1, 2, 15, 63, 125, 126, 127, 128, 253, 254]) {
      const rows = await session.run([...Array.from({ length: before }, () => other.subarray(0, 3)), pair]);
      expect(rows.at(before)).toBe(alone);
    }
    await session.close();
  });

  it("gives its scores as the CUDA targets are built, but for the element type", async () => {
    const plan = { ...CPU, residualFold: 1 / 16, bidirectional: "masked", presents: true } as const;
    const { session } = await open(name, plan);
    for (const { pairs, scores } of ends)
      expect(worst([...(await session.run(pairs))], scores)).toBeLessThanOrEqual(DIFFERENCE_MAX);
    await session.close();
  });

  it.each(["cuda-fp16", "cuda-bf16"] as const)("is compiled for %s", async (target) => {
    const dir = copyCheckpoint(join(RERANKERS, name), scratch);
    expect((await compileCheckpoint(dir, { target, precision: "exact" })).config.reranker).toBeDefined();
  });

  it.runIf(hasIntegers)("has the integer form of the CPU", async () => {
    const { session } = await open(name, planFor("cpu", "as-is", "int8-pairs"));
    for (const { pairs, scores } of ends) {
      const logits = [...(await session.run(pairs))];
      expect(worst(logits, scores)).toBeLessThanOrEqual(EXACT_MAX);
      for (const index of [0, 4, pairs.length - 1])
        expect([...(await session.run([pairs[index] ?? Int32Array.of()]))]).toEqual([logits[index]]);
    }
    await session.close();
  });
});
