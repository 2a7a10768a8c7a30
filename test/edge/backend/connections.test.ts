// Cloudflare opens six connections for a request and lets the seventh wait, its time limit running; a local runtime does
// not. So whatever fans out is held against a count of what is open at once.

import { expect, test } from "vitest";
import { atOnce } from "../../../edge/lib/at-once.ts";
import { Pool } from "../../../edge/backend/pool.ts";
import { PART_TOKENS_MIN } from "../../../edge/backend/split.ts";
import { FakeBackend, Gate, MODEL, ManualClock, REVISION_1, fetchOf } from "../support/fake-backends.ts";
import { callOf, textsOf } from "../support/pool-fixture.ts";

const OPEN_MAX = 5;

/** Eight backends, and how many connections to them were open at most. */
function eight(clock: ManualClock) {
  const backends = Array.from({ length: 8 }, (_, index) => new FakeBackend(`http://b${index}`));
  const reach = fetchOf(backends);
  const open = { now: 0, most: 0 };
  const pool = new Pool({
    backends: backends.map(({ origin }) => ({ model: MODEL, origin })),
    secret: "secret",
    now: clock.now,
    sleep: clock.sleep,
    random: () => 0,
    fetch: async (url, init) => {
      open.now += 1;
      open.most = Math.max(open.most, open.now);
      try {
        return await reach(url, init);
      } finally {
        open.now -= 1;
      }
    },
  });
  return { backends, pool, open };
}

const text = "w".repeat(PART_TOKENS_MIN * 4);
const large = () => textsOf(...Array.from({ length: 8 }, (_, index) => `${index}${text}`));

test("a cold look at eight backends, and a split over them, stay below what a Worker opens at once", async () => {
  const { backends, pool, open } = eight(new ManualClock());
  await pool.awaitReady(MODEL, callOf());
  await expect.poll(() => pool.states().every(({ health }) => health === "ready")).toBe(true);
  expect((await pool.embed(large(), REVISION_1, callOf())).tokens).toHaveLength(8);
  expect(backends.filter(({ embeds }) => embeds.length > 0).length).toBeGreaterThan(1);
  expect(open.most).toBeLessThanOrEqual(OPEN_MAX);
});

test("parts that run long ask one at a time whether their backends live, and none is given up for the wait", async () => {
  const clock = new ManualClock();
  const { backends, pool, open } = eight(clock);
  await pool.awaitReady(MODEL, callOf());
  await expect.poll(() => pool.states().every(({ health }) => health === "ready")).toBe(true);
  const gate = new Gate();
  for (const backend of backends) backend.behaviour = { kind: "waits", go: gate.opened };
  const answer = pool.embed(large(), REVISION_1, callOf());
  const asked = () => backends.reduce((sum, { readyCalls }) => sum + readyCalls, 0);
  const before = asked();
  await expect.poll(asked).toBeGreaterThanOrEqual(before + 8);
  gate.open();
  expect((await answer).tokens).toHaveLength(8);
  expect(open.most).toBeLessThanOrEqual(OPEN_MAX);
});

test("a place is given back by work that fails", async () => {
  const slot = atOnce(1);
  const order: string[] = [];
  const failing = slot(() => Promise.reject(new Error("no")));
  const next = slot(() => Promise.resolve(order.push("next")));
  await expect(failing).rejects.toThrow("no");
  await next;
  expect(order).toEqual(["next"]);
});
