import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import { Runner } from "../../../gpu-backend/scheduler/runner.ts";
import { Scheduler } from "../../../gpu-backend/scheduler/scheduler.ts";
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
    void embed([10]);
    void embed([20], "b");
    await engine.reached(1);
    expect(engine.batches[0]?.texts.map((ids) => ids.length).toSorted()).toEqual([10, 20]);
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
