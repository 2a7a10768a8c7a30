import { afterEach, beforeEach, describe, expect, it } from "vitest";

import type { ExactComputation } from "../../../gpu-backend/engine/exact-engine.ts";
import { EngineDied, type EngineResult, NonFiniteVector, TextsFailed } from "../../../gpu-backend/engine/types.ts";
import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import { Runner } from "../../../gpu-backend/scheduler/runner.ts";
import { Scheduler } from "../../../gpu-backend/scheduler/scheduler.ts";
import type { OnError } from "../../../shared/wire.ts";
import { DIMENSIONS, SteeredEngine } from "../server/in-process.ts";
import { LIMITS, text } from "./simulated-engine.ts";

const forever = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("handing batches to the engine", () => {
  let engine: SteeredEngine;
  let runner: Runner;
  const sheds: string[] = [];
  const embed = (tokens: readonly number[], account = "a") =>
    runner.embed(
      { account, tier: "interactive", texts: tokens.map((count, tag) => text(count, tag)), deadlineMs: 60_000 },
      forever,
    );

  beforeEach(() => {
    engine = new SteeredEngine();
    engine.free = false;
    const cost = new CostModel({ a: 0.001, b: 0 });
    runner = new Runner(new Scheduler({ ...LIMITS, queueSecondsMax: 60 }, cost), cost, engine, DIMENSIONS, {
      batchDone: () => undefined,
      shed: (reason) => sheds.push(reason),
    });
  });
  afterEach(() => sheds.splice(0));

  it("puts calls of one turn of the event loop into one batch", async () => {
    const calls = [embed([10]), embed([20], "b")];
    await engine.reached(1);
    expect(engine.batches[0]?.texts.map((ids) => ids.length).toSorted()).toEqual([10, 20]);
    expect(engine.batches[0]?.options.owners).toEqual(Int32Array.of(0, 1));
    engine.batches[0]?.end();
    await Promise.all(calls);
  });

  it("keeps the next batch ready behind the running one when a full one waits, and no third", async () => {
    const done = embed(Array.from({ length: 40 }, () => 50));
    await engine.reached(2);
    await turn();
    expect(engine.batches).toHaveLength(2);
    engine.free = true;
    for (const batch of engine.batches) batch.end();
    const { vectors } = await done;
    expect([...vectors]).toEqual(Array.from({ length: 40 * DIMENSIONS }, () => 50));
  });

  it("lets a small batch grow while one runs, and hands it over before that one is expected to end", async () => {
    const long = embed([190]);
    await engine.reached(1);
    const first = embed([5]);
    await turn();
    const second = embed([6], "b");
    await turn();
    expect(engine.batches).toHaveLength(1);
    await engine.reached(2); // 190 ms less the lead
    expect(engine.batches[1]?.texts).toHaveLength(2);
    engine.batches[0]?.end();
    engine.batches[1]?.end();
    await Promise.all([long, first, second]);
  });

  it("ends a call at its deadline though its text still runs, and does not wait for it", async () => {
    const late = runner.embed({ account: "a", tier: "interactive", texts: [text(5, 1)], deadlineMs: 5 }, forever);
    await expect(late).rejects.toMatchObject({ fault: { code: "deadline_exceeded" } });
    expect(sheds).toEqual(["deadline"]);
    expect(runner.openCalls).toBe(0);
  });
});

