// Chunks of a long text where attention has a window, a cap or another scale: the same vectors as in one run.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { shortTokensMax } from "../../../gpu-backend/engine/batch-budget.ts";
import { GraphSession, type SessionOptions } from "../../../gpu-backend/engine/graph-session.ts";
import { CHUNK_TOKENS_MAX, LongText } from "../../../gpu-backend/engine/long-text.ts";
import { scoreOf } from "../../../gpu-backend/engine/row-form.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { distance } from "../cosine.ts";
import { editJson } from "../edit-checkpoint.ts";
import { RERANKERS } from "../reranker-checkpoint.ts";
import { float32Tolerance } from "../tolerances.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/architectures", import.meta.url));
const TOKENS = CHUNK_TOKENS_MAX + 33;
const scratch = mkdtempSync(join(tmpdir(), "long-"));
afterAll(() => rmSync(scratch, { recursive: true }));

async function compile(name: string) {
  const dir = copyCheckpoint(join(CHECKPOINTS, name), scratch);
  editJson(dir, "config.json", (config) => ({ ...config, max_position_embeddings: TOKENS }));
  return compileCheckpoint(dir, { target: "cpu", precision: "exact" });
}

it.each(["gemma2", "mistral-window", "qwen2-window", "llama"])(
  "%s has the vector of one run in chunks",
  async (name) => {
    const { config, graphPath } = await compile(name);
    const text = Int32Array.from({ length: TOKENS }, (_, at) => (at * 104_729) % config.vocabSize);
    const options: SessionOptions = { graphPath, target: "cpu", cudaWeights: "as-is", threads: 1 };
    const session = await GraphSession.open(options);
    const whole = await session.run([text]);
    await session.close();
    const long = new LongText(text, options, config);
    let chunked: Float32Array | undefined;
    while (chunked === undefined) chunked = await long.step();
    expect(distance(chunked, whole)).toBeLessThanOrEqual(float32Tolerance(config, 0));
  },
);

it("a model whose tokens depend on what comes after them has no long texts", async () => {
  const model = await compile("qwen3-mean");
  expect(shortTokensMax(model)).toBe(Number.POSITIVE_INFINITY);
  expect(shortTokensMax(await compile("llama"))).toBeLessThan(32_768);
});

it("a reranker's long pair has the score of one run in chunks", async () => {
  const dir = copyCheckpoint(join(RERANKERS, "qwen3"), scratch);
  editJson(dir, "config.json", (config) => ({ ...config, max_position_embeddings: TOKENS }));
  const { config, graphPath } = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
  const pair = Int32Array.from({ length: TOKENS }, (_, at) => (at * 104_729) % config.vocabSize);
  const options: SessionOptions = { graphPath, target: "cpu", cudaWeights: "as-is", threads: 1 };
  const session = await GraphSession.open(options);
  const [whole = Number.NaN] = await session.run([pair]);
  await session.close();
  const long = new LongText(pair, options, config);
  let chunked: Float32Array | undefined;
  while (chunked === undefined) chunked = await long.step();
  expect(chunked).toHaveLength(1);
  expect(Math.abs(scoreOf(chunked[0] ?? Number.NaN) - scoreOf(whole))).toBeLessThanOrEqual(1e-6);
});
