// One text of a call, as a caller sends it and a backend gets it.

import type { TokenEncoding } from "../../shared/wire.ts";

export type CallText =
  | { readonly kind: "text"; readonly text: string }
  /** `encoding`: of another tokenizer, whose ids the backend decodes to text; absent: the model's own ids. */
  | { readonly kind: "ids"; readonly ids: readonly number[]; readonly encoding?: TokenEncoding };

/** Characters and ids in all of `texts`: a rough measure of the work on them. */
export function sizeOf(texts: readonly CallText[]): number {
  return texts.reduce((sum, text) => sum + (text.kind === "ids" ? text.ids : text.text).length, 0);
}
