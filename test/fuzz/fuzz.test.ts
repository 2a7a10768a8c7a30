// A little of each fuzzer in every test run, from a new seed: a failure prints seed and path, and
// `npm run fuzz -- --target NAME --seed S --path P` repeats it.
import * as fc from "fast-check";
import { describe, test } from "vitest";
import { TARGETS } from "./targets.ts";

const RUNS = 150;

describe("fuzzed for a moment, nothing throws and every promise holds", () => {
  test.each(Object.entries(TARGETS))("%s", async (_, property) => {
    await fc.assert(property, { numRuns: RUNS });
  });
});