describe("a batch that fails for a reason of our own", () => {
  const faults: unknown[] = [];
  let failing: (() => Promise<EngineResult>) | undefined;
  const cost = new CostModel({ a: 0.001, b: 0 });
  const runner = new Runner(
    new Scheduler({ ...LIMITS, queueSecondsMax: 60 }, cost),
    cost,
    new (class extends SteeredEngine {
      override run(texts: readonly Int32Array[]): Promise<EngineResult> {
        return failing?.() ?? super.run(texts);
      }
    })(),
    DIMENSIONS,
    { batchDone: () => undefined, shed: () => undefined, fault: (error) => faults.push(error) },
  );
  const embed = (tokens: number) =>
    runner.embed({ account: "a", tier: "interactive", texts: [text(tokens, 1)], deadlineMs: 60_000 }, forever);

  it.each<[string, () => Promise<EngineResult>]>([
    ["a failed assertion", () => expect.unreachable("an assertion")],
    ["a rejected promise", () => Promise.reject(new TypeError("a rejection"))],
    ["an answer of the wrong size", () => Promise.resolve({ vectors: new Uint16Array(1), runMs: 1 })],
  ])("fails alone and is counted: %s", async (_, run) => {
    faults.splice(0);
    failing = run;
    await expect(embed(7)).rejects.toMatchObject({ fault: { code: "internal_error" } });
    expect(faults).toHaveLength(1);
    expect(runner.openCalls).toBe(0);
    failing = undefined;
    expect([...(await embed(7)).vectors]).toEqual(Array.from({ length: DIMENSIONS }, () => 7));
    expect(faults).toHaveLength(1);
  });
});

describe("a call that has faults in the places of bad texts", () => {
  const cost = new CostModel({ a: 0.001, b: 0 });
  let engine: SteeredEngine;
  let runner: Runner;
  const embed = (tokens: readonly number[], onError: OnError = "per_item") => {
    const texts = tokens.map((count, tag) => text(count, tag));
    return runner.embed({ account: "a", tier: "interactive", texts, onError, deadlineMs: 60_000 }, forever);
  };
  /** Ends the first batch: texts of these lengths fail, the others get their length in every place. */
  async function end(reasons: ReadonlyMap<number, NonFiniteVector | EngineDied>): Promise<void> {
    await engine.reached(1);
    const texts = engine.batches[0]?.texts ?? [];
    const failures = new Map(
      texts.flatMap((ids, row) => {
        const reason = reasons.get(ids.length);
        return reason === undefined ? [] : [[row, reason] as const];
      }),
    );
    const vectors = Uint16Array.from(texts.flatMap((ids) => Array.from({ length: DIMENSIONS }, () => ids.length)));
    engine.batches[0]?.end(new TextsFailed(failures, vectors, 5));
  }

  beforeEach(() => {
    engine = new SteeredEngine();
    engine.free = false;
    const events = { batchDone: () => undefined, shed: () => undefined };
    runner = new Runner(new Scheduler(LIMITS, cost), cost, engine, DIMENSIONS, events);
  });

  it("gets the vectors of the others, and one fault a bad text, in order", async () => {
    const done = embed([9, 7, 8, 6]);
    await end(
      new Map<number, NonFiniteVector | EngineDied>([
        [6, new EngineDied("x")],
        [7, new NonFiniteVector(1)],
      ]),
    );
    const { vectors, faults, runMs } = await done;
    expect(faults.map(({ index, code }) => [index, code])).toEqual([
      [1, "vector_not_finite"],
      [3, "internal_error"],
    ]);
    expect([0, 2].map((row) => vectors[row * DIMENSIONS])).toEqual([9, 8]);
    expect(runMs).toBe(5);
    expect(runner.openCalls).toBe(0);
  });

  it("leaves another call, which wants all or nothing, to its own mode", async () => {
    const kept = embed([7, 8]);
    const failed = embed([7, 9], "fail");
    const isRefused = expect(failed).rejects.toMatchObject({ fault: { code: "vector_not_finite", index: 0 } });
    await end(new Map([[7, new NonFiniteVector(0)]]));
    await isRefused;
    expect((await kept).faults).toHaveLength(1);
  });

  it("fails when a third of its texts ends the engine's process", async () => {
    const failed = expect(embed([6, 7, 8, 9])).rejects.toMatchObject({ fault: { code: "internal_error" } });
    await end(new Map([6, 7, 8].map((length) => [length, new EngineDied("x")])));
    await failed;
    expect(runner.openCalls).toBe(0);
    expect(runner.queueSeconds()).toBe(0);
  });
});

