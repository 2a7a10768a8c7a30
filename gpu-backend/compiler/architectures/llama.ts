// Llama: the plain decoder. Biases where config.json says so.

import { honoured } from "../../checkpoint/meaning.ts";
import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";

export const LLAMA: Architecture = {
  modelType: "llama",
  classes: ["LlamaModel", "LlamaForCausalLM"],
  fields: { ...DECODER_FIELDS, attention_bias: honoured, mlp_bias: honoured },
  names: DECODER_NAMES,
  pooling: "lasttoken",
  body: (raw, path) => {
    const attention = raw.attention_bias === true;
    return {
      ...decoderBody(raw, path, { keyValueHeads: raw.num_attention_heads, normEps: 1e-6, ropeTheta: 10_000 }),
      biases: { qkv: attention, o: attention, mlp: raw.mlp_bias === true },
    };
  },
};
