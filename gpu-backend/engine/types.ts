// What the engine promises to the scheduler and the server. Vectors are canonical: full length, L2-normalised,
// rounded once to float16; a reranker's pairs have a score each in their place. A batch never fails as a whole because of one of its texts.

import type { CompiledModel } from "../compiler/compiled-model.ts";
import type { CudaPlace } from "../cuda/libraries.ts";
import type { BatchBudget } from "./batch-budget.ts";

export type EngineState = "starting" | "ready" | "restarting" | "failed" | "closed";

export interface EngineResult {
  /** [texts, words] (row-form.ts), row-major, in the order of the texts. */
  readonly vectors: Uint16Array;
  /** Wall time inside the engine process for this batch, in milliseconds; waiting is not counted. */
  readonly runMs: number;
}

export interface RunOptions {
  /** Seconds that the texts are expected to take: a process that needs far more hangs. */
  readonly seconds?: number;
  /** [texts]: whose each text is, as a number of this batch alone; rows are shared among texts of one owner. Absent: of one. */
  readonly owners?: Int32Array;
  /** Aborted when no caller waits any more. A long text then ends within a chunk, with EngineDied; a batch that runs is not stopped. */
  readonly signal?: AbortSignal;
}

export interface Engine {
  /**
   * Embeds texts, or scores pairs. `texts`: at least one; each the token ids of one text, ending token included,
   * 1..config.maxTokens ids below config.vocabSize, or of one pair (token-type.ts). Rejects with TextsFailed when some of the texts cannot be embedded (it carries the vectors
   * of the others) and with EngineDied when the engine is closed or cannot be started again.
   */
  run(texts: readonly Int32Array[], options?: RunOptions): Promise<EngineResult>;
  readonly state: EngineState;
  /** How often the engine process was started again after it had died. */
  readonly restarts: number;
  /** Process id of the engine process, while there is one. */
  readonly pid: number | undefined;
  /** Rejects what is still waiting with EngineDied and ends the process. */
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Intra-op threads of the session, 1 or more. */
  readonly threads: number;
  /**
   * Given: the engine process compiles the model's checkpoint itself before it opens it (`model.graphPath` is not read),
   * into this folder where the checkpoint's own cannot be written.
   */
  readonly compileCacheDir?: string;
  /** For a CUDA target; default: where npm run gpu:install puts the provider, and the first card. */
  readonly cuda?: CudaPlace;
  /** Called each time the engine process has died, with the reason in one sentence. */
  readonly onRestart?: (reason: string) => void;
  /** Bounds of one run of the graph; a larger batch is run in parts. Default: DEFAULT_BUDGETS of the target. */
  readonly budget?: BatchBudget;
  /** Texts with more tokens are computed in chunks. Default: shortTokensMax of the model. */
  readonly shortTokensMax?: number;
  /**
   * A process that has not answered for so long, nor for twice as long as what it runs was expected to take, and that uses
   * no processor time either, hangs: it is ended, and its batch goes the way of any death. Default 15 seconds.
   */
  readonly hangMs?: number;
}

/** Starts an engine and resolves when it is ready for texts. Rejects with EngineDied when the session cannot be made. */
export type StartEngine = (model: CompiledModel, options: EngineOptions) => Promise<Engine>;

/** The engine process died, and this text (or the engine as a whole) got no answer because of it. */
export class EngineDied extends Error {
  override name = "EngineDied";
}

/** The model gave a value that is not a number for this text, even computed by itself; in float32 it may not. */
export class NonFiniteVector extends Error {
  override name = "NonFiniteVector";
  /** Position of the text in the batch. */
  readonly index: number;
  constructor(index: number) {
    super(`the model gave a vector with values that are no numbers for text ${index}, alone as well as in its batch`);
    this.index = index;
  }
}

/** The runtime refused this text, even by itself: out of memory, or an id that the model does not have. */
export class RunFailed extends Error {
  override name = "RunFailed";
  readonly index: number;
  constructor(index: number, reason: string) {
    super(`text ${index} could not be run: ${reason}`);
    this.index = index;
  }
}

export type TextFailure = EngineDied | NonFiniteVector | RunFailed;

/** Some texts of a batch failed, each for its own reason; the others have their vectors here. */
export class TextsFailed extends Error {
  override name = "TextsFailed";
  /** Position of each failed text → why. */
  readonly failures: ReadonlyMap<number, TextFailure>;
  /** As EngineResult.vectors; the rows of failed texts are zero. */
  readonly vectors: Uint16Array;
  readonly runMs: number;
  constructor(failures: ReadonlyMap<number, TextFailure>, vectors: Uint16Array, runMs: number) {
    super(
      `${failures.size} text(s) of a batch failed: ${[...failures.values()].map((failure) => failure.message).join("; ")}`,
    );
    this.failures = failures;
    this.vectors = vectors;
    this.runMs = runMs;
  }
}
