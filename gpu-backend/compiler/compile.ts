// Checkpoint folder → ONNX graph and weights file, cached by content: the same files, compiler, target and precision
// are compiled once. The revision that names the cache folder is also what caches of vectors are keyed by.

import { createHash } from "node:crypto";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { must } from "../../shared/assert.ts";
import { parseRevision, type ModelRevision } from "../../shared/ids.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import { checkTensors } from "../checkpoint/check-tensors.ts";
import { MEANING_FILES } from "../checkpoint/meaning.ts";
import { layoutName } from "../checkpoint/quantization.ts";
import { type ModelConfig, readConfig } from "../checkpoint/read-config.ts";
import { makeFolder } from "../storage/make-folder.ts";
import { codeOf, refusalOf } from "../storage/refusal.ts";
import {
  compiledRoots,
  discardCompiled,
  findDamage,
  GRAPH_FILE,
  layerFile,
  type Manifest,
  publish,
  readCompiled,
  WEIGHTS_FILE,
} from "./compiled-folder.ts";
import {
  type CompiledModel,
  type CompileTarget,
  type CpuLinears,
  type CudaWeights,
  graphPathsOf,
  type Precision,
} from "./compiled-model.ts";
import { fingerprintFiles } from "./fingerprint.ts";
import { type GraphPlan, planFor } from "./graph-plan.ts";
import { hasLayerGraphs, layerGraphs } from "./layer-graphs.ts";
import { encodeModel } from "./onnx-proto.ts";
import { buildModelGraph } from "./model-graph.ts";
import { WeightsFile } from "./weights-file.ts";

/** Raised whenever the same checkpoint gives other vectors, or other files, than before. */
const COMPILER_VERSION = "8";
const PRODUCER = { name: "gigarouter", version: COMPILER_VERSION };

export interface CompileOptions {
  readonly target: CompileTarget;
  readonly precision: Precision;
  /** Form of 4-bit weights on a CUDA target; default as-is. */
  readonly cudaWeights?: CudaWeights;
  /** What the linear layers of a CPU graph are; default float32. */
  readonly linears?: CpuLinears;
  /** Where compiled files go when the checkpoint's folder cannot be written. */
  readonly cacheDir?: string;
  /** Called with the fraction done, 0..1, and what is being done. */
  readonly onProgress?: (fraction: number, what: string) => void;
  /** Folders of compiled files that turned out damaged, and could not be removed. */
  readonly damaged?: readonly string[];
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
  const { linears = "float32" } = options;
  const plan = options.plan ?? planFor(options.target, cudaWeights, linears);
  const config = readConfig(dir);
  const files = new CheckpointFiles(dir, config);
  try {
    checkTensors(files, config);
    const roots = compiledRoots(dir, options.cacheDir);
    const revision = await revisionOf(files, config, roots, [
      COMPILER_VERSION,
      options.target,
      options.precision,
      JSON.stringify(plan),
      JSON.stringify([config.maxTokens, config.pooling, config.dense, ...(config.reranker ? [config.reranker] : [])]),
    ]);
    const { target, damaged = [], onProgress } = options;
    const place = await findOrCompile(files, config, { target, plan, revision, roots, damaged, onProgress });
    options.onProgress?.(1, "compiled");
    return {
      graphPath: join(place.folder, GRAPH_FILE),
      revision,
      config,
      layout: place.manifest.layout,
      target: options.target,
      precision: options.precision,
      cudaWeights,
      linears,
      checkpointDir: dir,
    };
  } finally {
    files.close();
  }
}

interface CompileJob {
  readonly target: CompileTarget;
  readonly plan: GraphPlan;
  readonly revision: ModelRevision;
  readonly roots: readonly string[];
  readonly damaged: readonly string[];
  readonly onProgress: CompileOptions["onProgress"];
}

async function findOrCompile(
  files: CheckpointFiles,
  config: ModelConfig,
  job: CompileJob,
): Promise<{ folder: string; manifest: Manifest }> {
  const folders = job.roots.map((root) => join(root, job.revision)).filter((folder) => !job.damaged.includes(folder));
  for (const folder of folders) {
    const manifest = readCompiled(folder);
    if (manifest !== undefined) return { folder, manifest };
  }
  const refusals: string[] = [];
  for (const folder of folders) {
    try {
      const manifest = await compileInto(folder, files, config, job);
      return { folder, manifest };
    } catch (error) {
      if (!(error instanceof PlaceRefused)) throw error;
      refusals.push(error.message);
    }
  }
  throw new CheckpointError(
    `${refusals.join(", and ")}: there is no place for the compiled files; give the backend another folder with --data, or free space`,
  );
}

