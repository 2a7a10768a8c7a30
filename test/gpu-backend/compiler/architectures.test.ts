import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { ARCHITECTURES } from "../../../gpu-backend/compiler/architectures/table.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { planFor } from "../../../gpu-backend/compiler/graph-plan.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { integerProductsAreExact } from "../../../gpu-backend/engine/integer-products.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { worstDistance } from "../cosine.ts";
import { embedCheckpoint } from "../embed-checkpoint.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/architectures", import.meta.url));
const BACKEND = fileURLToPath(new URL("../../../gpu-backend", import.meta.url));
const names = readdirSync(CHECKPOINTS);
/** 1 - cos to transformers in float32. */
const DISTANCE_MAX = 1e-6;
const CPU_TARGET = { target: "cpu", precision: "exact" } as const;
/** What `exact` promises, 1 - cos. */
const EXACT_MAX = 1e-5;
const CPU = planFor("cpu", "as-is", "float32");

const scratch = mkdtempSync(join(tmpdir(), "architectures-"));
afterAll(() => rmSync(scratch, { recursive: true }));

it("has a checkpoint of every row of the table", () => {
  const found = names.map(
    (name) => /"model_type": "([^"]+)"/.exec(readFileSync(join(CHECKPOINTS, name, "config.json"), "utf8"))?.[1],
  );
  expect(new Set(found)).toEqual(new Set(ARCHITECTURES.map(({ modelType }) => modelType)));
});

it("is the only place that knows an architecture by its name", () => {
  const quoted = ARCHITECTURES.map(({ modelType }) => modelType).join("|");
  const asked = new RegExp(`(?:[=!]==|case|includes\\() *["'](?:${quoted})["']|model_?type *[=!]==`, "i");
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
});

describe.each(["bert", "gemma2", "qwen2-gte", "qwen3-mean"])("a text of %s", (name) => {
  it("has the same bits at every place among the rows", async () => {
    const { graphPath, config } = await compileCheckpoint(copyCheckpoint(join(CHECKPOINTS, name), scratch), CPU_TARGET);
    const session = await GraphSession.open({ graphPath, target: "cpu", cudaWeights: "as-is", threads: 1 });
    const text = Int32Array.of(11, 22, 33, config.endTokenId);
    const single = Int32Array.of(config.endTokenId);
    const alone = (await session.run([text])).slice();
    for (const before of [1, 2, 63, 124, 125, 126, 252, 253, 254]) {
      const rows = await session.run([...Array.from({ length: before }, () => single), text]);
      expect(rows.slice(before * alone.length)).toEqual(alone);
    }
    await session.close();
  });
});

const hasIntegers = await integerProductsAreExact(1);
const types = ARCHITECTURES.map(({ modelType }) => modelType).filter((modelType) => names.includes(modelType));

it.each([...types, "qwen2-gte", "qwen3-mean"])(
  "%s gives its vectors as the CUDA targets are built, but for the element type",
  async (name) => {
    const plan = { ...CPU, residualFold: 1 / 16, bidirectional: "masked", presents: true } as const;
    const { embeddings, together } = await embedCheckpoint(join(CHECKPOINTS, name), scratch, plan);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(DISTANCE_MAX);
  },
);

describe.each(types)("the architecture %s", (name) => {
  const source = join(CHECKPOINTS, name);

  it.each(["cuda-fp16", "cuda-bf16"] as const)("is compiled for %s", async (target) => {
    const model = await compileCheckpoint(copyCheckpoint(source, scratch), { target, precision: "exact" });
    expect(model.config.dimensions).toBeGreaterThan(0);
  });

  it.runIf(hasIntegers)("has the integer form of the CPU", async () => {
    const { embeddings, together, alone } = await embedCheckpoint(
      source,
      scratch,
      planFor("cpu", "as-is", "int8-pairs"),
    );
    expect(alone).toEqual(together);
    expect(worstDistance(together, embeddings)).toBeLessThanOrEqual(EXACT_MAX);
  });
});
