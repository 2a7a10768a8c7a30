import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { OnError, Tier } from "../../../shared/wire.ts";
import { LIMITS, Simulation, text } from "./simulated-engine.ts";

const ACCOUNTS = ["a", "b", "c"];
const anyCall = fc.record({
  kind: fc.constant("call" as const),
  account: fc.constantFrom(...ACCOUNTS),
  tier: fc.constantFrom<Tier>("interactive", "batch"),
  // Few tags and lengths, so that equal texts meet.
  texts: fc.array(fc.tuple(fc.constantFrom(1, 5, 5, 20, 60, 190, 450), fc.integer({ min: 0, max: 3 })), {
    minLength: 1,
    maxLength: 8,
  }),
  onError: fc.constantFrom<OnError>("fail", "per_item"),
  patience: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined }),
});
const anyStep = fc.oneof(
  { weight: 5, arbitrary: anyCall },
  { weight: 3, arbitrary: fc.constant({ kind: "start" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("finish" as const), fails: fc.array(fc.nat(31), { maxLength: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("died" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(200) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), seconds: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
);
type Step = typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never;

function play(steps: readonly Step[], sharesRows = false): Simulation {
  const simulation = new Simulation({ ...LIMITS, sharesRows });
  for (const step of steps) {
    switch (step.kind) {
      case "call": {
        const { account, tier, onError, patience } = step;
        const deadline = patience === undefined ? {} : { deadline: simulation.now + patience };
        const texts = step.texts.map(([tokens, tag]) => text(tokens, tag));
        simulation.arrive({ account, tier, onError, texts, ...deadline });
        break;
      }
      case "start":
        simulation.start();
        break;
      case "finish":
        simulation.finish(step.fails);
        break;
      case "died": // every row of what runs
        simulation.finish(Array.from({ length: 32 }, (_, row) => row));
        break;
      case "cancel": {
        const record = simulation.records[step.which % Math.max(1, simulation.records.length)];
        if (record !== undefined) simulation.cancel(record);
        break;
      }
      case "wait":
        simulation.now += step.seconds;
        simulation.expire();
    }
  }
  return simulation;
}

describe("under any order of arrivals, ends, deaths, cancels and deadlines", () => {
  it("every admitted call ends exactly once, and a done one has each of its rows exactly once, or per item its fault", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), fc.boolean(), (steps, sharesRows) => {
        const simulation = play(steps, sharesRows);
        simulation.drain();
        for (const record of simulation.records) {
          expect(record.ends).toHaveLength(1);
          expect(record.rows.every((count) => count <= 1)).toBe(true);
          if (record.ends[0] === "done") expect(record.rows.every((count) => count === 1)).toBe(true);
          if (record.call.onError === "per_item") expect(record.ends).not.toEqual(["failed"]);
          else expect(record.faults).toBe(0);
        }
        expect(simulation.scheduler.openTickets).toBe(0);
        expect(simulation.scheduler.runningBatches).toBe(0);
        expect(simulation.scheduler.queueSeconds(simulation.now)).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });

  it("the seconds of work that wait are the sum over the texts that wait", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const { scheduler, running, records } = play(steps);
        const ran = new Set(running.flatMap((batch) => [...batch.texts]));
        const waiting = new Set<string>();
        for (const { call, ticket, rows } of records) {
          if (ticket.state !== "waiting") continue;
          for (const [position, ids] of call.texts.entries()) {
            const runs = [...ran].some((other) => other.length === ids.length && other[0] === ids[0]);
            if (rows[position] === 0 && !runs) waiting.add(`${call.account} ${call.tier} ${ids.length} ${ids[0]}`);
          }
        }
        const seconds = [...waiting].reduce((sum, key) => sum + Number(key.split(" ")[2]) / 1_000, 0);
        // An equal text of another account may run while this one's waits: then the sum here is a lower bound.
        expect(scheduler.waitingSeconds).toBeGreaterThanOrEqual(seconds - 1e-9);
        if (running.length === 0) expect(scheduler.waitingSeconds).toBeCloseTo(seconds, 9);
      }),
      { numRuns: 300 },
    );
  });

  it("a call is admitted only while the work ahead of it is under the bound, a list like a single text", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), anyCall, (steps, call) => {
        const { scheduler, now } = play(steps);
        const ahead = scheduler.queueSeconds(now);
        const { account, texts } = call;
        const ids = texts.map(([tokens, tag]) => text(tokens, tag));
        const admission = scheduler.admit({ account, tier: "batch", deadline: now + 1, texts: ids }, now);
        expect(admission.kind).toBe(ahead < LIMITS.batchQueueSecondsMax ? "admitted" : "overloaded");
        if (admission.kind === "overloaded") {
          expect(admission.retryAfterS).toBe(Math.min(5, Math.max(1, Math.ceil(ahead - LIMITS.batchQueueSecondsMax))));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("fairness", () => {
  it("gives accounts that all wait equal shares, to within one batch and one text, whatever lengths they send", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 150, maxLength: 150 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 10, max: 100 }), (mixed, other) => {
        const simulation = new Simulation({ ...LIMITS, queueSecondsMax: 1_000 });
        simulation.arrive({ account: "a", tier: "interactive", texts: mixed.map((tokens, tag) => text(tokens, tag)) });
        const count = Math.ceil(mixed.reduce((sum, tokens) => sum + tokens, 0) / other);
        simulation.arrive({
          account: "b",
          tier: "interactive",
          texts: Array.from({ length: count }, (_, tag) => text(other, tag)),
        });
        while (simulation.records.every(({ ticket }) => ticket.left > 20)) {
          simulation.start();
          simulation.finish();
          const [a = 0, b = 0] = ACCOUNTS.map((account) => simulation.servedSeconds.get(account));
          expect(Math.abs(a - b)).toBeLessThanOrEqual(LIMITS.batchSecondsMax + 0.1 + 1e-9);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("serves a single text in the next batch although another account has thousands", () => {
    const simulation = new Simulation({ ...LIMITS, queueSecondsMax: 1_000 });
    simulation.arrive({
      account: "a",
      tier: "interactive",
      texts: Array.from({ length: 2_048 }, (_, tag) => text(50, tag)),
    });
    simulation.start();
    const late = simulation.arrive({ account: "b", tier: "interactive", texts: [text(50, 9_999)] });
    simulation.start();
    simulation.finish();
    simulation.finish();
    expect(late?.ends).toEqual(["done"]);
  });

  it("serves a single text in the next batch although the same account has thousands", () => {
    const simulation = new Simulation({ ...LIMITS, queueSecondsMax: 1_000 });
    simulation.arrive({
      account: "a",
      tier: "interactive",
      texts: Array.from({ length: 2_048 }, (_, tag) => text(50, tag)),
    });
    simulation.start();
    const late = simulation.arrive({ account: "a", tier: "interactive", texts: [text(50, 9_999)] });
    simulation.start();
    simulation.finish();
    simulation.finish();
    expect(late?.ends).toEqual(["done"]);
  });

  it("never starves a text that fits badly: it goes within a bounded number of batches", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 100 }), (odd, usual) => {
        const simulation = new Simulation();
        let tag = 0;
        const flood = (account: string): void => {
          simulation.arrive({
            account,
            tier: "interactive",
            texts: Array.from({ length: 20 }, () => text(usual, (tag += 1))),
          });
        };
        const record = simulation.arrive({ account: "a", tier: "interactive", texts: [text(odd, 999_999)] });
        for (const account of ACCOUNTS) flood(account);
        // Until it has its age, and then once more for what is older than it.
        const batchesMax = (LIMITS.ageSecondsMax * 1_000) / Math.min(32 * usual, 100) + 40;
        for (let batch = 0; batch < batchesMax && record?.ends.length === 0; batch += 1) {
          for (const account of ACCOUNTS) flood(account);
          simulation.start();
          simulation.finish();
        }
        expect(record?.ends).toEqual(["done"]);
      }),
      { numRuns: 40 },
    );
  });
});

