import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import type { Engine } from "../../../gpu-backend/engine/types.ts";
import { must } from "../../../shared/assert.ts";
import { distance, row, worstDistance } from "../cosine.ts";
import { float32Tolerance } from "../tolerances.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "./demo-reference.ts";

const reference = readDemoReference();
const rowsOf = (vectors: Uint16Array, count: number) =>
  Array.from({ length: count }, (_, index) => row(vectors, index, reference.size));

const model = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
/** The longest two are most of the work: once is enough for them. */
const AGAIN_TOKENS_MAX = 1_200;
const again = reference.ids.flatMap((ids, index) => (ids.length <= AGAIN_TOKENS_MAX ? [index] : []));
const idsOf = (index: number): Int32Array => must(reference.ids[index], "a text of the reference");
/** The reference is float32; ours is canonical. */
const toReference = float32Tolerance(model.config, 1);
const amongOurs = float32Tolerance(model.config, 2);

describe("the demo checkpoint", () => {
  let engine: Engine;
  let together: readonly Float32Array[];

  beforeAll(async () => {
    engine = await startEngine(model, { threads: 1 });
    together = rowsOf((await engine.run(reference.ids)).vectors, reference.ids.length);
  });
  afterAll(() => engine.close());

  it("gives the reference's vectors for every text", () => {
    expect(worstDistance(together, reference.embeddings)).toBeLessThanOrEqual(toReference);
  });

  it("gives vectors of length 1", () => {
    for (const vector of together) expect(Math.hypot(...vector)).toBeCloseTo(1, 3);
  });

  it("gives the same vector for a text alone as in a batch", async () => {
    for (const index of again) {
      const { vectors } = await engine.run([idsOf(index)]);
      expect(distance(row(vectors, 0, reference.size), together[index] ?? [])).toBeLessThanOrEqual(amongOurs);
    }
  });

  it("gives the same vectors in any order of the batch", async () => {
    const { vectors } = await engine.run(again.map(idsOf).toReversed());
    const expected = again.map((index) => together[index] ?? []);
    expect(worstDistance(rowsOf(vectors, again.length).toReversed(), expected)).toBeLessThanOrEqual(amongOurs);
  });

  it("gives the same vector for a short text beside a long one", async () => {
    const long = reference.ids.findIndex((ids) => ids.length > 1_000);
    const short = reference.ids.findIndex((ids) => ids.length > 1 && ids.length < 10);
    const { vectors } = await engine.run([idsOf(long), idsOf(short)]);
    expect(distance(row(vectors, 1, reference.size), together[short] ?? [])).toBeLessThanOrEqual(amongOurs);
  });
});
