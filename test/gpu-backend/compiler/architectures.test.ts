import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { ARCHITECTURES } from "../../../gpu-backend/compiler/architectures/table.ts";
import { planFor } from "../../../gpu-backend/compiler/graph-plan.ts";
import { worstDistance } from "../cosine.ts";
import { embedCheckpoint } from "../embed-checkpoint.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/architectures", import.meta.url));
const names = readdirSync(CHECKPOINTS);
/** 1 - cos to transformers in float32. */
const DISTANCE_MAX = 1e-6;

const scratch = mkdtempSync(join(tmpdir(), "architectures-"));
afterAll(() => rmSync(scratch, { recursive: true }));

it("has a checkpoint of every row of the table", () => {
  for (const { modelType } of ARCHITECTURES) {
    // The layouts' checkpoints are Qwen3's.
    if (modelType !== "qwen3") expect(names.some((name) => name.startsWith(modelType))).toBe(true);
  }
});

describe.each(names)("the checkpoint %s", (name) => {
  it.each([1, 2])("gives transformers' vectors, the same bits alone and in a batch, %i threads", async (threads) => {
    const { embeddings, together, alone } = await embedCheckpoint(join(CHECKPOINTS, name), scratch, undefined, threads);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(DISTANCE_MAX);
    expect(alone).toEqual(together);
  });

  it("gives them where a power of two is folded into the residual stream", async () => {
    const plan = { ...planFor("cpu", "as-is", "float32"), residualFold: 1 / 16 };
    const { embeddings, together } = await embedCheckpoint(join(CHECKPOINTS, name), scratch, plan);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(DISTANCE_MAX);
  });
});
