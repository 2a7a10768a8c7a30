// Tests the ledger by thousands of seeded plans with every fault we know; the invariants are checked after each step
// and at rest. `npm run sim -- --runs N --seed S` runs more plans and replays failing ones.

import { expect, test } from "vitest";
import { describe as describeExample, planOf, REAL, runPlan, shrink } from "./run.ts";
import type { Rig } from "./run.ts";
import { CHECK_THEN_ADD, ESCROW_WITHOUT_EXPIRY, FORGETFUL, FORGETS_KEYS, REWRITES_HISTORY } from "./wrong-ledgers.ts";

const PLANS = 3000;
const WRONG_PLANS = 100;
/** About one plan in 70 shows it. */
const FORGETFUL_FIRST_SEED = 31;

test("no plan breaks an invariant of money, limits or idempotency", () => {
  const met = { begun: 0, running: 0, reused: 0, replay: 0, charged: 0, again: 0, lapsed: 0 };
  for (let seed = 1; seed <= PLANS; seed += 1) {
    const error = runPlan(planOf(seed), REAL, ({ replays, batches }) => {
      for (const kind of ["begun", "running", "reused", "replay"] as const) met[kind] += replays.met[kind];
      for (const kind of ["charged", "again", "lapsed"] as const) met[kind] += batches.met[kind];
    });
    if (error !== undefined) expect.fail(describeExample(shrink(seed, error)));
  }
  // Plans without repeats or batches would prove nothing about them.
  for (const count of Object.values(met)) expect(count).toBeGreaterThan(PLANS / 50);
}, 240_000);

test("the same seed gives the same plan", () => {
  expect(planOf(7)).toEqual(planOf(7));
});

test("a ledger that checks and then adds is caught overspending", () => {
  expect(
    failuresOf(CHECK_THEN_ADD).filter((message) => /^held \d+ is above the balance \d+$/.test(message)),
  ).not.toEqual([]);
});

test("a ledger that forgets what it promised is caught overspending", () => {
  expect(failuresOf(FORGETFUL, FORGETFUL_FIRST_SEED)).toContain(
    "a timely report was written off: more had been leased than there was",
  );
});

test("a ledger that forgets which idempotency keys were charged is caught charging twice", () => {
  expect(failuresOf(FORGETS_KEYS)).toEqual(["a key whose call was charged does not begin again"]);
});

test("a ledger that changes a line of an hour that is over is caught by its seals", () => {
  expect(failuresOf(REWRITES_HISTORY)).toContain("a sealed hour's root follows from its lines");
});

test("an escrow without expiry is caught stranding credit", () => {
  expect(failuresOf(ESCROW_WITHOUT_EXPIRY)).toContain("nothing is held when nobody holds a lease");
});

test("a counter-example is cut down to steps that are all needed", () => {
  const seed = firstFailure(CHECK_THEN_ADD);
  const error = runPlan(planOf(seed), CHECK_THEN_ADD);
  if (error === undefined) expect.fail("the wrong ledger passed");
  const { keep } = shrink(seed, error, CHECK_THEN_ADD);
  expect(runPlan(planOf(seed, keep), CHECK_THEN_ADD)).toBeDefined();
  expect(keep.length).toBeLessThan(planOf(seed).steps.length / 2);
  expect(runPlan(planOf(seed), REAL)).toBeUndefined();
});

function failuresOf(rig: Rig, first = 1): string[] {
  const messages = new Set<string>();
  for (let seed = first; seed < first + WRONG_PLANS; seed += 1) {
    const error = runPlan(planOf(seed), rig);
    if (error !== undefined) messages.add(error.message);
  }
  return [...messages];
}

function firstFailure(rig: Rig): number {
  for (let seed = 1; seed <= WRONG_PLANS; seed += 1) if (runPlan(planOf(seed), rig) !== undefined) return seed;
  throw new Error("the wrong ledger passed every plan");
}
