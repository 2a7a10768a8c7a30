import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, it } from "vitest";

import { EXACT_DISTANCE_MAX } from "../../../gpu-backend/choice/choice.ts";
import { tryLinears } from "../../../gpu-backend/choice/trial.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { integerProductsAreExact } from "../../../gpu-backend/engine/integer-products.ts";
import { worstDistance } from "../cosine.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "../engine/demo-reference.ts";
import { compareBits } from "../engine/same-bits.ts";
import { addOutliers, OUTLIER_SETS } from "../outliers.ts";

const scratch = mkdtempSync(join(tmpdir(), "trial-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const exact = { target: "cpu", precision: "exact" } as const;
const processor = "a processor";
const texts = readDemoReference().ids.filter((ids) => ids.length <= 300);

/** A benchmark with these ratios of float32's time to int8-pairs'. */
const measured = (short: number, tile: number) => () =>
  Promise.resolve([
    { rows: 16, float32Ms: short, int8PairsMs: 1 },
    { rows: 128, float32Ms: tile, int8PairsMs: 1 },
  ]);

const compiledIn = (dir: string): readonly string[] =>
  readdirSync(join(dir, ".compiled")).filter((name) => !name.includes("."));

async function vectorsOf(model: CompiledModel): Promise<readonly Float32Array[]> {
  const { graphPath, target, cudaWeights, config } = model;
  const session = await GraphSession.open({ graphPath, target, cudaWeights, threads: 1 });
  const vectors = await session.run(texts);
  await session.close();
  return texts.map((_, index) => vectors.slice(index * config.hiddenSize, (index + 1) * config.hiddenSize));
}

describe.runIf(await integerProductsAreExact(2))("a trial of the integer forms", () => {
  // A trial that ends in float32 leaves nothing else: the next finds that compiled.
  const demo = copyCheckpoint(DEMO_MODEL_DIR, scratch);

  it.each([
    ["no faster", 1, 1.05],
    ["slow with short texts", 0.7, 2],
  ])("leaves float32 where they are %s, without compiling them", async (_, short, tile) => {
    const benchmark = measured(short, tile);
    const choice = await tryLinears({ checkpointDir: demo, threads: 1, processor }, { benchmark });
    expect(choice).toMatchObject({ linears: "float32", benchmark: await benchmark() });
    expect(choice.why).toMatch(/^int8-pairs is .* times as fast over 16 rows and .*not worth three bytes a weight$/);
    expect(choice.probes).toBeUndefined();
    expect(compiledIn(demo)).toHaveLength(1);
  });

  it.each(Object.entries(OUTLIER_SETS))("keeps to its bound with outliers: %s", async (_, outliers) => {
    const checkpointDir = copyCheckpoint(DEMO_MODEL_DIR, scratch);
    addOutliers(checkpointDir, outliers, 3);
    const choice = await tryLinears({ checkpointDir, threads: 1, processor }, { benchmark: measured(1, 2) });
    for (const { linears, texts: count, max } of choice.probes ?? []) {
      expect(count).toBeGreaterThan(30);
      expect(linears === choice.linears).toBe(max <= EXACT_DISTANCE_MAX);
    }
    expect(choice.probes?.length).toBeGreaterThan(0);
    const [chosen, float32] = [
      await compileCheckpoint(checkpointDir, { ...exact, linears: choice.linears }),
      await compileCheckpoint(checkpointDir, exact),
    ];
    expect(worstDistance(await vectorsOf(chosen), await vectorsOf(float32))).toBeLessThanOrEqual(EXACT_DISTANCE_MAX);
  });

  it("uses no form that is over its bound, and leaves nothing of it", async () => {
    const options = { benchmark: measured(1, 2), distanceMax: 0 };
    const choice = await tryLinears({ checkpointDir: demo, threads: 1, processor }, options);
    expect(choice.linears).toBe("float32");
    expect(choice.why).toMatch(/each integer form is further than 0 from float32/);
    expect(choice.probes?.map(({ linears }) => linears)).toEqual(["int8-pairs", "int8-pairs, down_proj float32"]);
    expect(compiledIn(demo)).toHaveLength(1);
  });

  it("finds a form whose vectors are the same bits anywhere", async () => {
    const linears = "int8-pairs, down_proj float32";
    const model = await compileCheckpoint(demo, { ...exact, linears });
    const made = await compareBits(model, texts, { comparisons: 300, threads: [2, 1], turns: 2, seed: 6 });
    expect(made.differences).toBe(0);
  });
});
