// Qwen3: a norm over each head of q and k.

import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";

const HEAD_DIM_DEFAULT = 128;

export const QWEN3: Architecture = {
  modelType: "qwen3",
  classes: ["Qwen3Model", "Qwen3ForCausalLM"],
  fields: DECODER_FIELDS,
  names: DECODER_NAMES,
  body: (raw, path) => ({ ...decoderBody(raw, path, HEAD_DIM_DEFAULT), queryKeyNorms: true }),
};
