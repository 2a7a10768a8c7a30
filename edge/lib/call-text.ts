// One text of a call, as a caller sends it and a backend gets it.

import type { TokenEncoding } from "../../shared/wire.ts";

export type CallText =
  | { readonly kind: "text"; readonly text: string }
  /** `encoding`: of another tokenizer, decoded to text by the backend; absent: the model's own ids. */
  | { readonly kind: "ids"; readonly ids: readonly number[]; readonly encoding?: TokenEncoding };
