// The one table of what a checkpoint's folder may say. Whatever changes what its vectors mean is honoured, or refused by
// name at load: a wrong guess gives vectors that look fine and mean nothing. Each field is
//   honoured  read and followed,
//   only(…)   refused unless it is null or says what is built here (`off`: unless it says nothing),
//   ignored   of no effect on a vector.
// Fields that no table knows are ignored, as transformers ignores them, unless their name speaks of the arithmetic.

import { CheckpointError } from "./checkpoint-error.ts";

type Rule =
  | { readonly kind: "honoured" }
  | { readonly kind: "ignored" }
  /** `supported` completes the sentence "…is not supported; … is". */
  | { readonly kind: "only"; readonly accepts: (value: unknown) => boolean; readonly supported: string };
export type Fields = Readonly<Record<string, Rule>>;

export const honoured: Rule = { kind: "honoured" };
export const ignored: Rule = { kind: "ignored" };
export const only = (supported: string, ...values: readonly unknown[]): Rule => ({
  kind: "only",
  accepts: (value) => values.includes(value),
  supported,
});
export const off = (supported: string): Rule => ({ kind: "only", accepts: saysNothing, supported });

/** config.json's fields of every architecture; its own are in compiler/architectures/. */
export const COMMON_CONFIG: Fields = {
  auto_map: off("transformers' own code"),
  is_encoder_decoder: off("an encoder or a decoder alone"),
  add_cross_attention: off("attention within one text"),
  pruned_heads: off("the model with all its heads"),
  text_config: off("a config.json of one text model"),
  hidden_size: honoured,
  num_hidden_layers: honoured,
  intermediate_size: honoured,
  num_attention_heads: honoured,
  vocab_size: honoured,
  max_position_embeddings: honoured,
  eos_token_id: honoured,
  quantization_config: honoured,
  compression_config: honoured,
  // Tells a reranker where nothing else does.
  _name_or_path: honoured,
  // Of rerankers: how many labels there are, and what a logit goes through.
  id2label: honoured,
  sentence_transformers: honoured,
  sbert_ce_default_activation_function: honoured,
  // Of training, of generation, of how transformers computes.
  attention_dropout: ignored,
  initializer_range: ignored,
  attn_implementation: ignored,
  _attn_implementation: ignored,
  _attn_implementation_autoset: ignored,
  use_cache: ignored,
  dtype: ignored,
  torch_dtype: ignored,
  bos_token_id: ignored,
  pad_token_id: ignored,
  transformers_version: ignored,
};

export const GPTQ: Fields = {
  quant_method: only("gptq", "gptq"),
  bits: only("4-bit weights (4)", 4),
  group_size: honoured,
  desc_act: honoured,
  sym: honoured,
  checkpoint_format: only("gptq or gptq_v2", "gptq", "gptq_v2"),
  format: only("gptq or gptq_v2", "gptq", "gptq_v2"),
  pack_dtype: only("int32", "int32"),
  dynamic: honoured,
  is_marlin_format: off("the plain layout"),
  rotation: off("weights without rotations"),
  adapter: off("weights without an adapter"),
  // Of how the quantiser found the values.
  static_groups: ignored,
  true_sequential: ignored,
  damp_percent: ignored,
  lm_head: ignored,
  meta: ignored,
  model_file_base_name: ignored,
};

export const COMPRESSED: Fields = {
  quant_method: only("compressed-tensors", "compressed-tensors"),
  format: honoured,
  config_groups: honoured,
  transform_config: off("weights without online transforms"),
  sparsity_config: {
    kind: "only",
    accepts: (value) => saysNothing(value) || (isObject(value) && value["format"] === "dense"),
    supported: "dense storage",
  },
  kv_cache_scheme: off("attention in full precision"),
  // The names of the tensors say which layers are quantised.
  ignore: ignored,
  quantization_status: ignored,
  global_compression_ratio: ignored,
  version: ignored,
};

export const COMPRESSED_GROUP: Fields = {
  weights: honoured,
  format: only("pack-quantized", "pack-quantized"),
  input_activations: off("quantised weights alone (W4A16)"),
  output_activations: off("quantised weights alone (W4A16)"),
  targets: ignored,
};

export const COMPRESSED_WEIGHTS: Fields = {
  num_bits: only("4-bit weights (4)", 4),
  type: only("int", "int"),
  symmetric: honoured,
  strategy: only("group or channel", "group", "channel"),
  group_size: honoured,
  actorder: only("weight, static, group or none", "weight", "static", "group", true, false),
  dynamic: off("scales that are stored"),
  block_structure: off("groups along the input"),
  observer: ignored,
  observer_kwargs: ignored,
  scale_dtype: ignored,
  zp_dtype: ignored,
};

/** Modules of modules.json by the last part of their type. Vectors are normalised with or without Normalize. */
export const MODULES: Fields = {
  Transformer: honoured,
  Pooling: honoured,
  Dense: honoured,
  Normalize: ignored,
  Dropout: ignored,
  LogitScore: honoured,
};

