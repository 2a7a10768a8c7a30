import { afterEach, describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import { type Engine, EngineDied } from "../../../gpu-backend/engine/types.ts";
import { CHUNK_TOKENS_MAX } from "../../../gpu-backend/engine/long-text.ts";
import type { EngineOptions } from "../../../gpu-backend/engine/types.ts";
import { distance, row } from "../cosine.ts";
import { float32Tolerance } from "../tolerances.ts";
import { DEMO_MODEL_DIR } from "./demo-reference.ts";

const model = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
const SHORT_TOKENS_MAX = 64;

const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

async function start(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await startEngine(model, { threads: 1, shortTokensMax: SHORT_TOKENS_MAX, ...options });
  engines.push(engine);
  return engine;
}

const textOf = (tokens: number, seed: number): Int32Array =>
  Int32Array.from({ length: tokens }, (_, at) => (seed * 7_919 + at * 104_729) % model.config.vocabSize);
const long = textOf(CHUNK_TOKENS_MAX + 77, 1);
const short = textOf(10, 2);

describe("a long text", () => {
  it("has the same vector in chunks as in one run, but for rounding, and the same bits each time", async () => {
    const [whole, chunked] = [await start({ shortTokensMax: Number.POSITIVE_INFINITY }), await start()];
    for (const tokens of [SHORT_TOKENS_MAX + 1, CHUNK_TOKENS_MAX, CHUNK_TOKENS_MAX + 1, 2 * CHUNK_TOKENS_MAX + 77]) {
      const text = textOf(tokens, 3);
      const { vectors } = await chunked.run([text]);
      const expected = (await whole.run([text])).vectors;
      const [left, right] = [vectors, expected].map((bits) => row(bits, 0, model.config.hiddenSize));
      expect(distance(left ?? [], right ?? [])).toBeLessThanOrEqual(float32Tolerance(model.config, 2));
      expect((await chunked.run([text])).vectors).toEqual(vectors);
    }
  });

  it("among short ones has its vector in its place", async () => {
    const engine = await start();
    const { vectors } = await engine.run([short, long, textOf(11, 4)]);
    const alone = await engine.run([long]);
    const { hiddenSize } = model.config;
    expect(vectors.subarray(hiddenSize, 2 * hiddenSize)).toEqual(alone.vectors);
  });

  it("lets a short one that comes later be answered first, and another long one wait", async () => {
    const engine = await start();
    const ended: string[] = [];
    const note = (name: string) => () => void ended.push(name);
    const first = engine.run([long]).then(note("long"));
    const second = engine.run([textOf(long.length, 5)]).then(note("second long"));
    for (let index = 0; index < 3; index += 1) await engine.run([short]).then(note("short"));
    await Promise.all([first, second]);
    expect(ended).toEqual(["short", "short", "short", "long", "second long"]);
  });

  it("that nobody waits for any more ends within a chunk, and the next one is right", async () => {
    const engine = await start();
    const { vectors } = await engine.run([long]);
    const controller = new AbortController();
    const given = engine.run([long], { signal: controller.signal });
    const refused = expect(given).rejects.toThrow(EngineDied);
    await engine.run([short]);
    controller.abort();
    await refused;
    expect((await engine.run([long])).vectors).toEqual(vectors);
    expect(engine.restarts).toBe(0);
  });

  it("is begun anew when the process dies in the middle of it", async () => {
    const engine = await start();
    const { vectors } = await engine.run([long]);
    const running = engine.run([long]);
    await engine.run([short]);
    process.kill(engine.pid ?? 0, "SIGKILL");
    expect((await running).vectors).toEqual(vectors);
    expect(engine.restarts).toBe(1);
  });
});

describe("an engine process that is stopped", () => {
  it("in the middle of a batch is ended, and the batch has its vectors from the next one", async () => {
    const reasons: string[] = [];
    const engine = await start({ hangMs: 400, onRestart: (reason) => reasons.push(reason) });
    const { vectors } = await engine.run([short]);
    process.kill(engine.pid ?? 0, "SIGSTOP");
    expect((await engine.run([short], { seconds: 0.01 })).vectors).toEqual(vectors);
    expect([engine.restarts, engine.state]).toEqual([1, "ready"]);
    expect(reasons).toEqual([expect.stringMatching(/^the engine process did not answer for .* and was ended$/)]);
  });

  it("while there is nothing to do is found out as well", async () => {
    const engine = await new Promise<Engine>((resolve) => {
      const started = start({ hangMs: 400, onRestart: () => void started.then(resolve) });
      void started.then(({ pid }) => process.kill(pid ?? 0, "SIGSTOP"));
    });
    expect(engine.restarts).toBe(1);
    expect((await engine.run([short])).vectors).toHaveLength(model.config.hiddenSize);
  });

  it("is not one that takes longer than was expected", async () => {
    const engine = await start({ hangMs: 600, shortTokensMax: Number.POSITIVE_INFINITY });
    await engine.run([textOf(3_000, 6)], { seconds: 0.01 });
    expect(engine.restarts).toBe(0);
  });
});
