import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { ARCHITECTURES } from "../../../gpu-backend/compiler/architectures/table.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { planFor } from "../../../gpu-backend/compiler/graph-plan.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { worstDistance } from "../cosine.ts";
import { embedCheckpoint } from "../embed-checkpoint.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/architectures", import.meta.url));
const BACKEND = fileURLToPath(new URL("../../../gpu-backend", import.meta.url));
const names = readdirSync(CHECKPOINTS);
/** 1 - cos to transformers in float32. */
const DISTANCE_MAX = 1e-6;
const CPU = planFor("cpu", "as-is", "float32");

const scratch = mkdtempSync(join(tmpdir(), "architectures-"));
afterAll(() => rmSync(scratch, { recursive: true }));

it("has a checkpoint of every row of the table", () => {
  const types = names.map(
    (name) => /"model_type": "([^"]+)"/.exec(readFileSync(join(CHECKPOINTS, name, "config.json"), "utf8"))?.[1],
  );
  expect(new Set(types)).toEqual(new Set(ARCHITECTURES.map(({ modelType }) => modelType)));
});

it("is the only place that knows an architecture by its name", () => {
  const types = ARCHITECTURES.map(({ modelType }) => modelType).join("|");
  const asked = new RegExp(`(?:[=!]==|case|includes\\() *["'](?:${types})["']|model_?type *[=!]==`, "i");
  const sources = readdirSync(BACKEND, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  expect(sources.length).toBeGreaterThan(100);
  const found = sources.filter((path) => asked.test(readFileSync(join(BACKEND, path), "utf8")));
  expect(found.map((path) => path.replaceAll("\\", "/"))).toEqual([
    "checkpoint/which-architecture.ts",
    "compiler/architectures/table.ts",
  ]);
});

describe.each(names)("the checkpoint %s", (name) => {
  const source = join(CHECKPOINTS, name);

  it("gives transformers' vectors, the same bits alone and in a batch", async () => {
    const { model, lengths, embeddings, together, alone } = await embedCheckpoint(source, scratch, undefined, 2);
    expect(Math.max(...lengths)).toBe(model.config.maxTokens);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(DISTANCE_MAX);
    expect(alone).toEqual(together);
  });

  it("gives them as the CUDA targets are built, but for the element type", async () => {
    const plan = { ...CPU, residualFold: 1 / 16, bidirectional: "masked", presents: true } as const;
    const { embeddings, together } = await embedCheckpoint(source, scratch, plan);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(DISTANCE_MAX);
  });

  it("is compiled for a GPU", async () => {
    const model = await compileCheckpoint(copyCheckpoint(source, scratch), { target: "cuda-fp16", precision: "exact" });
    expect(model.config.dimensions).toBeGreaterThan(0);
  });
});
