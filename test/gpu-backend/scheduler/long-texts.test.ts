import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";

import { EngineDied } from "../../../gpu-backend/engine/types.ts";
import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import { Runner } from "../../../gpu-backend/scheduler/runner.ts";
import { Scheduler } from "../../../gpu-backend/scheduler/scheduler.ts";
import { DIMENSIONS, SteeredEngine } from "../server/in-process.ts";
import { COST, LIMITS, Simulation, text } from "./simulated-engine.ts";

const limits = { ...LIMITS, shortTokensMax: 100 };
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("long texts in the scheduler", () => {
  const call = (tokens: readonly number[], account = "a", tier: "interactive" | "batch" = "interactive") => ({
    account,
    tier,
    texts: tokens.map((count, tag) => text(count, tag)),
  });

  it("run one at a time, beside the batches, which they never join", () => {
    const simulation = new Simulation(limits);
    for (const account of ["a", "b"]) simulation.arrive(call([500, 10, 20], account));
    const started = [simulation.start(), simulation.start(), simulation.start()];
    expect(started.map((batch) => batch?.texts.map((ids) => ids.length).toSorted())).toEqual([
      [10, 10, 20, 20],
      [500],
      undefined,
    ]);
    simulation.drain();
    expect(simulation.records.map(({ ends }) => ends)).toEqual([["done"], ["done"]]);
  });

  it("refuse no short text, and are refused when too much of their own kind waits", () => {
    const simulation = new Simulation(limits);
    expect(simulation.arrive(call([5_000]))).toBeDefined();
    simulation.start();
    expect(simulation.arrive(call([10], "b"))).toBeDefined();
    expect(simulation.arrive(call([10, 600], "b"))).toBeUndefined();
    expect(simulation.arrive(call([600], "b", "batch"))).toBeDefined();
  });

  it("of the batch tier get their turn once they are old, though interactive ones keep coming", () => {
    const simulation = new Simulation({ ...limits, queueSecondsMax: 100, batchQueueSecondsMax: 100 });
    const patient = simulation.arrive(call([500], "a", "batch"));
    for (let round = 0; round < 6; round += 1) {
      simulation.arrive(call([700 + round], "b"));
      simulation.start();
      simulation.finish();
    }
    expect(patient?.ends).toEqual(["done"]);
  });

  it("end exactly once, whatever comes, fails or is cancelled among short ones", () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constant("call" as const), tokens: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }), account: fc.constantFrom("a", "b"), tier: fc.constantFrom("interactive" as const, "batch" as const) }), // prettier-ignore
      fc.record({ kind: fc.constant("start" as const) }),
      fc.record({ kind: fc.constant("finish" as const), fails: fc.array(fc.nat(5), { maxLength: 1 }) }),
      fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const simulation = new Simulation(limits);
        for (const each of events) {
          if (each.kind === "call") simulation.arrive(call(each.tokens, each.account, each.tier));
          else if (each.kind === "start") simulation.start();
          else if (each.kind === "finish") simulation.finish(each.fails);
          else {
            const record = simulation.records[each.which];
            if (record !== undefined) simulation.cancel(record);
          }
        }
        simulation.drain();
        for (const { ends } of simulation.records) expect(ends).toHaveLength(1);
        expect([simulation.scheduler.openTickets, simulation.scheduler.runningBatches]).toEqual([0, 0]);
        expect(simulation.scheduler.queueSeconds(simulation.now)).toBeCloseTo(0);
      }),
    );
  });
});

describe("a long text that nobody waits for any more", () => {
  let engine: SteeredEngine;
  let runner: Runner;
  const embed = (tokens: number, signal = new AbortController().signal, deadlineMs = 60_000) =>
    runner.embed({ account: "a", tier: "interactive", texts: [text(tokens, 1)], deadlineMs }, signal);

  beforeEach(() => {
    engine = new SteeredEngine();
    engine.free = false;
    const cost = new CostModel(COST);
    const events = { batchDone: () => undefined, shed: () => undefined };
    runner = new Runner(new Scheduler(limits, cost), cost, engine, DIMENSIONS, events);
  });

  it("is broken off when its caller goes, and asked for again it is computed anew", async () => {
    const caller = new AbortController();
    const gone = embed(500, caller.signal);
    const refused = expect(gone).rejects.toThrow("gone");
    await engine.reached(1);
    caller.abort(new Error("gone"));
    await refused;
    expect(engine.batches[0]?.options.signal?.aborted).toBe(true);
    const again = embed(500);
    await turn();
    expect(engine.batches).toHaveLength(1);
    engine.batches[0]?.end(new EngineDied("nobody waits for this text any more"));
    await engine.reached(2);
    engine.batches[1]?.end();
    expect([...(await again).vectors]).toEqual([500, 500, 500, 500]);
  });

  it("is broken off at its deadline", async () => {
    await expect(embed(500, undefined, 5)).rejects.toMatchObject({ fault: { code: "deadline_exceeded" } });
    expect(engine.batches[0]?.options.signal?.aborted).toBe(true);
  });

  it("goes on while another call waits for the same", async () => {
    const caller = new AbortController();
    const refused = expect(embed(500, caller.signal)).rejects.toThrow("gone");
    const other = embed(500);
    await engine.reached(1);
    caller.abort(new Error("gone"));
    await refused;
    expect(engine.batches[0]?.options.signal?.aborted).toBe(false);
    engine.batches[0]?.end();
    await other;
  });

  it("does not keep short texts from the engine meanwhile", async () => {
    const long = embed(500);
    await engine.reached(1);
    const short = embed(10);
    await engine.reached(2);
    engine.batches[1]?.end();
    await short;
    engine.batches[0]?.end();
    await long;
  });
});
