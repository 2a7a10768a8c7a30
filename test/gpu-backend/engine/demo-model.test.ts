import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import type { Engine } from "../../../gpu-backend/engine/types.ts";
import { distance, row, worstDistance } from "../cosine.ts";
import { float32Tolerance } from "../tolerances.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "./demo-reference.ts";

const reference = readDemoReference();
const rowsOf = (vectors: Uint16Array, count: number) =>
  Array.from({ length: count }, (_, index) => row(vectors, index, reference.size));

const model = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
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
    for (const [index, ids] of reference.ids.entries()) {
      const { vectors } = await engine.run([ids]);
      expect(distance(row(vectors, 0, reference.size), together[index] ?? [])).toBeLessThanOrEqual(amongOurs);
    }
  });

  it("gives the same vectors in any order of the batch", async () => {
    const { vectors } = await engine.run(reference.ids.toReversed());
    expect(worstDistance(rowsOf(vectors, together.length).toReversed(), together)).toBeLessThanOrEqual(amongOurs);
  });

  it("gives the same vector for a short text beside a long one", async () => {
    const longest = reference.ids.toSorted((left, right) => right.length - left.length)[0];
    const short = reference.ids.findIndex((ids) => ids.length > 1 && ids.length < 10);
    const { vectors } = await engine.run([longest, reference.ids[short]].filter((ids) => ids !== undefined));
    expect(distance(row(vectors, 1, reference.size), together[short] ?? [])).toBeLessThanOrEqual(amongOurs);
  });
});