describe("a text without a finite vector", () => {
  const engine = new SteeredEngine();
  const again: { readonly ids: Int32Array; readonly end: (result: EngineResult | Error) => void }[] = [];
  const exact = {
    hasRoom: true as boolean,
    run: (ids: Int32Array) =>
      new Promise<EngineResult>((resolve, reject) => {
        again.push({ ids, end: (result) => (result instanceof Error ? reject(result) : resolve(result)) });
      }),
  } satisfies ExactComputation;
  let runner: Runner;
  let recomputed: boolean[];

  beforeEach(() => {
    engine.batches.splice(0);
    again.splice(0);
    exact.hasRoom = true;
    engine.free = false;
    recomputed = [];
    const cost = new CostModel({ a: 0.001, b: 0 });
    const events = {
      batchDone: () => undefined,
      shed: () => undefined,
      recomputed: (ok: boolean) => recomputed.push(ok),
    };
    runner = new Runner(new Scheduler(LIMITS, cost), cost, engine, DIMENSIONS, events, exact);
  });

  /** Two calls in one batch, of which the text of 7 tokens has no finite vector. */
  async function oneBad(signal = forever) {
    const embed = (tokens: number, account: string, until: AbortSignal) =>
      runner.embed({ account, tier: "interactive", texts: [text(tokens, 1)], deadlineMs: 60_000 }, until);
    const good = embed(9, "a", forever);
    const bad = embed(7, "b", signal);
    bad.catch(() => undefined);
    await engine.reached(1);
    const [batch] = engine.batches;
    const row = batch?.texts.findIndex((ids) => ids.length === 7) ?? -1;
    const vectors = Uint16Array.from(
      batch?.texts.flatMap((ids) => Array.from({ length: DIMENSIONS }, () => ids.length)) ?? [],
    );
    batch?.end(new TextsFailed(new Map([[row, new NonFiniteVector(row)]]), vectors, 5));
    expect((await good).vectors).toEqual(new Uint16Array(DIMENSIONS).fill(9));
    return { bad };
  }
  const found = { vectors: new Uint16Array(DIMENSIONS).fill(77), runMs: 3 };

  it("is computed again in float32, and holds up neither its batch nor the next one", async () => {
    const { bad } = await oneBad();
    const next = runner.embed({ account: "a", tier: "batch", texts: [text(5, 2)], deadlineMs: 60_000 }, forever);
    await engine.reached(2);
    engine.batches[1]?.end();
    await next;
    expect(again.map(({ ids }) => ids.length)).toEqual([7]);
    expect(runner.queueSeconds()).toBe(0);
    again[0]?.end(found);
    expect((await bad).vectors).toEqual(found.vectors);
    expect(recomputed).toEqual([true]);
  });

  it("fails alone when float32 gives none either, or cannot be had", async () => {
    const { bad } = await oneBad();
    again[0]?.end(new EngineDied("out of memory"));
    await expect(bad).rejects.toMatchObject({ fault: { code: "vector_not_finite", index: 0 } });
    expect(recomputed).toEqual([false]);
    exact.hasRoom = false;
    engine.batches.splice(0);
    await expect((await oneBad()).bad).rejects.toMatchObject({ fault: { code: "vector_not_finite", index: 0 } });
    expect(again).toHaveLength(1);
  });

  it("is answered once to all who wait for the same text, and to nobody who has gone", async () => {
    const gone = new AbortController();
    const { bad } = await oneBad(gone.signal);
    const same = runner.embed({ account: "b", tier: "interactive", texts: [text(7, 1)], deadlineMs: 60_000 }, forever);
    await turn();
    gone.abort(new Error("gone"));
    await expect(bad).rejects.toThrow("gone");
    again[0]?.end(found);
    expect((await same).vectors).toEqual(found.vectors);
    expect(engine.batches).toHaveLength(1);
    expect(runner.openCalls).toBe(0);
  });
});
