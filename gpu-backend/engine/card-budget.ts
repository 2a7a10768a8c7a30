// How much one run may hold on a card: from the memory that is free on it, not from a constant. Pure. What a run takes was
// counted with the CUDA provider's own allocations on a card that computes nothing (test/gpu-backend/cuda/): its arena grows by
// powers of two and never shrinks, which costs up to 2.25 times what is alive.

import type { ModelConfig } from "../checkpoint/read-config.ts";
import { type BatchBudget, DEFAULT_BUDGETS } from "./batch-budget.ts";

const BYTES = 2;
const ARENA_FACTOR = 2.25;
/** CUDA's context, cuBLAS' workspaces, and what the provider keeps for its first small runs. */
const RESERVED_BYTES = 1.6e9;
/** The same of a second graph in the same context. */
const RESERVED_BESIDE_BYTES = 0.4e9;
/** The rest is for what the driver rounds up, and for a desktop on the same card. */
const SHARE_OF_FREE = 0.95;
/** A card that holds less than this beside the weights serves nobody. */
const TOKENS_MIN = 512;
const MOST = DEFAULT_BUDGETS["cuda-fp16"];
const PADDING = MOST.maxPaddedTokens / MOST.maxTokens;

type Sizes = Pick<ModelConfig, "hiddenSize" | "intermediateSize" | "queryHeads" | "keyValueHeads" | "headDim">;

/** Bytes that a packed token takes on the card while a run computes. */
export function bytesPerToken({ hiddenSize, intermediateSize, queryHeads, keyValueHeads, headDim }: Sizes): number {
  // gate and up, joined and split; beside them residual stream and norms.
  const mlp = 4 * intermediateSize + 4 * hiddenSize;
  // q, k and v, joined, split and padded; what attention gives; keys and values again as its present outputs.
  const heads = 4 * queryHeads + 8 * keyValueHeads;
  return BYTES * ARENA_FACTOR * Math.max(mlp, heads * headDim + 4 * hiddenSize);
}

/**
 * The budget for a card with `freeBytes` free before the model is loaded, or undefined where the model does not fit. A lone
 * text may have `maxTokens` tokens. `smallTokens`: of the largest run of a second graph, which keeps an arena of its own.
 */
export function cardBudget(
  sizes: Sizes,
  weightsBytes: number,
  freeBytes: number,
  smallTokens = 0,
): BatchBudget | undefined {
  const beside = smallTokens === 0 ? 0 : RESERVED_BESIDE_BYTES + smallTokens * bytesPerToken(sizes);
  const left = freeBytes * SHARE_OF_FREE - weightsBytes - RESERVED_BYTES - beside;
  const tokens = Math.floor(left / bytesPerToken(sizes));
  if (tokens < TOKENS_MIN) return undefined;
  const maxTokens = Math.min(MOST.maxTokens, tokens);
  return { maxTokens, maxPaddedTokens: Math.floor(maxTokens * PADDING) };
}
