// What BERT's kin have in common: learned positions and token types, LayerNorm after each sum, biases everywhere, an MLP
// without a gate, attention to the whole text.

import { CheckpointError } from "../../checkpoint/checkpoint-error.ts";
import { type Fields, honoured, ignored, off, only } from "../../checkpoint/meaning.ts";
import type { RawConfig } from "../../checkpoint/raw-config.ts";
import type { Activation, Body, TensorNames } from "./architecture.ts";
import { everyLayer, needed } from "./decoder.ts";

export const ENCODER_FIELDS: Fields = {
  hidden_act: honoured,
  position_embedding_type: only("absolute", "absolute"),
  is_decoder: off("an encoder"),
  layer_norm_eps: honoured,
  type_vocab_size: honoured,
  tie_word_embeddings: honoured,
  // Of training.
  attention_probs_dropout_prob: ignored,
  hidden_dropout_prob: ignored,
  classifier_dropout: ignored,
  // Of the pooler, which sentence embeddings do not use.
  pooler_num_attention_heads: ignored,
};

export const ENCODER_NAMES: TensorNames = {
  table: "embeddings.word_embeddings",
  learned: {
    positions: "embeddings.position_embeddings",
    types: "embeddings.token_type_embeddings",
    norm: "embeddings.LayerNorm",
  },
  layers: "encoder.layer",
  inLayer: {
    q: "attention.self.query",
    k: "attention.self.key",
    v: "attention.self.value",
    o: "attention.output.dense",
    attentionAfterNorm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    mlpAfterNorm: "output.LayerNorm",
  },
};

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  silu: "silu",
  swish: "silu",
};

/** `first`: the row of the table that is a text's first position. */
export function encoderBody(raw: RawConfig, path: string, first: number): Body {
  const said = raw.hidden_act ?? "gelu";
  const activation = Object.hasOwn(ACTIVATIONS, said) ? ACTIVATIONS[said] : undefined;
  if (activation === undefined)
    throw new CheckpointError(
      `${path}: hidden_act ${JSON.stringify(said)} is not supported; ${Object.keys(ACTIVATIONS).join(" or ")} is`,
    );
  const headDim = raw.hidden_size / raw.num_attention_heads;
  return {
    keyValueHeads: raw.num_attention_heads,
    headDim,
    norm: { kind: "layer", eps: needed(raw.layer_norm_eps, "layer_norm_eps", path), plusOne: false },
    normPlaces: "after",
    queryKeyNorms: false,
    biases: { qkv: true, o: true, mlp: true },
    positions: { kind: "learned", first, types: raw.type_vocab_size ?? 2, rows: raw.max_position_embeddings },
    embeddingScale: 1,
    activation,
    gated: false,
    causal: false,
    attentionScale: 1 / Math.sqrt(headDim),
    softcap: null,
    windows: everyLayer(raw, null),
  };
}
