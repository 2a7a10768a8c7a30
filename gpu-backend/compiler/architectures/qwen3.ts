// Qwen3: a norm over each head of q and k. Causal, or bidirectional where is_causal is false, as pplx-embed has it.

import { only } from "../../checkpoint/meaning.ts";
import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";
import { OPTIONAL_WINDOW, optionalWindows } from "./windows.ts";

const HEAD_DIM_DEFAULT = 128;

export const QWEN3: Architecture = {
  modelType: "qwen3",
  classes: ["Qwen3Model", "Qwen3ForCausalLM"],
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