const POOLINGS = "pooling of the last token, the first one (cls) or all (mean)";
export const POOLING: Fields = {
  pooling_mode_lasttoken: honoured,
  pooling_mode_cls_token: honoured,
  pooling_mode_mean_tokens: honoured,
  pooling_mode: only(`${POOLINGS}: lasttoken, cls or mean`, "lasttoken", "cls", "mean"),
  pooling_mode_max_tokens: off(POOLINGS),
  pooling_mode_mean_sqrt_len_tokens: off(POOLINGS),
  pooling_mode_weightedmean_tokens: off(POOLINGS),
  // The last token and the first are the same with or without the prompt's.
  include_prompt: honoured,
  word_embedding_dimension: ignored,
};

export const DENSE: Fields = {
  in_features: honoured,
  out_features: honoured,
  bias: honoured,
  activation_function: honoured,
  module_input_name: only("sentence_embedding", "sentence_embedding"),
  module_output_name: only("sentence_embedding", "sentence_embedding"),
};

export const SENTENCE_BERT: Fields = {
  max_seq_length: honoured,
  do_lower_case: off("texts as they are"),
  model_args: off("the model as its config.json says"),
  config_args: off("the model as its config.json says"),
  tokenizer_args: off("the tokenizer as its files say"),
};

export const SENTENCE_TRANSFORMERS: Fields = {
  prompts: honoured,
  default_prompt_name: honoured,
  similarity_fn_name: honoured,
  truncate_dim: off("the full vector"),
  model_type: only("SentenceTransformer", "SentenceTransformer"),
  __version__: ignored,
};

/** The same file of a reranker. Scores are a sigmoid's, which an Identity before it leaves as it is. */
export const CROSS_ENCODER: Fields = {
  prompts: honoured,
  default_prompt_name: honoured,
  activation_fn: honoured,
  model_type: only("CrossEncoder", "CrossEncoder"),
  __version__: ignored,
  keep_in_fp32_modules: ignored,
};

export const LOGIT_SCORE: Fields = {
  true_token_id: honoured,
  false_token_id: honoured,
  module_input_name: only("causal_logits", "causal_logits"),
};

/** Files whose mere presence changes the model. Any other name that is not in this file is of no effect. */
export const REFUSED_FILES: Readonly<Record<string, string>> = {
  "adapter_config.json": "an adapter beside the weights is not supported; weights with the adapter merged in are",
  "adapter_model.safetensors": "an adapter beside the weights is not supported; weights with the adapter merged in are",
  "adapter_model.bin": "an adapter beside the weights is not supported; weights with the adapter merged in are",
};

/** Files besides the weights that decide a text's vector: a change in one makes another revision. */
export const MEANING_FILES: readonly string[] = [
  "config.json",
  "quantize_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "config_sentence_transformers.json",
];

const TENSOR_OF_A_LAYER = /(?:^|\.)(?:layers?\.\d+\.|embed_tokens\.|embeddings\.|norm\.)/;
/** Buffers that old exports stored, multi-token prediction, and what only generation needs. */
const IGNORED_TENSORS = [
  /(?:^|\.)rotary_emb\.inv_freq$/,
  /(?:^|\.)embeddings\.(?:position_ids|token_type_ids)$/,
  /(?:^|\.)lm_head\./,
  /(?:^|\.)mtp\./,
];
const REFUSED_TENSORS = [/(?:^|\.)score\./, /(?:^|\.)classifier\./, /lora_/];

/** Whether a tensor that nothing consumed changes what the model is. `name`: as stored. */
export function tensorMatters(name: string): boolean {
  if (REFUSED_TENSORS.some((pattern) => pattern.test(name))) return true;
  return TENSOR_OF_A_LAYER.test(name) && !IGNORED_TENSORS.some((pattern) => pattern.test(name));
}

/** Words of a field's name that speak of the arithmetic. */
const WORDS = new Set(
  (
    "attention attn causal bidirectional rope rotary window scale scaling multiplier softcap softcapping " +
    "bias norm experts moe adapter adapters lora rotation rotations hadamard transform transforms sparsity pruned " +
    "prompt instruction pooling lowercase offset residual"
  ).split(" "),
);
const SHOWN_CHARS_MAX = 60;

/** Throws CheckpointError for the first field of `object` that its table refuses. `where`: before its name, `a.b.`. */
export function checkFields(
  path: string,
  where: string,
  fields: Fields,
  object: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(object)) {
    const rule = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (rule === undefined ? !speaksOfMeaning(name) || saysNothing(value) : allows(rule, value)) continue;
    const why =
      rule?.kind === "only"
        ? `not supported; ${rule.supported} is`
        : "not known here and may change what the vectors mean; without it is supported";
    throw new CheckpointError(`${path}: ${where}${name} ${shown(value)} is ${why}`);
  }
}

function allows(rule: Rule, value: unknown): boolean {
  return rule.kind !== "only" || value === null || value === undefined || rule.accepts(value);
}

function speaksOfMeaning(name: string): boolean {
  return name
    .toLowerCase()
    .split(/[_.]/)
    .some((word) => WORDS.has(word));
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}

/** null, false, empty, or made of nothing but those. */
function saysNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return true;
  return typeof value === "object" && Object.values(value).every(saysNothing);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
