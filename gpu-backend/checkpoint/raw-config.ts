// config.json as it is: the types of the fields that some architecture reads. Which fields count, and what they may
// say, is decided by the architecture (compiler/architectures/).

import * as z from "zod";

const positive = z.int().positive();
const ropeSchema = z.looseObject({ rope_theta: z.number().positive().nullish() });

export const rawConfigSchema = z.looseObject({
  model_type: z.string(),
  _name_or_path: z.string().nullish(),
  hidden_size: positive,
  num_hidden_layers: positive,
  intermediate_size: positive,
  num_attention_heads: positive,
  vocab_size: positive,
  max_position_embeddings: positive,
  num_key_value_heads: positive.nullish(),
  head_dim: positive.nullish(),
  rms_norm_eps: z.number().positive().nullish(),
  layer_norm_eps: z.number().positive().nullish(),
  hidden_act: z.string().nullish(),
  is_causal: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  query_pre_attn_scalar: z.number().positive().nullish(),
  attn_logit_softcapping: z.number().positive().nullish(),
  type_vocab_size: positive.nullish(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: positive.nullish(),
  max_window_layers: z.int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  quantization_config: z.unknown().optional(),
  compression_config: z.unknown().optional(),
  id2label: z.record(z.string(), z.unknown()).nullish(),
  sentence_transformers: z.looseObject({ activation_fn: z.string().nullish() }).nullish(),
  sbert_ce_default_activation_function: z.string().nullish(),
});
export type RawConfig = z.infer<typeof rawConfigSchema>;
