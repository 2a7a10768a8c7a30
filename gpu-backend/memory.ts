// What the models of one process may take of the memory together, on a CPU. (What one takes of a card: cuda/fit-card.ts.)

import { statSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";

import { WEIGHTS_FILE } from "./compiler/compiled-folder.ts";
import type { CompiledModel } from "./compiler/compiled-model.ts";
import { hasLayerGraphs } from "./compiler/layer-graphs.ts";
import { type Config, StartError } from "./config.ts";
import { DEFAULT_BUDGETS } from "./engine/batch-budget.ts";

const MB = 1e6;
/** An engine's process without a model, and a tokenizer's; the latter's vocabulary takes more than its file. */
const ENGINE_BYTES = 170 * MB;
const TOKENIZER_BYTES = 115 * MB;
const TOKENIZER_FACTOR = 15;
/** This process: HTTP, queues. Its calls' bodies and vectors are bounded by `bytesInFlightMax`. */
const SERVER_BYTES = 290 * MB;
/** Values a token of a run, in widths of the residual stream and the MLP; and of a text in chunks, whose stream and keys stay. */
const RUN_FLOATS = 5;
const LONG_FLOATS = 4;

/** The machine's, or what its control group allows. */
export function memoryAllowed(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}

type Shares = Pick<Config, "models" | "target" | "memoryBytesMax" | "tokenizerThreads">;

export class MemoryBudget {
  readonly #bytesMax: number;
  readonly #tokenizers: number;
  readonly #taken = new Map<string, number>();

  /** A single model has all the memory; whether that is enough shows when it runs. */
  constructor({ models, target, memoryBytesMax, tokenizerThreads }: Shares) {
    const isShared = models.length > 1 && target === "cpu";
    this.#bytesMax = isShared ? (memoryBytesMax ?? memoryAllowed()) : Number.POSITIVE_INFINITY;
    this.#tokenizers = tokenizerThreads;
  }

  /** Throws StartError where the models taken so far, and this one, need more together. A model taken again counts once. */
  take(modelId: string, model: CompiledModel): void {
    this.#taken.set(modelId, bytesOf(model, this.#tokenizers));
    const sum = [...this.#taken.values()].reduce((all, one) => all + one, SERVER_BYTES);
    if (sum <= this.#bytesMax) return;
    const each = [...this.#taken].map(([name, bytes]) => `${name} ${gb(bytes)}`).join(", ");
    throw new StartError(
      `These models do not fit into one process: ${each}, and the server ${gb(SERVER_BYTES)}, are ${gb(sum)} of memory, and it may use ${gb(this.#bytesMax)}. Serve fewer of them here, or raise --memory-bytes-max where there is more.`,
    );
  }
}

/** What its processes hold at their peak: the engine's, whose weights are mapped, and the tokenizer's (docs/operating.md). */
function bytesOf({ graphPath, checkpointDir, config, target }: CompiledModel, tokenizers: number): number {
  const { hiddenSize, intermediateSize, maxTokens } = config;
  const weights = statSync(join(dirname(graphPath), WEIGHTS_FILE)).size;
  const vocabulary = statSync(join(checkpointDir, "tokenizer.json")).size;
  const isChunked = hasLayerGraphs(config);
  const runTokens = isChunked
    ? DEFAULT_BUDGETS[target].maxTokens
    : Math.max(DEFAULT_BUDGETS[target].maxTokens, maxTokens);
  const run = runTokens * RUN_FLOATS * (hiddenSize + intermediateSize);
  const long = isChunked ? maxTokens * LONG_FLOATS * hiddenSize : 0;
  const engine = ENGINE_BYTES + weights + (run + long) * Float32Array.BYTES_PER_ELEMENT;
  return engine + tokenizers * (TOKENIZER_BYTES + vocabulary * TOKENIZER_FACTOR);
}

function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
