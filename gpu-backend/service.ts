// The parts behind the routes, in the order they come up: compiled model, tokenizer processes, engine process, scheduler.
// Nothing here knows HTTP.

import { availableParallelism } from "node:os";

import type { BackendReady } from "../shared/wire.ts";
import { distanceMaxOf, type LinearsChoice } from "./choice/choice.ts";
import type { Pooling } from "./compiler/architectures/architecture.ts";
import type { CudaChoice } from "./choice/cuda-forms.ts";
import { type ChosenModel, compileChosen } from "./choice/compile-chosen.ts";
import { type Damage, removeDamage } from "./compiler/compile.ts";
import type { CompiledModel } from "./compiler/compiled-model.ts";
import { type Config, StartError } from "./config.ts";
import { fitCard, type FittedModel } from "./cuda/fit-card.ts";
import { type CudaPlace, whyNotUsable } from "./cuda/libraries.ts";
import { type BatchBudget, DEFAULT_BUDGETS, shortTokensMax } from "./engine/batch-budget.ts";
import { rowFormOf } from "./engine/row-form.ts";
import { sharesRows } from "./engine/shared-rows.ts";
import { startEngine } from "./engine/engine.ts";
import type { Engine } from "./engine/types.ts";
import { ExactEngine } from "./engine/exact-engine.ts";
import { float16Check, Float16Overflow } from "./float16-fallback.ts";
import type { Metrics } from "./metrics.ts";
import { CostModel } from "./scheduler/cost-model.ts";
import { Runner, type RunnerEvents } from "./scheduler/runner.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import type { SchedulerLimits } from "./scheduler/types.ts";
import { largestSmallRun, warmUp, warmUpShapes } from "./scheduler/warm-up.ts";
import { Throughput } from "./throughput.ts";
import { pairFormOf } from "./tokenizer/pair-form.ts";
import { TokenizerPool } from "./tokenizer/pool.ts";

const CPU_WARM_UP_TOKENS = 256;
/** Compiled files found damaged this often in one start are no accident. */
const DAMAGES_MAX = 2;

/** A hint to the operator while the start goes on: fraction done of the whole, 0..1. */
type OnProgress = (fraction: number, what: string) => void;

export interface Service {
  readonly model: CompiledModel;
  /** Why its linear layers are what they are; absent where there was nothing to choose. */
  readonly choice?: LinearsChoice | undefined;
  /** Why its weights have their form on the card; absent where nobody asked for a choice. */
  readonly cudaChoice?: CudaChoice | undefined;
  readonly modelId: string;
  readonly tokenizer: TokenizerPool;
  readonly engine: Engine;
  readonly runner: Runner;
  readonly cost: CostModel;
  readonly throughput: Throughput;
  readonly limits: SchedulerLimits;
  /** Ends its processes; calls that still wait are rejected. */
  close(): Promise<void>;
}

/** As `/v1/models` says them. */
export const POOLING_NAMES: Readonly<Record<Pooling, string>> = { lasttoken: "last_token", cls: "cls", mean: "mean" };

/** What /ready can say as soon as the model is compiled. */
export type ModelFacts = Omit<BackendReady, "status" | "load" | "tokensPerSecond">;

export function factsOf(model: CompiledModel, modelId: string): ModelFacts {
  return {
    model: modelId,
    revision: model.revision,
    kind: model.config.reranker === undefined ? "embedding" : "reranker",
    dimensions: model.config.dimensions,
    contextTokens: model.config.maxTokens,
    vocabularySize: model.config.vocabSize,
    endTokenId: model.config.endTokenId,
    pooling: POOLING_NAMES[model.config.pooling],
    architecture: model.config.architecture,
    matryoshka: model.config.matryoshka,
    prompts: model.config.prompts,
    // Held by test/gpu-backend/engine/same-bits.test.ts and by the trial of forms. 16-bit activations promise neither.
    ...(model.target === "cpu" && {
      arithmetic: { reproducible: true, float32DistanceMax: distanceMaxOf(model.config) },
    }),
  };
}