describe("tiers", () => {
  it("run interactive texts before batch texts that came earlier", () => {
    const simulation = new Simulation();
    const batch = simulation.arrive({
      account: "a",
      tier: "batch",
      texts: Array.from({ length: 40 }, (_, tag) => text(50, tag)),
    });
    const interactive = simulation.arrive({
      account: "b",
      tier: "interactive",
      texts: Array.from({ length: 8 }, (_, tag) => text(25, tag)),
    });
    simulation.start();
    simulation.finish();
    expect(interactive?.ends).toEqual(["done"]);
    expect(batch?.rows.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(2);
  });

  it("fill the rest of a batch with batch texts, at most to half of it", () => {
    const simulation = new Simulation();
    simulation.arrive({ account: "a", tier: "batch", texts: Array.from({ length: 40 }, (_, tag) => text(10, tag)) });
    simulation.arrive({ account: "b", tier: "interactive", texts: [text(20, 0)] });
    const batch = simulation.start();
    expect(batch?.texts.length).toBeGreaterThan(1);
    expect(batch?.seconds).toBeLessThanOrEqual(LIMITS.batchSecondsMax / 2 + 1e-9);
  });

  it("do not starve the batch tier while interactive texts never end", () => {
    const simulation = new Simulation({ ...LIMITS, queueSecondsMax: 1_000 });
    let tag = 0;
    const flood = (): void => {
      simulation.arrive({
        account: "a",
        tier: "interactive",
        texts: Array.from({ length: 8 }, () => text(50, (tag += 1))),
      });
    };
    flood();
    const patient = simulation.arrive({ account: "b", tier: "batch", texts: [text(100, 1), text(100, 2)] });
    while (patient?.ends.length === 0 && simulation.batches.length < 100) {
      flood();
      simulation.start();
      simulation.finish();
    }
    expect(patient?.ends).toEqual(["done"]);
    expect(simulation.now).toBeLessThan(LIMITS.ageSecondsMax + 10 * LIMITS.batchSecondsMax);
  });

  it("refuse a batch call for the work of both, an interactive one for that of its own alone", () => {
    const simulation = new Simulation();
    simulation.arrive({ account: "a", tier: "batch", texts: Array.from({ length: 200 }, (_, tag) => text(50, tag)) });
    expect(simulation.arrive({ account: "b", tier: "batch", texts: [text(1, 0)] })).toBeUndefined();
    expect(simulation.arrive({ account: "b", tier: "interactive", texts: [text(1, 0)] })).toBeDefined();
  });
});

describe("the queue", () => {
  it("keeps room for others when one account has filled its share", () => {
    const simulation = new Simulation({ ...LIMITS, accountShareMax: 0.5 });
    simulation.arrive({
      account: "a",
      tier: "interactive",
      texts: Array.from({ length: 24 }, (_, tag) => text(50, tag)),
    });
    expect(simulation.scheduler.refusal("a", "interactive", 0)).toEqual({
      kind: "overloaded",
      reason: "account",
      retryAfterS: 1,
    });
    expect(simulation.scheduler.refusal("b", "interactive", 0)).toBeUndefined();
  });

  it("computes equal texts of one account once, also when one of them runs already", () => {
    const simulation = new Simulation();
    const first = simulation.arrive({ account: "a", tier: "interactive", texts: [text(50, 1), text(50, 1)] });
    simulation.start();
    const second = simulation.arrive({ account: "a", tier: "interactive", texts: [text(50, 1)] });
    expect(simulation.start()).toBeUndefined();
    simulation.finish();
    expect([first?.ends, second?.ends]).toEqual([["done"], ["done"]]);
    expect(simulation.batches.map((batch) => batch.texts.length)).toEqual([1]);
  });

  it("never shares a computation between accounts", () => {
    const simulation = new Simulation();
    for (const account of ACCOUNTS) simulation.arrive({ account, tier: "interactive", texts: [text(5, 1)] });
    expect(simulation.start()?.texts).toHaveLength(3);
  });

  it("drops what was cancelled or is late before it reaches the engine, but not what another call still waits for", () => {
    const simulation = new Simulation();
    const gone = simulation.arrive({ account: "a", tier: "interactive", texts: [text(5, 1), text(6, 2)] });
    simulation.arrive({ account: "a", tier: "interactive", texts: [text(6, 2)] });
    simulation.arrive({ account: "b", tier: "interactive", texts: [text(7, 3)], deadline: 0.5 });
    if (gone !== undefined) simulation.cancel(gone);
    simulation.now = 0.5;
    expect(simulation.start()?.texts.map((ids) => ids.length)).toEqual([6]);
  });

  it("puts texts of like length together", () => {
    const simulation = new Simulation({ ...LIMITS, queueSecondsMax: 1_000 });
    const lengths = Array.from({ length: 256 }, (_, index) => (index % 2 === 0 ? 8 : 96));
    simulation.arrive({ account: "a", tier: "interactive", texts: lengths.map((tokens, tag) => text(tokens, tag)) });
    simulation.drain();
    const tokens = simulation.batches.reduce((sum, batch) => sum + batch.tokens, 0);
    const padded = simulation.batches.reduce((sum, batch) => sum + batch.paddedTokens, 0);
    expect(padded / tokens).toBeLessThan(1.4); // in order of arrival: 1.85
  });
});
