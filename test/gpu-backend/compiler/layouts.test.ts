import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { type GraphPlan, planFor } from "../../../gpu-backend/compiler/graph-plan.ts";
import { integerProductsAreExact } from "../../../gpu-backend/engine/integer-products.ts";
import { distance, worstDistance } from "../cosine.ts";
import { embedCheckpoint } from "../embed-checkpoint.ts";
import { float32Tolerance } from "../tolerances.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/checkpoints", import.meta.url));
const names = readdirSync(CHECKPOINTS);

/** What `exact` promises, 1 - cos. */
const EXACT_MAX = 1e-5;

const scratch = mkdtempSync(join(tmpdir(), "layouts-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const embed = (name: string, plan?: GraphPlan) => embedCheckpoint(join(CHECKPOINTS, name), scratch, plan);
const served = new Map<string, ReturnType<typeof embed>>();

/** As it is served, in float32: what the other forms are held against, computed once. */
function embedServed(name: string): ReturnType<typeof embed> {
  const made = served.get(name) ?? embed(name);
  served.set(name, made);
  return made;
}

it("finds every layout's checkpoint", () => {
  expect(names).toHaveLength(17);
});

describe.each(names)("the checkpoint %s", (name) => {
  it("gives the oracle's vectors, alone and in a batch", async () => {
    const { model, embeddings, together, alone } = await embedServed(name);
    // Nothing here is canonical, but we store the embedding table in float16, and GPTQModel dequantises to float16.
    const tolerance = float32Tolerance(model.config, name.startsWith("gptq") ? 1 + model.config.layers : 1);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(tolerance);
    expect(worstDistance(alone, embeddings)).toBeLessThanOrEqual(tolerance);
    expect(worstDistance(alone, together)).toBeLessThanOrEqual(float32Tolerance(model.config, 0));
  });
});

describe("the forms of the CUDA targets, computed on the CPU", () => {
  const exact = planFor("cpu", "as-is", "float32");

  it.each(["ct-asym", "gptq-v2-asym-desc-act", "ct-channel"])(
    "repeating scales to blocks of 32 changes no vector of %s",
    async (name) => {
      const { together } = await embed(name, { ...exact, weights: "block32" });
      expect(together).toEqual((await embedServed(name)).together);
    },
  );

  it.each(["gptq-v1-sym", "ct-group-asym", "plain-fp32"])(
    "folding a power of two into the residual stream cancels for %s",
    async (name) => {
      const { model, together } = await embed(name, { ...exact, residualFold: 1 / 16 });
      expect(worstDistance(together, (await embedServed(name)).together)).toBeLessThanOrEqual(
        float32Tolerance(model.config, 0),
      );
    },
  );

  it.each(["gptq-v1-asym", "ct-group"])("dequantised weights give the vectors of %s", async (name) => {
    const { model, together } = await embed(name, { ...exact, weights: "dense" });
    expect(worstDistance(together, (await embedServed(name)).together)).toBeLessThanOrEqual(
      float32Tolerance(model.config, 0),
    );
  });
});

describe.runIf(await integerProductsAreExact(1))("the integer form of the CPU", () => {
  it.each(names.filter((name) => !name.startsWith("gptq-v1")))("gives the vectors of %s", async (name) => {
    const { together, alone } = await embed(name, planFor("cpu", "as-is", "int8-pairs"));
    expect(alone).toEqual(together);
    expect(worstDistance(together, (await embedServed(name)).together)).toBeLessThanOrEqual(EXACT_MAX);
  });
});

it("keeps vectors of two checkpoints apart: the oracle's tolerance is far below their distance", async () => {
  const [left, right] = [await embedServed("ct-sym"), await embedServed("ct-static")];
  expect(distance(left.together[0] ?? [], right.together[0] ?? [])).toBeGreaterThan(0.1);
});
