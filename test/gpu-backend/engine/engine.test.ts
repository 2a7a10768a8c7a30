import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import { type Engine, EngineDied } from "../../../gpu-backend/engine/types.ts";
import { textsThatBeginAlike } from "../../bench/gpu/mixes.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { distance, row } from "../cosine.ts";
import { float32Tolerance } from "../tolerances.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "./demo-reference.ts";

const reference = readDemoReference();
const texts = reference.ids.filter((ids) => ids.length < 100);
const model = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });

const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

async function start(onRestart?: (reason: string) => void, compiled: CompiledModel = model) {
  const engine = await startEngine(compiled, { threads: 1, ...(onRestart && { onRestart }) });
  engines.push(engine);
  return engine;
}

function kill(engine: Engine): void {
  if (engine.pid === undefined) throw new Error("there is no engine process to kill");
  process.kill(engine.pid, "SIGKILL");
}

describe("the engine process", () => {
  it("answers every batch with the right vectors though it is killed in the middle of one", async () => {
    const reasons: string[] = [];
    const engine = await start((reason) => reasons.push(reason));
    const before = await engine.run(texts);
    const running = [engine.run(texts), engine.run(texts), engine.run(texts)];
    kill(engine);
    for (const result of await Promise.all(running)) expect(result.vectors).toEqual(before.vectors);
    expect(engine.restarts).toBe(1);
    expect(engine.state).toBe("ready");
    expect(reasons).toEqual(["the engine process was ended by SIGKILL"]);
  });

  it("is started again when it dies idle, and serves the next batch", async () => {
    const engine = await new Promise<Engine>((resolve) => {
      const started: Promise<Engine> = start(() => void started.then(resolve));
      void started.then(kill);
    });
    expect(engine.restarts).toBe(1);
    expect((await engine.run(texts.slice(0, 1))).vectors).toHaveLength(reference.size);
  });

  it("refuses work once it is closed, and what was waiting is told so", async () => {
    const engine = await start();
    const waiting = engine.run(texts);
    const refused = expect(waiting).rejects.toBeInstanceOf(EngineDied);
    await engine.close();
    await refused;
    await expect(engine.run(texts)).rejects.toBeInstanceOf(EngineDied);
    expect(engine.state).toBe("closed");
  });

  it("says in one sentence why a session cannot be made", async () => {
    const missing = { ...model, graphPath: "/nowhere/graph.onnx" };
    await expect(startEngine(missing, { threads: 1 })).rejects.toThrow(/could not start: .*nowhere/u);
  });

  it("runs a batch that is over its budget in parts, with the same vectors but for rounding", async () => {
    const whole = await (await start()).run(texts);
    const parts = await startEngine(model, { threads: 1, budget: { maxTokens: 64, maxPaddedTokens: 96 } });
    engines.push(parts);
    const { vectors } = await parts.run(texts);
    for (const index of texts.keys()) {
      const [left, right] = [vectors, whole.vectors].map((all) => row(all, index, reference.size));
      expect(distance(left ?? [], right ?? [])).toBeLessThanOrEqual(float32Tolerance(model.config, 2));
    }
  });

  it("shares rows among the texts of one owner alone: the same bits, from runs of so many rows", async () => {
    const folder = mkdtempSync(join(tmpdir(), "owners-"));
    try {
      // What a large run is computed with gives other vectors: they tell how many rows a run had.
      const dir = copyCheckpoint(DEMO_MODEL_DIR, folder);
      const path = join(dir, "config.json");
      writeFileSync(path, readFileSync(path, "utf8").replace('"rope_theta": 1000000', '"rope_theta": 100'));
      const other = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
      const alike = textsThatBeginAlike([100, 60], model.config.vocabSize); // 100 rows of one owner, 200 or 260 of several
      const plain = await start();
      const { vectors } = await plain.run(alike, { owners: Int32Array.of(0, 1, 2) });
      expect(vectors).toEqual((await plain.run(alike)).vectors);
      const largeRuns = { graphPath: other.graphPath, cudaWeights: "as-is", tokensMin: 201 } as const;
      const counting = await start(undefined, { ...model, largeRuns });
      for (const owners of [undefined, Int32Array.of(0, 0, 0), Int32Array.of(0, 1, 1), Int32Array.of(1, 0, 0)])
        expect((await counting.run(alike, { ...(owners && { owners }) })).vectors).toEqual(vectors);
      expect((await counting.run(alike, { owners: Int32Array.of(0, 1, 2) })).vectors).not.toEqual(vectors);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is no part of what a caller's mistake may break: ids outside the vocabulary are refused before they are sent", async () => {
    const engine = await start();
    await expect(async () => engine.run([Int32Array.of(1_000_000)])).rejects.toThrow("vocabulary");
    await expect(async () => engine.run([Int32Array.of()])).rejects.toThrow("tokens");
    expect(engine.restarts).toBe(0);
  });
});
