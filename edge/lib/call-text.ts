// One text of a call, as a caller sends it and a backend gets it, and the query of a call that scores its texts.

import type { Reranker, TokenEncoding } from "../../shared/wire.ts";

export type CallText =
  | { readonly kind: "text"; readonly text: string }
  /** `encoding`: of another tokenizer, whose ids the backend decodes to text; absent: the model's own ids. */
  | { readonly kind: "ids"; readonly ids: readonly number[]; readonly encoding?: TokenEncoding };

/** The query of a reranker's call: each text of the call is a document that makes a pair with it. */
export interface ScoreQuery {
  readonly text: string;
  /** Null: the model's own. */
  readonly instruction: string | null;
  /** As announced when the call was prepared; undefined: no backend had announced it. */
  readonly takes: Reranker | undefined;
}

/** Characters and ids in all of `texts`: a rough measure of the work on them. */
export function sizeOf(texts: readonly CallText[]): number {
  return texts.reduce((sum, text) => sum + (text.kind === "ids" ? text.ids : text.text).length, 0);
}
