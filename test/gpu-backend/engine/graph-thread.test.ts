import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { GraphSession, type SessionOptions } from "../../../gpu-backend/engine/graph-session.ts";
import { GraphThread } from "../../../gpu-backend/engine/graph-thread.ts";
import { DEMO_MODEL_DIR } from "./demo-reference.ts";

const { graphPath } = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
const options: SessionOptions = { graphPath, target: "cpu", cudaWeights: "as-is", threads: 1 };
const texts = (count: number, tokens: number) =>
  Array.from({ length: count }, (_, text) => new Int32Array(tokens).fill(5 + text));

it("a thread gives the session's own bits, in the order asked, and who asks goes on meanwhile", async () => {
  const [session, thread] = [await GraphSession.open(options), await GraphThread.open(options)];
  const batches = [texts(8, 128), texts(2, 7), texts(1, 1)];
  const ended: number[] = [];
  const runs = batches.map(async (batch, index) => {
    const rows = await thread.run(batch);
    ended.push(index);
    return rows;
  });
  await setImmediate();
  expect(ended).toEqual([]);
  const rows = await Promise.all(runs);
  expect(ended).toEqual([0, 1, 2]);
  for (const [index, batch] of batches.entries()) expect(rows[index]).toEqual(await session.run(batch));
  await session.close();
});

it("a graph for large runs computes those, and no others", async () => {
  const large = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact", linears: "int8-pairs" });
  const largeRuns = { graphPath: large.graphPath, cudaWeights: "as-is", tokensMin: 20 } as const;
  const sessions = [options, { ...options, graphPath: large.graphPath }, { ...options, largeRuns }];
  const [smallAlone, largeAlone, both] = await Promise.all(sessions.map((which) => GraphSession.open(which)));
  for (const [batch, alone, other] of [
    [texts(1, 19), smallAlone, largeAlone],
    [texts(2, 10), largeAlone, smallAlone],
  ] as const) {
    const rows = await both?.run(batch);
    expect(rows).toEqual(await alone?.run(batch));
    expect(rows).not.toEqual(await other?.run(batch));
  }
  for (const session of [smallAlone, largeAlone, both]) await session?.close();
});

it("a run that the runtime refuses rejects alone", async () => {
  const thread = await GraphThread.open(options);
  const runs = await Promise.allSettled([thread.run([Int32Array.of(1e9)]), thread.run(texts(1, 3))]);
  expect(runs.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
});

it("a graph that is not there is refused with the runtime's words", async () => {
  await expect(GraphThread.open({ ...options, graphPath: "/nowhere/graph.onnx" })).rejects.toThrow(/nowhere/);
});