export interface ServiceOptions {
  readonly config: Config;
  readonly checkpointDir: string;
  readonly modelId: string;
  readonly metrics: Metrics;
  /** What it may take of the card's memory that is free when it starts, 0..1. */
  readonly cardShare: number;
  readonly onProgress: OnProgress;
  /** Before anything is loaded; what it throws ends the start. */
  readonly onCompiled: (model: CompiledModel) => void;
  readonly onEngineRestart: (reason: string) => void;
  /** A batch failed for a reason of our own. */
  readonly onBatchFault: (error: unknown) => void;
  /** Called with a sentence when compiled files are damaged and made again. */
  readonly onDamage: (what: string) => void;
  /** Called with a sentence when float16 does not hold the checkpoint, which is then served in bfloat16. */
  readonly onOverflow: (what: string) => void;
}

/**
 * Resolves when calls can be served. The compiled files are read whole and compared with what was compiled while the
 * engine warms up: damaged ones are compiled again. A checkpoint that float16 does not hold is served in
 * bfloat16. Rejects with CheckpointError, StartError or EngineDied.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  if (options.config.target !== "cpu") {
    const reason = whyNotUsable(options.config.cudaFolder, { driver: true });
    if (reason !== undefined) throw new StartError(reason);
  }
  try {
    return await startSoundly(options);
  } catch (error) {
    if (!(error instanceof Float16Overflow)) throw error;
    options.onOverflow(error.message);
    return startSoundly({ ...options, config: { ...options.config, target: "cuda-bf16" } });
  }
}

async function startSoundly(options: ServiceOptions): Promise<Service> {
  let damage: Damage | undefined;
  for (let damages = 0; damages < DAMAGES_MAX; damages += 1) {
    const chosen = await compiledModel(options, damage?.damaged ?? []);
    const [found, service] = await Promise.allSettled([removeDamage(chosen.model), warmService(chosen, options)]);
    const isSound = found.status === "fulfilled" && found.value === undefined;
    if (isSound && service.status === "fulfilled") {
      watch(options, service.value);
      return service.value;
    }
    if (service.status === "fulfilled") await service.value.close();
    if (found.status === "rejected") throw found.reason;
    // Damage may be why it could not be started.
    if (found.value === undefined && service.status === "rejected") throw service.reason;
    damage = found.value;
    options.onDamage(`${damage?.path} is damaged: the checkpoint is compiled again`);
  }
  throw new StartError(
    `${damage?.path} was damaged again after it had been compiled anew: check the disk and the memory.`,
  );
}

async function compiledModel(options: ServiceOptions, damaged: readonly string[]): Promise<ChosenModel & FittedModel> {
  const { config, onProgress } = options;
  const chosen = await compileChosen(options.checkpointDir, {
    target: config.target,
    precision: config.precision,
    cudaWeights: config.cudaWeights,
    cuda: cudaPlace(config),
    cardShare: options.cardShare,
    linears: config.linears,
    cacheDir: config.data,
    onProgress: (fraction, what) => onProgress(fraction * 0.6, what),
    damaged,
    threads: engineThreads(config),
  });
  const fitted =
    config.target === "cpu"
      ? { model: chosen.model, budget: DEFAULT_BUDGETS.cpu }
      : fitCard(chosen.model, cudaPlace(config), options.cardShare);
  options.onCompiled(fitted.model);
  onProgress(0.6, "loading the tokenizer and the model");
  return { ...chosen, ...fitted };
}

/** The parts behind the routes, started and warm. */
async function warmService(
  { model, choice, cudaChoice, budget }: ChosenModel & FittedModel,
  options: ServiceOptions,
): Promise<Service> {
  const { config, modelId, metrics, onProgress } = options;
  const checkFloat16 = float16Check(model, config);
  const { tokenizer, engine } = await startParts(model, budget, options);
  try {
    await checkFloat16(engine, tokenizer);
    const limits = schedulerLimits(config, model, budget);
    const onCpu = config.target === "cpu";
    const coefficients = await warmUp(engine, {
      shapes: [
        ...warmUpShapes(model.config.maxTokens, onCpu ? CPU_WARM_UP_TOKENS : limits.batchTokensMax),
        ...(model.largeRuns === undefined ? [] : [largestSmallRun(model.largeRuns)]),
      ],
      vocabSize: model.config.vocabSize,
      endTokenId: model.config.endTokenId,
      // A GPU's memory must have grown to its largest shape before the first call.
      secondsMax: onCpu ? config.warmUpSecondsMax : Number.POSITIVE_INFINITY,
      onProgress: (fraction) => onProgress(0.8 + fraction * 0.2, "warming up"),
    });
    const cost = new CostModel(coefficients);
    const throughput = new Throughput();
    const events: RunnerEvents = {
      batchDone: (batch, runMs) => {
        metrics.batch(modelId, batch, runMs);
        throughput.add(batch.tokens, runMs, performance.now());
      },
      recomputed: (finite) => metrics.recomputed(modelId, finite),
      fault: (error) => {
        metrics.batchFault(modelId);
        options.onBatchFault(error);
      },
      shed: (reason) => metrics.shed(reason, modelId),
    };
    // Float32 already: the same again would give the same.
    const exact = onCpu ? undefined : new ExactEngine(model, config.data);
    const runner = new Runner(new Scheduler(limits, cost), cost, engine, rowFormOf(model.config).words, events, exact);
    const close = async (): Promise<void> => {
      await Promise.all([engine.close(), tokenizer.close(), exact?.close()]);
    };
    return { model, choice, cudaChoice, modelId, tokenizer, engine, runner, cost, throughput, limits, close };
  } catch (error) {
    await Promise.all([engine.close(), tokenizer.close()]);
    throw error;
  }
}

