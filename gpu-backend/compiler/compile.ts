// Checkpoint folder → ONNX graph and weights file, cached by content: the same files, compiler, target and precision
// are compiled once. The revision that names the cache folder is also what caches of vectors are keyed by.

import { createHash } from "node:crypto";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { must } from "../../shared/assert.ts";
import { parseRevision, type ModelRevision } from "../../shared/ids.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import { layoutName } from "../checkpoint/quantization.ts";
import { type ModelConfig, readConfig } from "../checkpoint/read-config.ts";
import {
  compiledRoots,
  GRAPH_FILE,
  type Manifest,
  publish,
  readCompiled,
  WEIGHTS_FILE,
  findWritableRoot,
} from "./compiled-folder.ts";
import type { CompiledModel, CompileTarget, CudaWeights, Precision } from "./compiled-model.ts";
import { fingerprintFiles } from "./fingerprint.ts";
import { type GraphPlan, planFor } from "./graph-plan.ts";
import { encodeModel } from "./onnx-proto.ts";
import { buildQwen3Graph } from "./qwen3-graph.ts";
import { WeightsFile } from "./weights-file.ts";

export { CheckpointError } from "../checkpoint/checkpoint-error.ts";
export type { CompiledModel, CompileTarget, CudaWeights, Precision } from "./compiled-model.ts";

/** Raised whenever the same checkpoint gives other vectors, or other files, than before. */
const COMPILER_VERSION = "2";
const PRODUCER = { name: "gigarouter", version: COMPILER_VERSION };
/** Files beside the weights that change what a text's vector is. */
const MEANING_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"];

export interface CompileOptions {
  readonly target: CompileTarget;
  readonly precision: Precision;
  /** Form of 4-bit weights on a CUDA target; default as-is. */
  readonly cudaWeights?: CudaWeights;
  /** Where compiled files go when the checkpoint's folder cannot be written. */
  readonly cacheDir?: string;
  /** Called with the fraction done, 0..1, and what is being done. */
  readonly onProgress?: (fraction: number, what: string) => void;
  /** Overrides what `target` means: how tests prove that two plans give the same vectors. */
  readonly plan?: GraphPlan;
}

/** Compiles `dir` or finds it compiled. Throws CheckpointError with one clear sentence when the checkpoint is damaged or not supported. */
export async function compileCheckpoint(dir: string, options: CompileOptions): Promise<CompiledModel> {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new CheckpointError(
      `${dir}: is not a folder; a checkpoint is a folder with config.json and model.safetensors`,
    );
  const cudaWeights = options.target === "cpu" ? "as-is" : (options.cudaWeights ?? "as-is");
  const plan = options.plan ?? planFor(options.target, cudaWeights);
  const config = readConfig(dir);
  const files = new CheckpointFiles(dir);
  try {
    const roots = compiledRoots(dir, options.cacheDir);
    const revision = await revisionOf(files, roots, [
      COMPILER_VERSION,
      options.target,
      options.precision,
      JSON.stringify(plan),
    ]);
    const place = await findOrCompile(files, config, { plan, revision, roots, onProgress: options.onProgress });
    options.onProgress?.(1, "compiled");
    return {
      graphPath: join(place.folder, GRAPH_FILE),
      revision,
      config,
      layout: place.manifest.layout,
      target: options.target,
      precision: options.precision,
      cudaWeights,
      checkpointDir: dir,
    };
  } finally {
    files.close();
  }
}

interface CompileJob {
  readonly plan: GraphPlan;
  readonly revision: ModelRevision;
  readonly roots: readonly string[];
  readonly onProgress: CompileOptions["onProgress"];
}

async function findOrCompile(
  files: CheckpointFiles,
  config: ModelConfig,
  job: CompileJob,
): Promise<{ folder: string; manifest: Manifest }> {
  for (const root of job.roots) {
    const folder = join(root, job.revision);
    const manifest = readCompiled(folder);
    if (manifest !== undefined) return { folder, manifest };
  }
  const root = findWritableRoot(job.roots);
  if (root === undefined) {
    throw new CheckpointError(
      `${job.roots.join(" and ")}: cannot be written; compiled files need a cache folder that can`,
    );
  }
  const manifest = await publish(root, job.revision, (folder) => writeCompiled(folder, files, config, job));
  return { folder: join(root, job.revision), manifest };
}

async function writeCompiled(
  folder: string,
  files: CheckpointFiles,
  config: ModelConfig,
  job: CompileJob,
): Promise<Manifest> {
  const weights = new WeightsFile(join(folder, WEIGHTS_FILE));
  try {
    const onStep = async (fraction: number, what: string): Promise<void> => {
      job.onProgress?.(fraction, what);
      await new Promise(setImmediate);
    };
    const model = await buildQwen3Graph({ files, config, plan: job.plan, weights, producer: PRODUCER, onStep });
    const graph = encodeModel(model);
    writeFileSync(join(folder, GRAPH_FILE), graph, { flush: true });
    return {
      layout: layoutName(config.quantization, files.info("embed_tokens.weight").dtype),
      graphBytes: graph.length,
      weightsBytes: statSync(join(folder, WEIGHTS_FILE)).size,
    };
  } finally {
    weights.close();
  }
}

async function revisionOf(
  files: CheckpointFiles,
  roots: readonly string[],
  facts: readonly string[],
): Promise<ModelRevision> {
  const meaning = MEANING_FILES.map((name) => join(files.dir, name)).filter((path) => existsSync(path));
  const hashes = await fingerprintFiles([...files.paths, ...meaning], findWritableRoot(roots));
  const digest = createHash("sha256")
    .update(JSON.stringify([facts, [...hashes].toSorted(([left], [right]) => (left < right ? -1 : 1))]))
    .digest("hex");
  return must(parseRevision(digest.slice(0, 32)), "revision");
}
