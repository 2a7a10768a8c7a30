// Pairs of a query and a document, as a reranker reads them: what they have in common in one call.

import type { ScoreQuery } from "../lib/call-text.ts";
import { tokenBound } from "../../shared/token-bound.ts";
import type { Reranker } from "../../shared/wire.ts";

/** Bound in tokens of a pair beside its document; Infinity while no backend has announced the model's template. */
export function besideDocumentBound({ text, instruction, takes }: ScoreQuery): number {
  if (takes === undefined) return Infinity;
  return takes.templateTokens + tokenBound(instruction ?? takes.instruction ?? "") + tokenBound(text);
}

/** What stands for the prefix in the names of a call's pairs. No revision has both texts and pairs. */
export function pairPrefix({ text, instruction }: ScoreQuery): string {
  return JSON.stringify([instruction, text]);
}

export function sameReranker(left: Reranker, right: Reranker): boolean {
  return (
    left.instruction === right.instruction &&
    left.templateTokens === right.templateTokens &&
    left.queryTokensMax === right.queryTokensMax
  );
}
