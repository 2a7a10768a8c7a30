// The real CUDA provider on a card that computes nothing (fake-cuda.c): every graph is placed on the card and runs through, and
// the engine lives through what a card does wrong. Where npm run gpu:install has not been run this is skipped, by name.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";

import { compileChosen } from "../../../gpu-backend/choice/compile-chosen.ts";
import { compileCheckpoint, removeDamage } from "../../../gpu-backend/compiler/compile.ts";
import {
  type CompiledModel,
  type CompileTarget,
  type CudaWeights,
  graphPathsOf,
} from "../../../gpu-backend/compiler/compiled-model.ts";
import { weightsBytesOf } from "../../../gpu-backend/cuda/fit-card.ts";
import { cudaEnvironment, whyNotUsable } from "../../../gpu-backend/cuda/libraries.ts";
import { WEIGHTS_FILE } from "../../../gpu-backend/compiler/compiled-folder.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { bytesPerToken } from "../../../gpu-backend/engine/card-budget.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import type { Engine, EngineOptions } from "../../../gpu-backend/engine/types.ts";
import { writeRandomCheckpoint } from "../../bench/gpu/random-checkpoint.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { distance, row } from "../cosine.ts";
import { DEMO_MODEL_DIR, readDemoReference } from "../engine/demo-reference.ts";
import { embedded, post, SECRET, startBackend } from "../server/running-backend.ts";
import { makeFakeCuda, whyNoFakeCuda } from "./fake-cuda.ts";

const TARGETS: readonly CompileTarget[] = ["cuda-fp16", "cuda-bf16"];
const WEIGHTS: readonly CudaWeights[] = ["as-is", "block32", "dense"];
const reason = whyNoFakeCuda();

