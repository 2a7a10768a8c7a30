// How much one run of the graph may hold: packed tokens (most of the memory and time) and padded places (what attention
// sees). Pure; the scheduler and the engine use the same helper, so that a batch planned there is one run here.

import type { CompiledModel, CompileTarget } from "../compiler/compiled-model.ts";
import { hasLayerGraphs } from "../compiler/layer-graphs.ts";

export interface BatchBudget {
  /** Most packed tokens, Σ length. */
  readonly maxTokens: number;
  /** Most padded places, texts · longest. */
  readonly maxPaddedTokens: number;
}

/**
 * Where the engine cuts a batch into runs by default. On the CPU a packed token of the 0.6B shape takes about 0.45 MB
 * while it is computed, larger runs are not faster (docs/performance.md), and whatever arrives meanwhile waits for the
 * run to end.
 */
export const DEFAULT_BUDGETS: Readonly<Record<CompileTarget, BatchBudget>> = {
  cpu: { maxTokens: 1024, maxPaddedTokens: 2048 },
  "cuda-bf16": { maxTokens: 32_768, maxPaddedTokens: 49_152 },
  "cuda-fp16": { maxTokens: 32_768, maxPaddedTokens: 49_152 },
};

/**
 * A text with more tokens is long: it is computed in chunks (long-text.ts), between which other batches run, so that no
 * run is longer than a batch may be. Only on a CPU: a GPU takes 32,768 tokens at once. Chunks load the layers once
 * more, 0.4 s for the 0.6B shape, of the 4 to 8 s that a text of this length takes there.
 */
const SHORT_TOKENS_MAX: Readonly<Record<CompileTarget, number>> = {
  cpu: DEFAULT_BUDGETS.cpu.maxTokens,
  "cuda-bf16": Number.POSITIVE_INFINITY,
  "cuda-fp16": Number.POSITIVE_INFINITY,
};

/** As above, of a model: one that cannot be computed in chunks has no long texts. */
export function shortTokensMax({ target, config }: Pick<CompiledModel, "target" | "config">): number {
  return hasLayerGraphs(config) ? SHORT_TOKENS_MAX[target] : Number.POSITIVE_INFINITY;
}

/** Whether the texts fit. A single text always does: one over the budget is a batch of its own. */
function fitsBudget(budget: BatchBudget, texts: number, tokens: number, longest: number): boolean {
  return texts <= 1 || (tokens <= budget.maxTokens && texts * longest <= budget.maxPaddedTokens);
}

/**
 * Splits texts (by their lengths) into runs within the budget, longest first, so that texts of like length share a run
 * and padding is small. Gives the positions of each run's texts; every position occurs exactly once.
 */
export function planRuns(lengths: readonly number[], budget: BatchBudget): readonly (readonly number[])[] {
  const order = lengths
    .map((_, index) => index)
    .toSorted((left, right) => (lengths[right] ?? 0) - (lengths[left] ?? 0));
  const runs: number[][] = [];
  let run: number[] = [];
  let tokens = 0;
  let longest = 0;
  for (const index of order) {
    const length = lengths[index] ?? 0;
    if (run.length === 0) longest = length;
    if (!fitsBudget(budget, run.length + 1, tokens + length, longest)) {
      runs.push(run);
      run = [];
      tokens = 0;
      longest = length;
    }
    run.push(index);
    tokens += length;
  }
  if (run.length > 0) runs.push(run);
  return runs;
}
