// Qwen3: a norm over each head of q and k. Causal, or bidirectional where is_causal is false, as pplx-embed has it.
// Qwen3-Reranker asks it for "yes" or "no" (https://huggingface.co/Qwen/Qwen3-Reranker-0.6B); its conversions to
// Qwen3ForSequenceClassification have the difference of the two rows as a layer.

import { only } from "../../checkpoint/meaning.ts";
import { DEFAULT_QUERY_INSTRUCTION } from "../../../shared/token-bound.ts";
import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";
import { OPTIONAL_WINDOW, optionalWindows } from "./windows.ts";

const HEAD_DIM_DEFAULT = 128;

export const QWEN3: Architecture = {
  modelType: "qwen3",
  classes: ["Qwen3Model", "Qwen3ForCausalLM"],
  rerankers: {
    Qwen3ForCausalLM: { kind: "tokens", layer: "lm_head" },
    Qwen3ForSequenceClassification: { kind: "linear", last: { name: "score", ofBody: false }, biased: false },
  },
  pairPrompt: {
    start:
      "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
      'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
    instruct: "<Instruct>: ",
    query: "\n<Query>: ",
    document: "\n<Document>: ",
    end: "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    instruction: DEFAULT_QUERY_INSTRUCTION,
  },
  fields: { ...DECODER_FIELDS, ...OPTIONAL_WINDOW, is_causal: only("true or false", true, false) },
  names: DECODER_NAMES,
  pooling: "lasttoken",
  matryoshka: true,
  body: (raw, path) => ({
    ...decoderBody(raw, path, { headDim: HEAD_DIM_DEFAULT }),
    queryKeyNorms: true,
    causal: raw.is_causal !== false,
    windows: optionalWindows(raw, path),
  }),
};
