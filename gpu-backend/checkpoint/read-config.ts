// The facts of config.json that the compiler, the tokenizer check and the API need, parsed once; inside, they are
// believed. Anything that would change the arithmetic of the graph and is not built is refused by name.

import { join } from "node:path";
import * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";
import { parseQuantization, type Quantization, quantizationSchema } from "./quantization.ts";
import { readJson, readOptionalJson } from "./read-json.ts";

/** Qwen3 embedding models are trained and served up to this length (product.md). */
const CONTEXT_TOKENS_MAX = 32_768;
const END_TOKEN = "<|endoftext|>";

export interface ModelConfig {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  /** Not always hiddenSize / queryHeads. */
  readonly headDim: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly vocabSize: number;
  /** min(32768, max_position_embeddings), ending token included. */
  readonly maxTokens: number;
  /** Every text ends with it: the template's own, or `<|endoftext|>`. */
  readonly endTokenId: number;
  readonly quantization: Quantization;
}

const positive = z.int().positive();
const ropeSchema = z.looseObject({
  rope_theta: z.number().positive().optional(),
  rope_type: z.string().optional(),
  type: z.string().optional(),
});
const configSchema = z.object({
  model_type: z.string(),
  hidden_size: positive,
  num_hidden_layers: positive,
  intermediate_size: positive,
  num_attention_heads: positive,
  num_key_value_heads: positive,
  head_dim: positive.nullish(),
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  vocab_size: positive,
  max_position_embeddings: positive,
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().nullish(),
  use_sliding_window: z.boolean().nullish(),
  layer_types: z.array(z.string()).nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
  quantization_config: quantizationSchema.nullish(),
});
type RawConfig = z.infer<typeof configSchema>;

const specialTokenSchema = z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() });
const postProcessorSchema = z.looseObject({
  type: z.string(),
  single: z.array(specialTokenSchema).default([]),
  special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })).default({}),
});
const tokenizerSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
  post_processor: postProcessorSchema.extend({ processors: z.array(postProcessorSchema).default([]) }).nullish(),
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;
const tokenizerConfigSchema = z.looseObject({
  added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })).default({}),
});

/** Reads `dir`/config.json (and the tokenizer files for the ending token). Throws CheckpointError. */
export function readConfig(dir: string): ModelConfig {
  const raw = readJson(dir, "config.json", configSchema);
  const path = join(dir, "config.json");
  refuseUnbuilt(path, raw);
  const headDim = raw.head_dim ?? raw.hidden_size / raw.num_attention_heads;
  checkHeads(path, raw, headDim);
  return {
    layers: raw.num_hidden_layers,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size,
    queryHeads: raw.num_attention_heads,
    keyValueHeads: raw.num_key_value_heads,
    headDim,
    rmsNormEps: raw.rms_norm_eps,
    ropeTheta: ropeTheta(path, raw),
    vocabSize: raw.vocab_size,
    maxTokens: Math.min(CONTEXT_TOKENS_MAX, raw.max_position_embeddings),
    endTokenId: endTokenId(dir, raw),
    quantization: parseQuantization(path, raw.quantization_config),
  };
}

function refuseUnbuilt(path: string, raw: RawConfig): void {
  if (raw.model_type !== "qwen3")
    throw new CheckpointError(`${path}: model_type ${raw.model_type} is not supported; qwen3 is`);
  if (raw.hidden_act !== "silu")
    throw new CheckpointError(`${path}: hidden_act ${raw.hidden_act} is not supported; silu is`);
  if (raw.attention_bias)
    throw new CheckpointError(`${path}: attention_bias true is not supported; Qwen3 has no attention biases`);
  const sliding =
    raw.use_sliding_window === true || raw.layer_types?.some((type) => type !== "full_attention") === true;
  if (sliding)
    throw new CheckpointError(`${path}: sliding-window attention is not supported; full attention in every layer is`);
}

function checkHeads(path: string, raw: RawConfig, headDim: number): void {
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw new CheckpointError(`${path}: head_dim ${headDim} is not an even integer`);
  if (raw.num_attention_heads % raw.num_key_value_heads !== 0) {
    throw new CheckpointError(
      `${path}: num_attention_heads ${raw.num_attention_heads} is not a multiple of num_key_value_heads ${raw.num_key_value_heads}`,
    );
  }
}

/** transformers 4 writes rope_theta and rope_scaling, transformers 5 rope_parameters. */
function ropeTheta(path: string, raw: RawConfig): number {
  for (const rope of [raw.rope_scaling, raw.rope_parameters]) {
    const type = rope?.rope_type ?? rope?.type ?? "default";
    if (type !== "default")
      throw new CheckpointError(`${path}: RoPE scaling of type ${type} is not supported; none is`);
  }
  const theta = raw.rope_parameters?.rope_theta ?? raw.rope_theta;
  if (theta === undefined || theta === null) throw new CheckpointError(`${path}: rope_theta is missing`);
  return theta;
}

/**
 * The token that ends every text: the last one of the tokenizer's template, or else `<|endoftext|>`, which the engine's
 * tokenizer then appends. config.json's eos_token_id is asked last: chat-tuned relatives put `<|im_end|>` there, and an
 * embedding read from that token is a wrong one.
 */
function endTokenId(dir: string, raw: RawConfig): number {
  const tokenizer = readOptionalJson(dir, "tokenizer.json", tokenizerSchema);
  const fromTokenizer =
    templateEnd(tokenizer) ?? tokenizer?.added_tokens.find((token) => token.content === END_TOKEN)?.id;
  const decoder = readOptionalJson(dir, "tokenizer_config.json", tokenizerConfigSchema)?.added_tokens_decoder ?? {};
  const fromDecoder = Object.entries(decoder).find(([, token]) => token.content === END_TOKEN)?.[0];
  const fromConfig = Array.isArray(raw.eos_token_id) ? raw.eos_token_id[0] : raw.eos_token_id;
  const id = fromTokenizer ?? (fromDecoder === undefined ? fromConfig : Number(fromDecoder));
  if (id === undefined || id === null)
    throw new CheckpointError(
      `${dir}: neither the tokenizer nor config.json's eos_token_id names the ending token ${END_TOKEN}`,
    );
  if (id >= raw.vocab_size)
    throw new CheckpointError(
      `${dir}: the ending token's id ${id} is not below config.json's vocab_size ${raw.vocab_size}`,
    );
  return id;
}

/** The id that the tokenizer's own template puts after a text, if it puts one. */
function templateEnd(tokenizer: TokenizerFile | undefined): number | undefined {
  const postProcessor = tokenizer?.post_processor;
  const template = [postProcessor, ...(postProcessor?.processors ?? [])].findLast(
    (processor) => processor?.type === "TemplateProcessing",
  );
  const token = template?.single.at(-1)?.SpecialToken?.id;
  return token === undefined ? undefined : template?.special_tokens[token]?.ids.at(-1);
}