let folder = "";
let work = "";
const engines: Engine[] = [];
beforeAll(() => {
  if (reason !== undefined) return;
  folder = makeFakeCuda();
  work = mkdtempSync(join(tmpdir(), "fake-card-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const engine of engines.splice(0)) await engine.close();
});
afterAll(() => {
  for (const dir of [folder, work]) if (dir !== "") rmSync(dir, { recursive: true, force: true });
});

const compile = (target: CompileTarget = "cuda-fp16", cudaWeights: CudaWeights = "as-is"): Promise<CompiledModel> =>
  compileCheckpoint(DEMO_MODEL_DIR, { target, precision: "exact", cudaWeights, cacheDir: work });

async function start(options: Partial<EngineOptions> = {}): Promise<Engine> {
  const model = await compile();
  vi.stubEnv("FAKE_CUDA_WIDTH", String(model.config.hiddenSize));
  const engine = await startEngine(model, { threads: 1, cuda: { folder }, ...options });
  engines.push(engine);
  return engine;
}

const textsOf = (count: number, tokens: number): readonly Int32Array[] =>
  Array.from({ length: count }, (_, text) =>
    Int32Array.from({ length: tokens }, (_unused, at) => 1 + ((text + at) % 200)),
  );
const isUnit = (vectors: Uint16Array): boolean => vectors.every((bits) => bits === 0x2c00);

/** What the driver's tool says. */
function stubCard(driver: string, freeMiB: number): void {
  const line = `0, Some card, ${driver}, 80000, ${freeMiB}, 9.0`;
  writeFileSync(join(work, "nvidia-smi"), `#!/bin/sh\necho "${line}"\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${work}:${process.env["PATH"]}`);
}

/** What ONNX Runtime says of a session: its nodes by provider. Its own process, whose log is read. */
function placements(graphPath: string): Readonly<Record<string, readonly string[]>> {
  const script = `require("onnxruntime-node").InferenceSession.create(${JSON.stringify(graphPath)}, {
    executionProviders: [{ name: "cuda", deviceId: 0 }], logSeverityLevel: 0, extra: { ep: { cuda: { fpa_intb_gemm: "1" } } } })
    .then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); })`;
  const { status, stderr } = spawnSync(process.execPath, ["-e", script], {
    encoding: "utf8",
    cwd: import.meta.dirname,
    env: cudaEnvironment({ folder }),
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(stderr.slice(-1_000));
  const nodes: Record<string, string[]> = {};
  let provider = "";
  for (const line of stderr.split("\n")) {
    provider = /Node\(s\) placed on \[(\w+)\]/.exec(line)?.[1] ?? provider;
    const [, name] = /VerifyEachNodeIsAssignedToAnEp\] +\w+ \((.+)\)/.exec(line) ?? [];
    if (name !== undefined) (nodes[provider] ??= []).push(name);
  }
  return nodes;
}

describe.skipIf(reason !== undefined)(
  `on a card that computes nothing${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  () => {
    test("all libraries are found, the driver's too", () => {
      expect(whyNotUsable(folder, { driver: true })).toBeUndefined();
    });

    test.each(TARGETS.flatMap((target) => WEIGHTS.map((weights) => [target, weights] as const)))(
      "%s, %s: all that computes has a kernel on the card",
      async (target, weights) => {
        const {
          CPUExecutionProvider: onHost = [],
          CUDAExecutionProvider: onCard = [],
          ...others
        } = placements((await compile(target, weights)).graphPath);
        expect(Object.keys(others)).toEqual([]);
        expect(onCard.length).toBeGreaterThan(50);
        // Sizes of four bytes, which the host must know before it launches.
        expect(onHost.filter((name) => !/\.(?:zero|flat_shape)$/.test(name))).toEqual([]);
      },
    );

    test("the engine serves", async () => {
      const engine = await start();
      const { vectors } = await engine.run(textsOf(3, 20));
      expect(isUnit(vectors)).toBe(true);
    });

    test.each([
      ["100", /could not start: no CUDA-capable device is detected \(CUDA error 100\): in a container/],
      ["35", /could not start: CUDA driver version is insufficient.*install 580 or newer/],
    ])("CUDA error %s at the start is one sentence", async (number, sentence) => {
      vi.stubEnv("FAKE_CUDA_ERROR", number);
      await expect(start()).rejects.toThrow(sentence);
    });

    test("a card too small for the model is named as that", async () => {
      vi.stubEnv("FAKE_CUDA_BYTES", String(4 << 20));
      await expect(start()).rejects.toThrow(/could not start: the card's memory does not hold the model/);
    });

    test("a batch that the memory does not hold is halved until it fits, and the process stays", async () => {
      const log = join(work, "peak");
      vi.stubEnv("FAKE_CUDA_LOG", log);
      const small = await start();
      await small.run(textsOf(16, 256));
      const bytes = Number(readFileSync(log, "utf8"));
      await small.close();
      vi.stubEnv("FAKE_CUDA_BYTES", String(bytes + (1 << 20)));
      const reasons: string[] = [];
      const engine = await start({ onRestart: (why) => reasons.push(why) });
      const { vectors } = await engine.run(textsOf(128, 256));
      expect(isUnit(vectors)).toBe(true);
      expect(reasons).toEqual([]);
    });

    test.each([
      [64, 512],
      [16, 512],
      [1, 16_384],
    ])("a run of %i texts of %i tokens takes the memory that its budget reckons with", async (count, tokens) => {
      const shape = { layers: 2, hidden: 2560, heads: 32, kvHeads: 8, headDim: 128, mlp: 9728, vocabulary: 1_000 };
      const dir = join(work, "wide");
      writeRandomCheckpoint(shape, dir);
      const model = await compileCheckpoint(dir, { target: "cuda-fp16", precision: "exact" });
      const log = join(work, "held");
      vi.stubEnv("FAKE_CUDA_LOG", log);
      vi.stubEnv("FAKE_CUDA_BYTES", "64000000000");
      vi.stubEnv("FAKE_CUDA_WIDTH", "2560");
      const engine = await startEngine(model, { threads: 1, cuda: { folder }, budget: DEFAULT_BUDGETS["cuda-fp16"] });
      engines.push(engine);
      await engine.run(textsOf(count, tokens));
      const weights = statSync(join(dirname(model.graphPath), WEIGHTS_FILE)).size;
      const taken = Number(readFileSync(log, "utf8")) - weights;
      const reckoned = bytesPerToken(model.config) * count * tokens;
      // What is reserved besides is for CUDA's own; its arena's first pieces count as that.
      expect(taken).toBeLessThan(reckoned + 0.8e9);
      expect(taken).toBeGreaterThan(reckoned / 2.25);
    });

    test("a checkpoint that float16 does not hold is served in bfloat16, and what that does not hold in float32", async () => {
      // Without FAKE_CUDA_WIDTH every vector is zero, which is as bad as one that is not finite.
      const backend = await startBackend(["--target", "cuda-fp16", "--cuda-folder", folder]);
      try {
        const headers = { authorization: `Bearer ${SECRET}` };
        const info = await (await fetch(`${backend.origin}/info`, { headers })).json();
        expect(info).toMatchObject({ compile: { target: "cuda-bf16" }, engine: { restarts: 0 } });
        const reference = readDemoReference();
        const { vectors } = await embedded(
          await post(backend.origin, "/embed", { texts: [[...(reference.ids[0] ?? [])]] }),
        );
        expect(distance(row(vectors, 0, reference.size), reference.embeddings[0] ?? [])).toBeLessThan(1e-6);
      } finally {
        await backend.close();
      }
    });

    test("small and large runs each have their form, the engine takes no more memory than that is reckoned with, and damage to either is found", async () => {
      const shape = { layers: 2, hidden: 2560, heads: 32, kvHeads: 8, headDim: 128, mlp: 9728, vocabulary: 1_000 };
      const dir = join(work, "two-forms");
      writeRandomCheckpoint(shape, dir);
      const bySize = { small: "block32", large: "dense", tokensMin: 2_048 } as const;
      const options = { target: "cuda-fp16", precision: "exact", threads: 1, cuda: { folder } } as const;
      const { model } = await compileChosen(dir, { ...options, cudaWeights: bySize });
      for (const cudaWeights of ["block32", "dense"] as const) {
        const alone = await compileChosen(dir, { ...options, cudaWeights });
        expect(graphPathsOf(model)).toContain(alone.model.graphPath);
        expect(model.revision).not.toBe(alone.model.revision);
      }
      const log = join(work, "held by two");
      vi.stubEnv("FAKE_CUDA_LOG", log);
      vi.stubEnv("FAKE_CUDA_BYTES", "64000000000");
      vi.stubEnv("FAKE_CUDA_WIDTH", "2560");
      const engine = await startEngine(model, { threads: 1, cuda: { folder } });
      engines.push(engine);
      for (const tokens of [2_047, 16_384]) await engine.run(textsOf(1, tokens));
      const taken = Number(readFileSync(log, "utf8")) - weightsBytesOf(graphPathsOf(model));
      const reckoned = bytesPerToken(model.config) * (16_384 + 2_048);
      expect(taken).toBeLessThan(reckoned + 1.2e9);
      expect(taken).toBeGreaterThan(reckoned / 2.25);
      const damaged = join(dirname(model.largeRuns?.graphPath ?? ""), WEIGHTS_FILE);
      writeFileSync(damaged, Buffer.alloc(8, 0xab), { flag: "r+" });
      expect(await removeDamage(model)).toEqual({ path: damaged, damaged: [] });
    });

    test("the form of the weights is tried on the card once, then kept", async () => {
      vi.stubEnv("FAKE_CUDA_WIDTH", "256");
      stubCard("580.1", 79_000);
      const dir = copyCheckpoint(DEMO_MODEL_DIR, work);
      const options = {
        target: "cuda-fp16",
        precision: "exact",
        cudaWeights: "auto",
        threads: 1,
        cuda: { folder },
      } as const;
      const { model, cudaChoice } = await compileChosen(dir, options);
      expect(cudaChoice?.figures).toMatchObject([
        { form: "as-is", distance: expect.closeTo(0) },
        { form: "block32", distance: expect.closeTo(0) },
        { form: "dense", distance: expect.closeTo(0) },
      ]);
      expect(cudaChoice?.figures[0]?.runs.map(({ tokens }) => tokens)).toEqual([16, 128, 512, 2_048, 8_192]);
      expect(graphPathsOf(model)).toHaveLength(cudaChoice?.bySize === undefined ? 1 : 2);
      vi.stubEnv("FAKE_CUDA_ERROR", "100");
      expect((await compileChosen(dir, options)).cudaChoice).toEqual(cudaChoice);
      // Two forms are taken while the card has room for both.
      const compiled = join(dir, ".compiled");
      const kept = readdirSync(compiled).find((name) => name.startsWith("cuda-weights-"));
      const bySize = { small: "block32", large: "dense", tokensMin: 512 };
      writeFileSync(join(compiled, kept ?? ""), JSON.stringify({ ...cudaChoice, bySize }));
      expect(await compileChosen(dir, options)).toMatchObject({
        model: { cudaWeights: "block32", largeRuns: { cudaWeights: "dense", tokensMin: 512 } },
        cudaChoice: { bySize },
      });
      stubCard("580.1", 2_000);
      const crowded = await compileChosen(dir, options);
      expect(crowded.cudaChoice?.why).toMatch(/; the card has no room for both$/);
      expect(crowded.model.largeRuns).toBeUndefined();
      expect(crowded.model.cudaWeights).toBe(cudaChoice?.cudaWeights);
    });

    test("that float16 does not hold a checkpoint is found out once for a card and its driver", async () => {
      const dir = copyCheckpoint(DEMO_MODEL_DIR, work);
      const infoWith = async (driver: string): Promise<unknown> => {
        stubCard(driver, 79_000);
        const flags = ["--model", dir, "--target", "cuda-fp16", "--cuda-folder", folder];
        const backend = await startBackend([...flags, "--cuda-weights", "block32+dense@64"]);
        try {
          const headers = { authorization: `Bearer ${SECRET}` };
          return await (await fetch(`${backend.origin}/info`, { headers })).json();
        } finally {
          await backend.close();
        }
      };
      // Every vector is zero, which is as bad as one that is not finite.
      expect(await infoWith("580.1")).toMatchObject({ compile: { target: "cuda-bf16" } });
      // Now each is finite.
      vi.stubEnv("FAKE_CUDA_WIDTH", "256");
      expect(await infoWith("580.1")).toMatchObject({ compile: { target: "cuda-bf16" } });
      expect(await infoWith("580.2")).toMatchObject({
        compile: { target: "cuda-fp16", cudaWeights: "block32", largeRuns: { cudaWeights: "dense", tokensMin: 64 } },
        kernels: "MatMulNBits, fpA-intB gemm, blocks of 32; from 64 tokens a run MatMul, 16-bit",
      });
    });

    test("a lost card ends the process, and the batch is answered by the next one", async () => {
      const fault = join(work, "fault");
      vi.stubEnv("FAKE_CUDA_FAULT", fault);
      const reasons: string[] = [];
      const engine = await start({ onRestart: (why) => reasons.push(why) });
      await engine.run(textsOf(2, 20));
      writeFileSync(fault, "");
      const batches = await Promise.all([engine.run(textsOf(40, 30)), engine.run(textsOf(3, 10))]);
      expect(batches.every(({ vectors }) => isUnit(vectors))).toBe(true);
      expect(existsSync(fault)).toBe(false);
      expect(engine.restarts).toBe(1);
      expect(reasons).toEqual([expect.stringMatching(/^the engine process ended itself: .*illegal memory access/)]);
    });
  },
);