/** The file system does not take the compiled files there. */
class PlaceRefused extends Error {}
/** Refusals of a write itself; others (a file that is missing) come from reading the checkpoint. */
const WRITE_REFUSALS = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT", "EFBIG"]);

async function compileInto(
  folder: string,
  files: CheckpointFiles,
  config: ModelConfig,
  job: CompileJob,
): Promise<Manifest> {
  const root = dirname(folder);
  const onWait = (): void => job.onProgress?.(0, "waiting for another start that compiles the same");
  try {
    makeRoot(root);
    return await publish(root, job.revision, (temporary) => writeCompiled(temporary, files, config, job), {
      onWait,
    });
  } catch (error) {
    if (!WRITE_REFUSALS.has(codeOf(error) ?? "")) throw error;
    throw new PlaceRefused(`${root} ${refusalOf(error)}`);
  }
}

function makeRoot(root: string): void {
  try {
    makeFolder(root);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    throw new PlaceRefused(`${root} ${refusal}`);
  }
}

export interface Damage {
  /** The file whose content is not what was compiled. */
  readonly path: string;
  /** The folder to leave out when the checkpoint is compiled again, since it could not be removed. */
  readonly damaged: readonly string[];
}

/**
 * Reads the compiled files again and compares them with what was compiled (about a second for 2 GB). Damaged ones are
 * removed, if the file system lets them be.
 */
export async function removeDamage(model: CompiledModel): Promise<Damage | undefined> {
  for (const graphPath of graphPathsOf(model)) {
    const folder = dirname(graphPath);
    const file = await findDamage(folder);
    if (file === undefined) continue;
    discardCompiled(folder);
    return { path: join(folder, file), damaged: existsSync(folder) ? [folder] : [] };
  }
  return undefined;
}

/** As compileCheckpoint; what it finds compiled is read whole, and compiled again when it is damaged. */
export async function compileSoundly(dir: string, options: CompileOptions): Promise<CompiledModel> {
  const model = await compileCheckpoint(dir, options);
  const damage = await removeDamage(model);
  return damage === undefined ? model : compileCheckpoint(dir, { ...options, damaged: damage.damaged });
}

/** Writes the graph and its weights; gives the layout. */
async function writeCompiled(
  folder: string,
  files: CheckpointFiles,
  config: ModelConfig,
  job: CompileJob,
): Promise<string> {
  const weights = new WeightsFile(join(folder, WEIGHTS_FILE));
  try {
    const onStep = async (fraction: number, what: string): Promise<void> => {
      job.onProgress?.(fraction, what);
      await new Promise(setImmediate);
    };
    const built = await buildModelGraph({ files, config, plan: job.plan, weights, producer: PRODUCER, onStep });
    writeFileSync(join(folder, GRAPH_FILE), encodeModel(built.model), { flush: true });
    // Elsewhere a long text fits into memory whole, and a past would travel to the host and back.
    if (job.target === "cpu" && hasLayerGraphs(config)) {
      for (const [layer, graph] of layerGraphs(built, config).entries())
        writeFileSync(join(folder, layerFile(layer)), encodeModel(graph), { flush: true });
    }
    return layoutName(config.quantization, files.info(files.tableName).dtype);
  } finally {
    weights.close();
  }
}

async function revisionOf(
  files: CheckpointFiles,
  config: ModelConfig,
  roots: readonly string[],
  facts: readonly string[],
): Promise<ModelRevision> {
  const dense = config.dense.map(({ folder }) => join(folder, "model.safetensors"));
  const meaning = [...MEANING_FILES, ...dense].map((name) => join(files.dir, name)).filter((path) => existsSync(path));
  const hashes = await fingerprintFiles([...files.paths, ...meaning], roots);
  const digest = createHash("sha256")
    .update(JSON.stringify([facts, [...hashes].toSorted(([left], [right]) => (left < right ? -1 : 1))]))
    .digest("hex");
  return must(parseRevision(digest.slice(0, 32)), "revision");
}
