// What of a compiled model's promises this machine's card can keep: how much one run may hold, and how long a text may be.

import { statSync } from "node:fs";
import { dirname, join } from "node:path";

import { WEIGHTS_FILE } from "../compiler/compiled-folder.ts";
import { type CompiledModel, graphPathsOf } from "../compiler/compiled-model.ts";
import { StartError } from "../config.ts";
import { type BatchBudget, DEFAULT_BUDGETS } from "../engine/batch-budget.ts";
import { cardBudget } from "../engine/card-budget.ts";
import { cardInUse, readCards } from "./cards.ts";
import type { CudaPlace } from "./libraries.ts";

export interface FittedModel {
  /** Its texts have no more tokens than the card holds at once. */
  readonly model: CompiledModel;
  readonly budget: BatchBudget;
}

/**
 * Throws StartError where the card asked for is not there, or `share` of its free memory (0..1) does not hold the model. Where the
 * driver does not say how much is free, the budget is the one for large cards.
 */
export function fitCard(
  model: CompiledModel,
  { card: wanted }: CudaPlace,
  share: number,
  cards = readCards(),
): FittedModel {
  const card = cardInUse(cards, wanted);
  if (card === undefined && wanted !== undefined && cards.length > 0)
    throw new StartError(`There is no card ${wanted}: nvidia-smi counts ${cards.length}, from 0 on.`);
  if (card?.freeBytes === undefined) return { model, budget: DEFAULT_BUDGETS[model.target] };
  const weightsBytes = weightsBytesOf(graphPathsOf(model));
  const budget = cardBudget(model.config, weightsBytes, card.freeBytes * share, model.largeRuns?.tokensMin);
  if (budget === undefined) {
    const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new StartError(
      `Card ${card.index} (${card.name}) has ${gb(card.freeBytes)} of memory free${share < 1 ? `, of which one of several models gets ${gb(card.freeBytes * share)}` : ""}; this model's weights take ${gb(weightsBytes)} of it, and too little is left to compute in. Free some (nvidia-smi says who holds it), or take another card with --cuda-device.`,
    );
  }
  const maxTokens = Math.min(model.config.maxTokens, budget.maxTokens);
  return { model: { ...model, config: { ...model.config, maxTokens } }, budget };
}

/** Of all these graphs' weights files. */
export function weightsBytesOf(graphPaths: readonly string[]): number {
  return graphPaths.reduce((sum, graphPath) => sum + statSync(join(dirname(graphPath), WEIGHTS_FILE)).size, 0);
}
