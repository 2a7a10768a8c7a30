import { afterEach, describe, expect, it } from "vitest";

import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import { EXACT_TEXTS_MAX, ExactEngine } from "../../../gpu-backend/engine/exact-engine.ts";
import { EngineDied, type EngineOptions } from "../../../gpu-backend/engine/types.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { distance, row } from "../cosine.ts";
import { float32Tolerance } from "../tolerances.ts";
import { SteeredEngine } from "../server/in-process.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "./demo-reference.ts";

const model = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
const text = Int32Array.of(1, 2, 3);

let engine: ExactEngine | undefined;
afterEach(async () => {
  await engine?.close();
  engine = undefined;
});

describe("computing a text again in float32", () => {
  it("gives the reference's vector, from a checkpoint that its own process compiles", async () => {
    const reference = readDemoReference();
    const exact = new ExactEngine({ ...model, graphPath: "/nowhere" }, "/nowhere");
    engine = exact;
    const ids = reference.ids[0] ?? new Int32Array();
    const { vectors } = await exact.run(ids);
    expect(distance(row(vectors, 0, reference.size), reference.embeddings[0] ?? [])).toBeLessThanOrEqual(
      float32Tolerance(model.config, 1),
    );
  });

  it("starts nothing before it is needed, and one process for many texts", async () => {
    const started: { model: CompiledModel; options: EngineOptions }[] = [];
    engine = new ExactEngine({ ...model, target: "cuda-fp16", cudaWeights: "block32" }, "/cache", (given, options) => {
      started.push({ model: given, options });
      return Promise.resolve(new SteeredEngine());
    });
    expect(started).toHaveLength(0);
    await Promise.all([engine.run(text), engine.run(text)]);
    expect(started).toHaveLength(1);
    expect(started[0]?.model).toMatchObject({ target: "cpu", precision: "exact", cudaWeights: "as-is" });
    expect(started[0]?.options.compileCacheDir).toBe("/cache");
  });

  it("fails the text when it cannot be started, and tries again for the next one", async () => {
    let starts = 0;
    engine = new ExactEngine(model, "", () => {
      starts += 1;
      return starts === 1 ? Promise.reject(new EngineDied("out of memory")) : Promise.resolve(new SteeredEngine());
    });
    await expect(engine.run(text)).rejects.toThrow("out of memory");
    await engine.run(text);
    expect(starts).toBe(2);
  });

  it("has room for a bounded number of texts", async () => {
    const inner = new SteeredEngine();
    inner.free = false;
    const exact = new ExactEngine(model, "", () => Promise.resolve(inner));
    engine = exact;
    const running = Array.from({ length: EXACT_TEXTS_MAX }, () => exact.run(text));
    expect(exact.hasRoom).toBe(false);
    await inner.reached(EXACT_TEXTS_MAX);
    for (const batch of inner.batches) batch.end();
    await Promise.all(running);
    expect(exact.hasRoom).toBe(true);
  });
});
