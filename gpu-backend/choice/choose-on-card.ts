// A checkpoint → the form of its 4-bit weights, or the two forms, that this machine's card serves it best with (--cuda-weights auto): tried
// once, in a process of its own, then kept beside the compiled files for this card, driver, runtime and checkpoint. Whether the card has
// room for two is looked at each time.

import { dirname } from "node:path";

import type { ModelConfig } from "../checkpoint/read-config.ts";
import { compileCheckpoint, type CompileOptions } from "../compiler/compile.ts";
import { compiledRoots, discardCompiled } from "../compiler/compiled-folder.ts";
import { type CudaWeights, graphPathsOf } from "../compiler/compiled-model.ts";
import { type Card, cardInUse, cardName, readCards } from "../cuda/cards.ts";
import { weightsBytesOf } from "../cuda/fit-card.ts";
import { CUDA_FOLDER, type CudaPlace, cudaEnvironment } from "../cuda/libraries.ts";
import { ONNXRUNTIME_VERSION } from "../cuda/wheels.ts";
import { DEFAULT_BUDGETS } from "../engine/batch-budget.ts";
import { readable } from "../engine/device-fault.ts";
import { cardBudget } from "../engine/card-budget.ts";
import { forkProgram } from "../fork-program.ts";
import { chooseForm, type CudaChoice, cudaChoiceSchema, type FormFigures } from "./cuda-forms.ts";
import type { CudaTrialRequest, FromCudaTrial } from "./cuda-trial-process.ts";
import { compileForms } from "./compile-forms.ts";
import { keep, keptFile, readKept } from "./kept-choice.ts";

export interface CardOptions extends Pick<
  CompileOptions,
  "target" | "precision" | "cacheDir" | "onProgress" | "damaged"
> {
  readonly threads: number;
  /** As ChooseOptions'. */
  readonly cardShare: number;
  readonly cuda?: CudaPlace;
}

/** Rejects as compileCheckpoint does. A trial that fails leaves the weights as they are. Two forms: only where the card has room for them now. */
export async function chooseOnCard(dir: string, options: CardOptions): Promise<CudaChoice> {
  const found = cardInUse(readCards(), options.cuda?.card);
  const card = found?.freeBytes === undefined ? found : { ...found, freeBytes: found.freeBytes * options.cardShare };
  const choice = await keptOrTried(dir, options, card);
  const { bySize, ...alone } = choice;
  if (bySize === undefined) return choice;
  const { config, ...model } = await compileForms(dir, withoutCard(options), bySize);
  if (fits(config, weightsBytesOf(graphPathsOf(model)), card?.freeBytes, bySize.tokensMin)) return choice;
  return { ...alone, why: `${alone.why}; the card has no room for both` };
}

async function keptOrTried(dir: string, options: CardOptions, card: Card | undefined): Promise<CudaChoice> {
  const { threads, cuda: place = { folder: CUDA_FOLDER } } = options;
  const compile = withoutCard(options);
  const asIs = await compileCheckpoint(dir, { ...compile, cudaWeights: "as-is" });
  const name = cardName(card);
  const roots = compiledRoots(dir, options.cacheDir);
  const file = keptFile("cuda-weights", [asIs.revision, name, ONNXRUNTIME_VERSION]);
  const before = readKept(cudaChoiceSchema, roots, file);
  if (before !== undefined) return before;
  const forms: CudaWeights[] = ["as-is"];
  // The provider's fast 4-bit kernels take only float16.
  if (options.target === "cuda-fp16") forms.push("block32");
  const tableBytes = 2 * asIs.config.vocabSize * asIs.config.hiddenSize;
  const packedBytes = weightsBytesOf([asIs.graphPath]) - tableBytes;
  if (fits(asIs.config, tableBytes + packedBytes * DENSE_BYTES_MAX, card?.freeBytes)) forms.push("dense");
  options.onProgress?.(0, "trying forms of the weights on the card");
  const request = { checkpointDir: dir, target: options.target, threads, forms };
  const { figures, failures } = await runTrial(
    { ...request, ...(options.cacheDir !== undefined && { cacheDir: options.cacheDir }) },
    place,
  );
  const chosen = chooseForm(figures);
  const choice = { ...chosen, why: [chosen.why, ...failures].join("; "), card: name, figures: [...figures] };
  // As they are they tell the next start under what its choice is kept.
  const kept = new Set<CudaWeights | undefined>([
    "as-is",
    chosen.cudaWeights,
    chosen.bySize?.small,
    chosen.bySize?.large,
  ]);
  for (const form of forms) {
    if (kept.has(form)) continue;
    discardCompiled(dirname((await compileCheckpoint(dir, { ...compile, cudaWeights: form })).graphPath));
  }
  // What failed whole (a card that was busy) is tried again by the next start.
  if (figures.length > 0) keep(roots, file, choice);
  return choice;
}

/** 16 bits for 4, beside which scales are little. */
const DENSE_BYTES_MAX = 4;

function withoutCard(options: CardOptions): Omit<CompileOptions, "cudaWeights"> {
  const { target, precision, cacheDir, onProgress, damaged } = options;
  return {
    target,
    precision,
    ...(cacheDir !== undefined && { cacheDir }),
    ...(onProgress && { onProgress }),
    ...(damaged && { damaged }),
  };
}

/** Whether runs stay as large as they are worth. `smallTokens` as cardBudget's. */
function fits(config: ModelConfig, weightsBytes: number, freeBytes: number | undefined, smallTokens = 0): boolean {
  if (freeBytes === undefined) return false;
  return cardBudget(config, weightsBytes, freeBytes, smallTokens)?.maxTokens === DEFAULT_BUDGETS["cuda-fp16"].maxTokens;
}

interface Trial {
  readonly figures: readonly FormFigures[];
  /** Why others have none. */
  readonly failures: readonly string[];
}

/** Whatever becomes of the process, there is an answer. */
function runTrial(request: CudaTrialRequest, place: CudaPlace): Promise<Trial> {
  const child = forkProgram("cuda-trial-process", { env: cudaEnvironment(place) });
  const figures: FormFigures[] = [];
  const failures: string[] = [];
  return new Promise((resolve) => {
    child.on("message", (message: FromCudaTrial) => {
      if (message.kind === "figures") figures.push(message.figures);
      else failures.push(`${message.form} failed: ${readable(message.reason)}`);
    });
    const end = (how: string): void => {
      if (figures.length + failures.length < request.forms.length) failures.push(`the trial ended with ${how}`);
      resolve({ figures, failures });
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(String(signal ?? code)));
    child.send(request, () => undefined);
  });
}
