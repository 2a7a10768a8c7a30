// Tests that the ledger serves: a call that credit, caps and limits cover is never refused, however long the account
// was idle before. `npm run sim` runs more of these plans, `npm run sim -- --crowd` the whole crowd.

import { expect, test } from "vitest";
import { runCrowd } from "./crowd.ts";
import { planOf, runPlan } from "./run.ts";
import { REAL } from "./run.ts";
import { runService } from "./service.ts";
import { servicePlanFor } from "./service-plan.ts";
import { ServiceWorld } from "./service-world.ts";
import { ALWAYS_WOKEN, RECALLS_AGAIN, TABLE_FILLS, TAKES_TWICE } from "./wrong-ledgers.ts";
import type { MakeCore, World } from "./world.ts";

const PLANS = 50;
const DAY_MS = 86_400_000;

test("covered calls are served, a refusal names its reason and time, and an idle account holds nothing", async () => {
  for (let seed = 1; seed <= PLANS; seed += 1) {
    const error = await runService(servicePlanFor(seed));
    if (error !== undefined) expect.fail(`npm run sim -- --service --seed ${seed} --runs 1: ${error.message}`);
  }
}, 120_000);

test("an account that is evicted before every message ends as one that never was", () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const plan = { ...planOf(seed), steps: planOf(seed).steps.filter(({ kind }) => !NEEDS_MEMORY.has(kind)) };
    const [slept, woken] = [endOf(plan, REAL.makeCore), endOf(plan, ALWAYS_WOKEN)];
    expect(woken, `seed ${seed}`).toEqual(slept);
  }
});

test.each([
  ["that moves every lease's end at a wake and adds an allowance", RECALLS_AGAIN, 2],
  ["that takes what leases hold from the buckets again at a wake", TAKES_TWICE, 6],
  ["whose table of leases fills", TABLE_FILLS, 12],
] as const)("a ledger %s is caught", async (_, makeCore, plans) => {
  let caught = 0;
  for (let seed = 1; seed <= plans; seed += 1) {
    if ((await runService(servicePlanFor(seed), makeCore)) !== undefined) caught += 1;
  }
  expect(caught).toBeGreaterThan(0);
});

test("one call a day for two years is served every day, and its account is correct at the end", async () => {
  const world = new ServiceWorld({ keys: 1, grantNanoUsd: 5e9, requestsPerMinute: 600, tokensPerMinute: 1_000_000 });
  for (let day = 0; day < 730; day += 1) {
    const isolate = world.newIsolate();
    expect((await world.time.until(isolate.call(0, 60, 15))).kind).toBe("admitted");
    await world.time.passTo(world.time.nowMs() + DAY_MS);
  }
  world.look((ledger) => {
    expect(ledger.leases.size).toBe(0);
    expect(ledger.books.balance).toBe(5e9 - 730 * 15 * 8);
    expect([ledger.requests.available(600), ledger.tokens.available(1_000_000)]).toEqual([600, 1_000_000]);
    return true;
  });
});

test("no call of a crowd of keys and isolates is refused, and the hot row stays under 32 KB", async () => {
  const crowd = { keys: 100, isolates: 30, perSecond: 20, calls: 1500, replaceMs: 30_000 };
  const outcome = await runCrowd(crowd);
  expect(outcome).toMatchObject({ served: 1500, refused: {}, chargedAll: true });
  expect(outcome.hotBytesMax).toBeLessThan(32 * 1024);
});

/**
 * Steps that depend on memory: a strict call's lease is only in memory by design, and a machine that stops loses a
 * turn.
 */
const NEEDS_MEMORY = new Set<string>(["strict", "finish", "stop_mid_turn"]);

function endOf(plan: ReturnType<typeof planOf>, makeCore: MakeCore): object {
  let end: object = {};
  const error = runPlan(plan, { ...REAL, makeCore }, (world: World) => {
    end = world.look((ledger) => ({ totals: { ...ledger.books.totals }, month: ledger.monthSpent(world.nowMs) }));
  });
  if (error !== undefined) throw error;
  return end;
}
