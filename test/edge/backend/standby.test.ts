// Origins that may be absent by design: replicas that an autoscaler starts under load.

import { expect, test } from "vitest";
import { FakeBackend, MODEL, ManualClock, REVISION_1 } from "../support/fake-backends.ts";
import { callOf, poolOf, textsOf } from "../support/pool-fixture.ts";

function pooled(clock: ManualClock, ...backends: FakeBackend[]) {
  const origins = backends.map(({ origin }, index) => ({ model: MODEL, origin, standby: index > 0 }));
  return poolOf(backends, clock, { backends: origins });
}

test("one that is not there is no state, no line in the log, and no reason to ask each second", async () => {
  const [a, b] = [new FakeBackend("http://a"), new FakeBackend("http://b")];
  b.status = undefined;
  const clock = new ManualClock();
  const pool = pooled(clock, a, b);
  await pool.announced(MODEL, () => undefined);
  expect(pool.states().map(({ origin, health }) => [origin, health])).toEqual([["http://a", "ready"]]);
  const asked = a.readyCalls;
  clock.nowMs += 2000;
  await pool.announced(MODEL, () => undefined);
  expect(a.readyCalls).toBe(asked);
});

test("one that starts gets calls like any other; lost again, it is nobody's fault", async () => {
  const [a, b] = [new FakeBackend("http://a"), new FakeBackend("http://b")];
  b.status = undefined;
  a.queueSeconds = 9;
  const clock = new ManualClock();
  const pool = pooled(clock, a, b);
  await pool.announced(MODEL, () => undefined);
  b.status = "ready";
  clock.nowMs += 6000;
  await pool.announced(MODEL, () => undefined);
  await expect.poll(() => pool.states().length).toBe(2);
  await pool.embed(textsOf("x"), REVISION_1, callOf());
  expect(b.embeds).toHaveLength(1);
  b.behaviour = { kind: "refuses connections" };
  await pool.embed(textsOf("y"), REVISION_1, callOf());
  expect(pool.states().map(({ origin }) => origin)).toEqual(["http://a"]);
});

test("the only one that ought to be there being gone is said as ever", async () => {
  const [a, b] = [new FakeBackend("http://a"), new FakeBackend("http://b")];
  a.status = b.status = undefined;
  const pool = pooled(new ManualClock(), a, b);
  await pool.announced(MODEL, () => undefined);
  expect(pool.readiness(MODEL)).toBe("unreachable");
  expect(pool.states().map(({ reason }) => reason)).toEqual(["connection refused"]);
});
