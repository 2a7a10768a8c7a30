// How a model's tokenizer has to read pairs; undefined: it is no reranker.

import type { ModelConfig } from "../checkpoint/read-config.ts";
import type { PairForm } from "./messages.ts";

export function pairFormOf({ reranker, positions }: ModelConfig): PairForm | undefined {
  if (reranker === undefined) return undefined;
  const types = positions.kind === "learned" ? positions.types : 1;
  return { types, ...(reranker.prompt && { prompt: reranker.prompt }) };
}
