// Which texts of a run have rows in common (batch-inputs.ts): where a token sees nothing of what comes after it, texts of
// one owner that begin alike need one row for each token of that beginning. The engine packs by it, the scheduler counts what it
// saves. Pure.

import type { CompiledModel } from "../compiler/compiled-model.ts";

/** Shorter beginnings are not looked for: two texts that begin with a word. */
export const SHARED_TOKENS_MIN = 16;
const EMPTY = new Int32Array();

/** Whether a graph with these inputs may have texts with shared rows: causal, and no text's rows have to lie together. */
export function mayShareRows(inputNames: readonly string[]): boolean {
  return inputNames.includes("total_seq") && !inputNames.includes("text_starts");
}

/** The same of a model, on whose graph the engine runs. On a card rows stay apart: nobody has measured it there. */
export function sharesRows({ target, config }: Pick<CompiledModel, "target" | "config">): boolean {
  return target === "cpu" && config.causal && config.pooling !== "mean";
}

/** How many of the first tokens are the same in both. */
export function commonTokens(left: Int32Array, right: Int32Array = EMPTY): number {
  const most = Math.min(left.length, right.length);
  for (let at = 0; at < most; at += 1) if (left[at] !== right[at]) return at;
  return most;
}

/** Tokens of `text` that need no row of their own beside `others`, of the same owner. */
export function sharedTokens(text: Int32Array, others: readonly { readonly ids: Int32Array }[]): number {
  let most = 0;
  for (const { ids } of others) most = Math.max(most, commonTokens(text, ids));
  return most < SHARED_TOKENS_MIN ? 0 : most;
}
