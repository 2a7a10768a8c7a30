// Texts that begin alike, as the pairs of a reranker's query do: the scheduler counts the rows that they share once, and brings
// them together.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { packBatch } from "../../../gpu-backend/engine/batch-inputs.ts";
import { openSession } from "../../../gpu-backend/engine/graph-session.ts";
import { mayShareRows, sharesRows } from "../../../gpu-backend/engine/shared-rows.ts";
import { BatchBuilder } from "../../../gpu-backend/scheduler/batch-builder.ts";
import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import type { Batch, SchedulerLimits } from "../../../gpu-backend/scheduler/types.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { COST, LIMITS, Simulation, text } from "./simulated-engine.ts";

const ARCHITECTURES = join(import.meta.dirname, "../../vectors/architectures");
const SHARING: SchedulerLimits = {
  ...LIMITS,
  sharesRows: true,
  queueSecondsMax: 1_000,
  batchTokensMax: 1_000,
  paddedTokensMax: 2_000,
};
const BEGINNING = 110;
const OWN = 109;
const PAIR = BEGINNING + OWN;

/** A pair of query `query`: 219 tokens, of which the first 110 are the query's. */
function pair(query: number, document: number): Int32Array {
  return Int32Array.from([...text(BEGINNING, query), ...text(OWN, 1_000 + document)]);
}

const pairs = (query: number, count: number): Int32Array[] =>
  Array.from({ length: count }, (_, document) => pair(query, query * 100 + document));
const secondsOf = (batches: readonly Batch[]): number => batches.reduce((sum, { seconds }) => sum + seconds, 0);

describe("a batch of texts that begin alike", () => {
  it("costs what its rows cost, in whatever order they come", () => {
    const anyText = fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom("a", "b"),
    );
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 1, maxLength: 20 }), (drawn) => {
        const texts = drawn.map(([query, common, own], at) =>
          Int32Array.from([...text(common, query), ...text(own, 1_000 + at)]),
        );
        const limits = { ...SHARING, batchSecondsMax: 1_000, batchTokensMax: 10_000, paddedTokensMax: 10_000 };
        const builder = new BatchBuilder(limits, new CostModel(COST));
        for (const [at, ids] of texts.entries())
          builder.add({ ids, account: drawn[at]?.[3] } as Parameters<BatchBuilder["add"]>[0]);
        const { inputIds } = packBatch(texts, true, builder.owners);
        // A run that would end in a tile of one row has a row more.
        expect([inputIds.length, inputIds.length - 1]).toContain(Math.round(builder.seconds / COST.a));
      }),
    );
  });

  it("holds as many of them as its seconds allow", () => {
    const simulation = new Simulation({
      ...SHARING,
      batchSecondsMax: 0.6,
      batchTokensMax: 2_000,
      paddedTokensMax: 4_000,
    });
    simulation.arrive({ account: "a", tier: "interactive", texts: pairs(1, 9) });
    const batch = simulation.start();
    expect(batch?.texts).toHaveLength(4); // 219 + 3 · 109; apart they would be 2
    expect(batch?.seconds).toBeCloseTo(0.546, 9);
  });

  it("that takes longer than a batch may is not alone: it takes those along that share its rows, up to twice its time", () => {
    const simulation = new Simulation(SHARING);
    simulation.arrive({ account: "a", tier: "interactive", texts: [...pairs(1, 3), ...pairs(2, 3)] });
    simulation.drain();
    expect(simulation.batches.map(({ texts }) => texts.length)).toEqual([3, 3]);
    for (const { texts, seconds } of simulation.batches) {
      expect(new Set(texts.map((ids) => ids[0])).size).toBe(1);
      expect(seconds).toBeCloseTo((PAIR + 2 * OWN) / 1_000, 9);
    }
  });

  it("keeps apart what shares nothing, and all where rows are not shared", () => {
    const strangers = new Simulation(SHARING);
    strangers.arrive({ account: "a", tier: "interactive", texts: [text(PAIR, 1), text(PAIR, 2)] });
    const apart = new Simulation({ ...SHARING, sharesRows: false });
    apart.arrive({ account: "a", tier: "interactive", texts: pairs(1, 2) });
    for (const simulation of [strangers, apart]) {
      simulation.drain();
      expect(simulation.batches.map(({ texts }) => texts.length)).toEqual([1, 1]);
    }
  });

  it("gives two accounts that wait turns in which each has its rows to itself", () => {
    const simulation = new Simulation(SHARING);
    const calls = [1, 2].map((query) =>
      simulation.arrive({ account: `account ${query}`, tier: "interactive", texts: pairs(query, 6) }),
    );
    simulation.drain();
    expect(simulation.batches.map(({ texts }) => texts[0]?.[0])).toEqual([1_000, 2_000, 1_000, 2_000]);
    expect(calls.map((call) => call?.ends)).toEqual([["done"], ["done"]]);
  });

  it("counts nothing shared between two accounts that ask the same", () => {
    const simulation = new Simulation({
      ...SHARING,
      batchSecondsMax: 1,
      batchTokensMax: 2_000,
      paddedTokensMax: 4_000,
    });
    for (const account of ["a", "b"]) simulation.arrive({ account, tier: "interactive", texts: pairs(1, 3) });
    const batch = simulation.start();
    expect(batch?.seconds).toBeCloseTo((2 * (PAIR + 2 * OWN)) / 1_000, 9);
    expect(new Set(batch?.owners).size).toBe(2);
  });

  it("takes no text along for the rows of another account's", () => {
    const simulation = new Simulation({ ...SHARING, batchSecondsMax: 0.25 });
    simulation.arrive({ account: "b", tier: "interactive", texts: [text(20, 9), pair(1, 2)] });
    simulation.arrive({ account: "a", tier: "interactive", texts: [pair(1, 1)] });
    simulation.drain();
    expect(simulation.batches.map(({ texts }) => texts.map((ids) => ids.length))).toEqual([[20, PAIR], [PAIR]]);
  });

  it("is not brought to twice its time by texts of the batch tier", () => {
    const simulation = new Simulation(SHARING);
    simulation.arrive({ account: "a", tier: "interactive", texts: [pair(1, 1)] });
    simulation.arrive({ account: "a", tier: "batch", texts: [pair(1, 2), pair(1, 3)] });
    simulation.drain();
    expect(simulation.batches.map(({ texts }) => texts.length)).toEqual([1, 2]);
  });
});

describe("the estimate of what waits", () => {
  it("is what its batches take, the rows that they share counted once", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }), (counts) => {
        const simulation = new Simulation(SHARING);
        for (const [query, count] of counts.entries())
          simulation.arrive({ account: `account ${query}`, tier: "interactive", texts: pairs(query + 1, count) });
        const waiting = simulation.scheduler.waitingSeconds;
        simulation.drain();
        expect(secondsOf(simulation.batches)).toBeCloseTo(waiting, 9);
      }),
    );
  });
});

describe("whether rows are shared", () => {
  const scratch = mkdtempSync(join(tmpdir(), "shared-rows-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it.each(["qwen2", "qwen2-gte", "qwen3-mean", "bert"])("is said of a model as of its graph: %s", async (name) => {
    const dir = copyCheckpoint(join(ARCHITECTURES, name), scratch);
    const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
    const session = await openSession({ ...model, threads: 1 });
    expect(sharesRows(model)).toBe(mayShareRows(session.inputNames));
    expect(sharesRows({ ...model, target: "cuda-fp16" })).toBe(false);
    await session.release();
  });
});
