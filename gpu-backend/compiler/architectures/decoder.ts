// What the decoders have in common: RMSNorm before attention and MLP, RoPE, grouped-query causal attention, a gated MLP.

import { CheckpointError } from "../../checkpoint/checkpoint-error.ts";
import { checkFields, type Fields, honoured, off, only } from "../../checkpoint/meaning.ts";
import type { RawConfig } from "../../checkpoint/raw-config.ts";
import type { Body, TensorNames } from "./architecture.ts";

export const DECODER_FIELDS: Fields = {
  hidden_act: only("silu", "silu", "swish"),
  is_causal: only("causal attention (true)", true),
  use_bidirectional_attention: off("causal attention"),
  attention_bias: off("attention without biases"),
  mlp_bias: off("an MLP without biases"),
  partial_rotary_factor: only("RoPE over the whole head (1)", 1),
  num_key_value_heads: honoured,
  head_dim: honoured,
  rms_norm_eps: honoured,
  rope_theta: honoured,
  rope_scaling: honoured,
  rope_parameters: honoured,
  tie_word_embeddings: honoured,
};

/** config.json's rope_scaling and rope_parameters. */
export const ROPE: Fields = {
  rope_type: only("RoPE without scaling (default)", "default"),
  type: only("RoPE without scaling (default)", "default"),
  rope_theta: honoured,
  partial_rotary_factor: only("RoPE over the whole head (1)", 1),
  mrope_section: off("RoPE over one position"),
  full_attention: off("one RoPE for all layers"),
  sliding_attention: off("one RoPE for all layers"),
  // Only the scaled types read it.
  factor: { kind: "ignored" },
  original_max_position_embeddings: { kind: "ignored" },
};

export const DECODER_NAMES = {
  table: "embed_tokens",
  finalNorm: "norm",
  layers: "layers",
  inLayer: {
    attentionNorm: "input_layernorm",
    q: "self_attn.q_proj",
    qNorm: "self_attn.q_norm",
    k: "self_attn.k_proj",
    kNorm: "self_attn.k_norm",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    mlpNorm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
  },
} satisfies TensorNames;

/** What transformers takes where config.json says nothing; without one, a field is needed. */
interface Defaults {
  /** hidden_size / num_attention_heads, if not given. */
  readonly headDim?: number;
  readonly keyValueHeads?: number;
  readonly normEps?: number;
  readonly ropeTheta?: number;
}

export function decoderBody(raw: RawConfig, path: string, defaults: Defaults = {}): Body {
  const headDim = raw.head_dim ?? defaults.headDim ?? raw.hidden_size / raw.num_attention_heads;
  return {
    keyValueHeads: needed(raw.num_key_value_heads ?? defaults.keyValueHeads, "num_key_value_heads", path),
    headDim,
    norm: { kind: "rms", eps: needed(raw.rms_norm_eps ?? defaults.normEps, "rms_norm_eps", path), plusOne: false },
    normPlaces: "before",
    queryKeyNorms: false,
    biases: { qkv: false, o: false, mlp: false },
    positions: { kind: "rotary", theta: ropeTheta(raw, path, defaults.ropeTheta) },
    embeddingScale: 1,
    activation: "silu",
    gated: true,
    causal: true,
    attentionScale: 1 / Math.sqrt(headDim),
    softcap: null,
    windows: everyLayer(raw, null),
  };
}

export function everyLayer<T>({ num_hidden_layers: layers }: RawConfig, value: T): T[] {
  // A folder may claim any number: its tensors are counted first.
  return Array.from({ length: Math.min(layers, LAYERS_MAX) }, () => value);
}
const LAYERS_MAX = 1_000;

export function needed<T>(value: T | null | undefined, field: string, path: string): T {
  if (value === null || value === undefined) throw new CheckpointError(`${path}: ${field} is missing`);
  return value;
}

/** transformers 4 writes rope_theta and rope_scaling, transformers 5 rope_parameters. */
function ropeTheta(raw: RawConfig, path: string, otherwise: number | undefined): number {
  if (raw.rope_scaling) checkFields(path, "rope_scaling.", ROPE, raw.rope_scaling);
  if (raw.rope_parameters) checkFields(path, "rope_parameters.", ROPE, raw.rope_parameters);
  const thetas = [raw.rope_parameters?.rope_theta, raw.rope_scaling?.rope_theta, raw.rope_theta];
  const said = [...new Set(thetas.filter((theta) => theta !== undefined && theta !== null))];
  if (said.length > 1)
    throw new CheckpointError(`${path}: rope_theta is said to be ${said.join(" and ")}; one is needed`);
  return needed(said[0] ?? otherwise, "rope_theta", path);
}
