import { expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { CPU_LINEARS } from "../../../gpu-backend/compiler/compiled-model.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { textsOf, textsThatBeginAlike } from "../../bench/gpu/mixes.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "./demo-reference.ts";
import { compareBits } from "./same-bits.ts";

// `node --import tsx test/bench/backend/same-bits.ts` makes 100,000 of them.
const COMPARISONS = 1_000;

const model = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
const short = readDemoReference().ids.filter((ids) => ids.length <= 300);

it("a text has the same bits alone, in any batch and order, on any number of threads, after a restart", async () => {
  const made = await compareBits(model, short, { comparisons: COMPARISONS, threads: [2, 1], turns: 2, seed: 5 });
  expect(made.comparisons).toBeGreaterThanOrEqual(COMPARISONS);
  expect(made.differences).toBe(0);
});

it.each([1, 2])("a text's float32 values are the same at every place among the rows, %i threads", async (threads) => {
  const session = await GraphSession.open({
    graphPath: model.graphPath,
    target: "cpu",
    cudaWeights: "as-is",
    threads,
  });
  const text = Int32Array.of(11, 222, 3_333, model.config.endTokenId);
  const alone = await session.run([text]);
  for (const before of [1, 2, 63, 124, 125, 126, 252, 253, 254]) {
    const [filler, single] = [new Int32Array(before).fill(9), Int32Array.of(model.config.endTokenId)];
    const rows = await session.run([filler, text]);
    expect(rows.slice(alone.length)).toEqual(alone);
    const many = await session.run([...Array.from({ length: before }, () => single), text]);
    expect(many.slice(before * alone.length)).toEqual(alone);
  }
  await session.close();
});

it.each(CPU_LINEARS)("a text's float32 values do not depend on how long its neighbour is: %s", async (linears) => {
  const { graphPath, config } = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact", linears });
  const session = await GraphSession.open({ graphPath, target: "cpu", cudaWeights: "as-is", threads: 2 });
  const lengths = [1, 2, 64, 65, 127, 128, 129, 257];
  for (const text of textsOf(lengths, config.vocabSize)) {
    const alone = (await session.run([text])).slice();
    for (const neighbour of textsOf([130, 300], config.vocabSize))
      expect((await session.run([text, neighbour])).slice(0, alone.length)).toEqual(alone);
  }
  await session.close();
});

it.each(CPU_LINEARS)("a text's float32 values do not depend on texts that begin alike: %s", async (linears) => {
  const { graphPath, config } = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact", linears });
  const session = await GraphSession.open({ graphPath, target: "cpu", cudaWeights: "as-is", threads: 2 });
  for (const lengths of [
    [16, 15, 17, 40],
    [100, 101, 128, 129, 230],
    [127, 128, 255, 256],
  ]) {
    const texts = textsThatBeginAlike(lengths, config.vocabSize);
    const values = await session.run(texts);
    const size = values.length / texts.length;
    for (const [index, text] of texts.entries())
      expect(values.slice(index * size, (index + 1) * size)).toEqual((await session.run([text])).slice());
  }
  await session.close();
});