function watch({ metrics, modelId }: ServiceOptions, { runner, engine, tokenizer, cost }: Service): void {
  metrics.watch(modelId, {
    queueSeconds: () => runner.queueSeconds(),
    openCalls: () => runner.openCalls,
    engineRestarts: () => engine.restarts,
    tokenizerReplacements: () => tokenizer.replacements,
    costScale: () => cost.scale,
  });
}

function cudaPlace({ cudaFolder, cudaDevice }: Config): CudaPlace {
  return { folder: cudaFolder, ...(cudaDevice !== undefined && { card: cudaDevice }) };
}

function engineThreads(config: Config): number {
  return Math.min(config.threads, availableParallelism());
}

async function startParts(
  model: CompiledModel,
  budget: BatchBudget,
  { config, onEngineRestart }: ServiceOptions,
): Promise<{ tokenizer: TokenizerPool; engine: Engine }> {
  const { endTokenId, vocabSize, maxTokens } = model.config;
  const pairs = pairFormOf(model.config);
  const [tokenizer, engine] = await Promise.allSettled([
    TokenizerPool.start(
      { checkpointDir: model.checkpointDir, endTokenId, vocabSize, maxTokens, ...(pairs && { pairs }) },
      { threads: config.tokenizerThreads, timeLimitMs: config.tokenizeMsMax },
    ),
    startEngine(model, {
      threads: engineThreads(config),
      cuda: cudaPlace(config),
      budget,
      onRestart: onEngineRestart,
    }),
  ]);
  if (tokenizer.status === "fulfilled" && engine.status === "fulfilled") {
    return { tokenizer: tokenizer.value, engine: engine.value };
  }
  if (tokenizer.status === "fulfilled") await tokenizer.value.close();
  if (engine.status === "fulfilled") await engine.value.close();
  throw tokenizer.status === "rejected" ? tokenizer.reason : engine.status === "rejected" ? engine.reason : undefined;
}

/** The scheduler's limits: what is configured, and what one run of the compiled graph may hold. */
export function schedulerLimits(
  config: Config,
  model: CompiledModel,
  budget: BatchBudget = DEFAULT_BUDGETS[model.target],
): SchedulerLimits {
  return {
    queueSecondsMax: config.queueSecondsMax,
    batchQueueSecondsMax: config.batchQueueSecondsMax,
    accountShareMax: config.accountShareMax,
    batchTokensMax: budget.maxTokens,
    paddedTokensMax: budget.maxPaddedTokens,
    batchTextsMax: config.batchTextsMax,
    shortTokensMax: shortTokensMax(model),
    batchSecondsMax: config.batchSecondsMax,
    sharesRows: sharesRows(model),
    ageSecondsMax: config.ageSecondsMax,
  };
}
