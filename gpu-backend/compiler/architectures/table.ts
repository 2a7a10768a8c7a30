// The architectures that are built here. A new one is a file, a row, and a checkpoint in test/vectors/.

import { must } from "../../../shared/assert.ts";
import type { Architecture } from "./architecture.ts";
import { BERT } from "./bert.ts";
import { GEMMA2 } from "./gemma2.ts";
import { LLAMA } from "./llama.ts";
import { MISTRAL } from "./mistral.ts";
import { PPLX_QWEN3 } from "./pplx-qwen3.ts";
import { QWEN2 } from "./qwen2.ts";
import { QWEN3 } from "./qwen3.ts";
import { XLM_ROBERTA } from "./xlm-roberta.ts";

export const ARCHITECTURES: readonly Architecture[] = [
  QWEN3,
  PPLX_QWEN3,
  QWEN2,
  LLAMA,
  MISTRAL,
  GEMMA2,
  BERT,
  XLM_ROBERTA,
];

/** `modelType`: of a configuration that has been read. */
export function architectureOf(modelType: string): Architecture {
  return must(
    ARCHITECTURES.find((one) => one.modelType === modelType),
    "an architecture of the table",
  );
}
