// A checkpoint → the compiled model that this machine serves it best with. On a CPU that is the float32 graph, or one with
// integer products where a trial found it faster and near enough. The trial runs once, in a process of its own; what may not
// be believed from one start to the next (the memory, the processor's products) is looked at each time.

import type { ModelConfig } from "../checkpoint/read-config.ts";
import { compileCheckpoint, type CompileOptions } from "../compiler/compile.ts";
import { compiledRoots } from "../compiler/compiled-folder.ts";
import type { CompiledModel, CpuLinears, CudaWeights } from "../compiler/compiled-model.ts";
import type { CudaPlace } from "../cuda/libraries.ts";
import { chooseOnCard } from "./choose-on-card.ts";
import { compileForms } from "./compile-forms.ts";
import type { CudaChoice, FormsBySize } from "./cuda-forms.ts";
import { StartError } from "../config.ts";
import { memoryAllowed } from "../memory.ts";
import { ASKED_FOR, choiceFile, keptOrTried, type LinearsChoice } from "./choice.ts";
import { processorClass } from "./processor-class.ts";
import { runTrial } from "./run-trial.ts";

/** Smaller models are fast in any form; the demo model has 3 million. */
const WEIGHTS_MIN = 50_000_000;
const INT8_PAIRS_BYTES = 3;
/** What the integer form's weights may take of the memory: activations, the table and the system need the rest. */
const MEMORY_SHARE_MAX = 0.5;

export interface ChosenModel {
  readonly model: CompiledModel;
  /** Absent where there is nothing to choose. */
  readonly choice?: LinearsChoice;
  /** Of the form on a card, where it was to be chosen. */
  readonly cudaChoice?: CudaChoice;
}

export interface ChooseOptions extends Omit<CompileOptions, "linears" | "plan" | "cudaWeights"> {
  /** auto: what a trial on the card finds. Default as-is. */
  readonly cudaWeights?: "auto" | CudaWeights | FormsBySize;
  readonly cuda?: CudaPlace;
  /** What of the card's free memory the model may take, 0..1; default all. */
  readonly cardShare?: number;
  /** Intra-op threads of the engine. */
  readonly threads: number;
  /** auto, the default: what a trial finds. A form by name is used whatever its speed and memory, if its products and vectors are right. */
  readonly linears?: "auto" | CpuLinears;
}

/**
 * Rejects as compileCheckpoint does, and with StartError where the form that was asked for cannot serve. A trial of `auto`
 * that fails leaves the float32 graph.
 */
export async function compileChosen(dir: string, options: ChooseOptions): Promise<ChosenModel> {
  const chosen = await choose(dir, options);
  options.onProgress?.(1, "compiled");
  return chosen;
}

async function choose(
  dir: string,
  {
    threads,
    linears = "auto",
    onProgress = () => undefined,
    cudaWeights = "as-is",
    cuda,
    cardShare = 1,
    ...rest
  }: ChooseOptions,
): Promise<ChosenModel> {
  const part = (from: number) => ({
    ...rest,
    onProgress: (fraction: number, what: string) => onProgress(from + fraction / 3, what),
  });
  if (rest.target !== "cpu") {
    const compile = { ...rest, onProgress };
    if (cudaWeights !== "auto") return { model: await compileForms(dir, compile, cudaWeights) };
    const cudaChoice = await chooseOnCard(dir, { ...compile, threads, cardShare, ...(cuda && { cuda }) });
    const forms = cudaChoice.bySize ?? cudaChoice.cudaWeights;
    return { model: await compileForms(dir, compile, forms), cudaChoice };
  }
  const model = await compileCheckpoint(dir, part(0));
  const processor = processorClass();
  const float32 = (why: string): ChosenModel => ({ model, choice: { linears: "float32", processor, why } });
  if (linears === "float32") return float32(ASKED_FOR);
  const only = linears === "auto" ? undefined : linears;
  const refusal = (only === undefined ? whyNotIntegers(model.config) : undefined) ?? (await whyNotExact(threads));
  if (refusal !== undefined) {
    if (only !== undefined) throw cannotServe(only, refusal);
    return float32(refusal);
  }
  const { env } = await import("onnxruntime-node");
  const roots = compiledRoots(dir, rest.cacheDir);
  const file = choiceFile([
    model.revision,
    processor,
    String(threads),
    env.versions.node ?? "",
    ...(only ? [only] : []),
  ]);
  const request = {
    checkpointDir: dir,
    threads,
    processor,
    ...(rest.cacheDir !== undefined && { cacheDir: rest.cacheDir }),
    ...(only !== undefined && { only }),
  };
  const choice = await keptOrTried(roots, file, async () => {
    const tried = await runTrial(request, part(1 / 3).onProgress);
    if (typeof tried !== "string") return tried;
    if (only !== undefined) throw cannotServe(only, tried);
    return { linears: "float32", processor, why: tried, failedAt: Date.now() };
  });
  if (only !== undefined && choice.linears !== only) throw cannotServe(only, choice.why);
  if (choice.linears === "float32") return { model, choice };
  return { model: await compileCheckpoint(dir, { ...part(2 / 3), linears: choice.linears }), choice };
}

function cannotServe(linears: CpuLinears, why: string): StartError {
  return new StartError(`--linears "${linears}" cannot serve here: ${why}; --linears auto or float32 can`);
}

/** Why the integer forms are not even tried, if they are not. `memoryBytes`: what this process may use. */
export function whyNotIntegers(config: ModelConfig, memoryBytes = memoryAllowed()): string | undefined {
  const { layers, hiddenSize, intermediateSize, queryHeads, keyValueHeads, headDim, gated } = config;
  const attention = 2 * (queryHeads + keyValueHeads) * headDim * hiddenSize;
  const weights = layers * (attention + (gated ? 3 : 2) * hiddenSize * intermediateSize);
  if (weights < WEIGHTS_MIN) return "a model of this size gains nothing from another form";
  const bytes = weights * INT8_PAIRS_BYTES;
  if (bytes <= memoryBytes * MEMORY_SHARE_MAX) return undefined;
  const gb = (value: number): string => (value / 1e9).toFixed(1);
  return `the integer forms take ${gb(bytes)} GB of ${gb(memoryBytes)} GB of memory, more than half`;
}

async function whyNotExact(threads: number): Promise<string | undefined> {
  // The runtime is loaded into this process only where there is something to choose: the engine has one of its own.
  const { integerProductsAreExact } = await import("../engine/integer-products.ts");
  if (await integerProductsAreExact(threads)) return undefined;
  return "this processor's products of 8-bit integers saturate";
}
