// Gemma 2: norms around attention and MLP, whose weights are stored minus one; embeddings times the root of their size; GELU
// by tanh; capped scores; every second layer with a window, the first one included.

import { honoured, ignored, only } from "../../checkpoint/meaning.ts";
import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";
import { LAYER_TYPES, windowsOf } from "./windows.ts";

const HEAD_DIM_DEFAULT = 256;
const WINDOW_DEFAULT = 4_096;
const SCALAR_DEFAULT = 256;
const SOFTCAP_DEFAULT = 50;
const GELU = only("gelu_pytorch_tanh", "gelu_pytorch_tanh");

export const GEMMA2: Architecture = {
  modelType: "gemma2",
  classes: ["Gemma2Model", "Gemma2ForCausalLM"],
  fields: {
    ...DECODER_FIELDS,
    ...LAYER_TYPES,
    hidden_activation: GELU,
    // An older name, which transformers does not read; published ones say either.
    hidden_act: only("gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu"),
    query_pre_attn_scalar: honoured,
    attn_logit_softcapping: honoured,
    // An older name, which the first published files have besides sliding_window.
    sliding_window_size: ignored,
    // Of what generates text.
    final_logit_softcapping: ignored,
    cache_implementation: ignored,
  },
  names: {
    ...DECODER_NAMES,
    inLayer: {
      ...DECODER_NAMES.inLayer,
      attentionAfterNorm: "post_attention_layernorm",
      mlpNorm: "pre_feedforward_layernorm",
      mlpAfterNorm: "post_feedforward_layernorm",
    },
  },
  pooling: "lasttoken",
  body: (raw, path) => {
    const plain = decoderBody(raw, path, {
      headDim: HEAD_DIM_DEFAULT,
      keyValueHeads: 4,
      normEps: 1e-6,
      ropeTheta: 10_000,
    });
    const softcap = raw.attn_logit_softcapping;
    const window = raw.sliding_window === undefined ? WINDOW_DEFAULT : raw.sliding_window;
    return {
      ...plain,
      norm: { ...plain.norm, plusOne: true },
      normPlaces: "around",
      embeddingScale: Math.sqrt(raw.hidden_size),
      activation: "gelu-tanh",
      attentionScale: 1 / Math.sqrt(raw.query_pre_attn_scalar ?? SCALAR_DEFAULT),
      softcap: softcap === undefined ? SOFTCAP_DEFAULT : softcap,
      windows: windowsOf(raw, path, window, (layer) => layer % 2 === 0),
    };
  },
};
