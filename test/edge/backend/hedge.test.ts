import { beforeEach, describe, expect, it } from "vitest";
import { FakeBackend, Gate, MODEL, ManualClock, REVISION_1, vectorOf } from "../support/fake-backends.ts";
import { callOf, codeOf, readyPool, textsOf } from "../support/pool-fixture.ts";

const HEDGED = { hedgeAfterMs: 200 };
const OVERLOADED = { code: "overloaded", message: "busy", index: null, facts: {}, retryAfterS: 4 } as const;
let clock: ManualClock;
let a: FakeBackend;
let b: FakeBackend;

beforeEach(() => {
  clock = new ManualClock();
  a = new FakeBackend("http://a");
  b = new FakeBackend("http://b");
});

const copies = (): number => a.signals.length + b.signals.length;

describe("a call that is slow to answer", () => {
  it("stays where it is while hedging is off, as it is by default", async () => {
    clock.stands = true;
    const gate = new Gate();
    a.behaviour = { kind: "waits", go: gate.opened };
    const pool = await readyPool([a, b], clock);
    const answer = pool.embed(textsOf("x"), REVISION_1, callOf());
    await expect.poll(() => a.signals.length).toBe(1);
    clock.advance(4000);
    gate.open();
    expect([...(await answer).vectors]).toEqual([...vectorOf("x", REVISION_1)]);
    expect(b.signals.length).toBe(0);
  });

  it("goes to one more backend after the configured time; the first answer wins and the other is stopped", async () => {
    a.behaviour = { kind: "hangs" };
    const pool = await readyPool([a, b], clock, HEDGED);
    const before = clock.nowMs;
    const answer = await pool.embed(textsOf("x"), REVISION_1, callOf());
    expect([...answer.vectors]).toEqual([...vectorOf("x", REVISION_1)]);
    expect(clock.nowMs - before).toBe(200);
    expect([a.signals.length, b.signals.length]).toEqual([1, 1]);
    expect(a.signals[0]?.aborted).toBe(true);
    // Stopped by us: that says nothing against it.
    expect(pool.states()[0]?.breaker).toBe("closed");
  });

  it("is answered by its first backend when that is sooner after all", async () => {
    clock.stands = true;
    const gate = new Gate();
    a.behaviour = { kind: "waits", go: gate.opened };
    b.behaviour = { kind: "hangs" };
    const pool = await readyPool([a, b], clock, HEDGED);
    const answer = pool.embed(textsOf("x"), REVISION_1, callOf());
    await expect.poll(() => a.signals.length).toBe(1);
    clock.stands = false;
    clock.wakeNext();
    await expect.poll(() => b.signals.length).toBe(1);
    gate.open();
    expect((await answer).tokens).toEqual([2]);
    expect(b.signals[0]?.aborted).toBe(true);
  });

  it("never costs more than one copy, whatever comes of both", async () => {
    a.behaviour = { kind: "hangs" };
    b.behaviour = { kind: "fault", fault: OVERLOADED };
    const pool = await readyPool([a, b], clock, HEDGED);
    const code = await codeOf(pool.embed(textsOf("x"), REVISION_1, callOf({ deadlineMs: 300 })));
    expect(["deadline_exceeded", "overloaded"]).toContain(code);
    expect(copies()).toBe(2);
  });

  it("ends at once with a fault of the input, which the other backend would find too", async () => {
    a.behaviour = { kind: "hangs" };
    const fault = { code: "text_too_complex", message: "too complex", index: 0, facts: {}, retryAfterS: null } as const;
    b.behaviour = { kind: "fault", fault };
    const pool = await readyPool([a, b], clock, HEDGED);
    expect(await codeOf(pool.embed(textsOf("x"), REVISION_1, callOf()))).toBe("text_too_complex");
    expect(a.signals[0]?.aborted).toBe(true);
  });
});

describe("no copy is made", () => {
  it.each([
    ["of a call of the batch tier", { ...textsOf("x"), tier: "batch" as const }],
    ["of a large call", textsOf("long ".repeat(4000))],
  ])("%s", async (_, texts) => {
    clock.stands = true;
    const gate = new Gate();
    a.behaviour = { kind: "waits", go: gate.opened };
    const pool = await readyPool([a, b], clock, HEDGED);
    const sleepers = clock.sleeping;
    const answer = pool.embed(texts, REVISION_1, callOf());
    await expect.poll(() => a.signals.length).toBe(1);
    // One sleeper watches whether the backend lives; none waits to send a copy.
    expect(clock.sleeping).toBe(sleepers + 1);
    gate.open();
    await answer;
    expect(b.signals.length).toBe(0);
  });

  it("where no other backend is ready", async () => {
    clock.stands = true;
    b.status = "draining";
    const gate = new Gate();
    a.behaviour = { kind: "waits", go: gate.opened };
    const pool = await readyPool([a, b], clock, HEDGED);
    const answer = pool.embed(textsOf("x"), REVISION_1, callOf());
    await expect.poll(() => a.signals.length).toBe(1);
    clock.wakeNext();
    gate.open();
    await answer;
    expect(copies()).toBe(1);
  });
});

describe("the readiness of a model", () => {
  it("is that of its best backend, and unknown without one", async () => {
    const pool = await readyPool([a, b], clock);
    expect(pool.readiness(MODEL)).toBe("ready");
    expect(pool.readiness("owner/other")).toBeUndefined();
    a.status = "warming";
    b.status = undefined;
    clock.advance(31_000);
    await pool.announced(MODEL, () => undefined);
    expect(pool.readiness(MODEL)).toBe("warming");
    a.status = undefined;
    clock.advance(31_000);
    await pool.announced(MODEL, () => undefined);
    expect(pool.readiness(MODEL)).toBe("unreachable");
  });
});
