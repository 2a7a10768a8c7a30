import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync, appendFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";

const CHECKPOINT = fileURLToPath(new URL("../../vectors/checkpoints/ct-sym", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "compile-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const options = { target: "cpu", precision: "exact" } as const;

/** Compiles and tells which steps were really done: none when the result was found. */
async function compile(dir: string, more: { target?: "cuda-fp16"; cacheDir?: string } = {}) {
  const steps: string[] = [];
  const model = await compileCheckpoint(dir, { ...options, ...more, onProgress: (_, what) => steps.push(what) });
  return { model, compiled: steps.length > 1, steps };
}

describe("compiling a checkpoint", () => {
  it("is done once for the same content, and names the result by it", async () => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const [first, second] = [await compile(dir), await compile(dir)];
    expect([first.compiled, second.compiled]).toEqual([true, false]);
    expect(second.model).toEqual(first.model);
    expect(first.model.layout).toBe("compressed-tensors");
    expect(first.steps).toEqual(["embedding table", "layer 1 of 2", "layer 2 of 2", "output", "compiled"]);
    const elsewhere = await compile(copyCheckpoint(CHECKPOINT, scratch));
    expect(elsewhere.model.revision).toBe(first.model.revision);
  });

  it("gives another revision for another target, config or tokenizer", async () => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const revisions = [
      (await compile(dir)).model.revision,
      (await compile(dir, { target: "cuda-fp16" })).model.revision,
    ];
    appendFileSync(join(dir, "config.json"), "\n");
    revisions.push((await compile(dir)).model.revision);
    writeFileSync(join(dir, "tokenizer_config.json"), "{}");
    revisions.push((await compile(dir)).model.revision);
    expect(new Set(revisions).size).toBe(4);
  });

  it("starts again where a result is not whole", async () => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const { model } = await compile(dir);
    truncateSync(join(dirname(model.graphPath), "weights.bin"), 100);
    expect((await compile(dir)).compiled).toBe(true);
    expect((await compile(dir)).compiled).toBe(false);
  });

  it("uses the cache folder where the checkpoint's own cannot be made", async () => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const cacheDir = mkdtempSync(join(scratch, "cache-"));
    // A file in the way stands for a read-only folder, which root would be let into.
    writeFileSync(join(dir, ".compiled"), "");
    const { model } = await compile(dir, { cacheDir });
    expect(model.graphPath.startsWith(cacheDir)).toBe(true);
    expect(readdirSync(cacheDir)).toHaveLength(1);
  });

  it("builds each CUDA target and weight form into a graph of its own", async () => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const graphs = new Set<string>();
    for (const target of ["cuda-bf16", "cuda-fp16"] as const) {
      for (const cudaWeights of ["as-is", "block32", "dense"] as const) {
        graphs.add((await compileCheckpoint(dir, { target, precision: "exact", cudaWeights })).revision);
      }
    }
    expect(graphs.size).toBe(6);
  });
});
