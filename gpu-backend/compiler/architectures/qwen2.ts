// Qwen2 and Qwen2.5: biases on q, k and v.

import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";

export const QWEN2: Architecture = {
  modelType: "qwen2",
  classes: ["Qwen2Model", "Qwen2ForCausalLM"],
  fields: DECODER_FIELDS,
  names: DECODER_NAMES,
  body: (raw, path) => ({
    ...decoderBody(raw, path, raw.hidden_size / raw.num_attention_heads),
    biases: { qkv: true, o: false, mlp: false },
  }),
};
