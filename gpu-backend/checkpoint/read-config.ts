// The facts of a checkpoint's folder that the compiler, the tokenizer and the API need, parsed once; inside, they are
// believed. meaning.ts has all that the folder may say.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

import type { Prompts } from "../../shared/wire.ts";
import type { Body, Pooling } from "../compiler/architectures/architecture.ts";
import { fieldsOf, findArchitecture } from "./which-architecture.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { checkFields, REFUSED_FILES } from "./meaning.ts";
import { cannotRead } from "./plain-file.ts";
import { type RawConfig, rawConfigSchema } from "./raw-config.ts";
import { type Quantization, readQuantization } from "./quantization.ts";
import { readJson } from "./read-json.ts";
import { readReranker, type Reranker } from "./reranker.ts";
import {
  type DenseModule,
  readMaxTokens,
  readSentenceTransformers,
  type SentenceTransformers,
} from "./sentence-transformers.ts";
import { END_TOKEN, readEndToken } from "./tokenizer-files.ts";

/** Qwen3 embedding models are trained up to this length (their model cards), and served up to it. */
const CONTEXT_TOKENS_MAX = 32_768;
/** ONNX Runtime's GroupQueryAttention takes no other; RoPE turns pairs of values. */
const CAUSAL_HEAD_DIM_STEP = 16;
const HEAD_DIM_STEP = 2;

export interface ModelConfig extends Body {
  /** Its row in compiler/architectures/table.ts. */
  readonly architecture: string;
  /** Whether the beginning of a vector is one too. */
  readonly matryoshka: boolean;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly queryHeads: number;
  readonly vocabSize: number;
  /** Whether lm_head.weight is the embedding table too, and may be stored in its place. */
  readonly tied: boolean;
  readonly pooling: Pooling;
  /** What a pooled vector goes through before it is normalised. */
  readonly dense: readonly DenseModule[];
  /** Of a vector; a reranker's logit is one. */
  readonly dimensions: number;
  /** How pairs are read and scored; undefined: an embedding model. */
  readonly reranker: Reranker | undefined;
  /** min(32768, max_position_embeddings, max_seq_length), ending token included. */
  readonly maxTokens: number;
  /** Every text ends with it: the template's own, or `<|endoftext|>`. */
  readonly endTokenId: number;
  readonly quantization: Quantization;
  readonly prompts: Prompts;
}

/** Reads everything in `dir` except the tensors. Throws CheckpointError for what is missing, damaged or not built. */
export function readConfig(dir: string): ModelConfig {
  refuseFiles(dir);
  const path = join(dir, "config.json");
  // The architecture first: another one's fields mean something else.
  const json = readJson(dir, "config.json", z.looseObject({}));
  const architecture = findArchitecture(path, json);
  checkFields(path, "", fieldsOf(architecture), json);
  const raw = readJson(dir, "config.json", rawConfigSchema);
  const body = architecture.body(raw, path);
  checkHeads(path, raw, body);
  const reranker = readReranker(dir, raw, architecture);
  const {
    maxTokens = CONTEXT_TOKENS_MAX,
    pooling,
    dense,
    prompts,
  } = reranker === undefined
    ? readSentenceTransformers(dir, raw.hidden_size, architecture.pooling)
    : ofPairs(dir, body.causal);
  const positions = raw.max_position_embeddings - (body.positions.kind === "learned" ? body.positions.first : 0);
  const context = Math.min(CONTEXT_TOKENS_MAX, positions, maxTokens);
  return {
    ...body,
    windows: windowsWithin(path, body, context),
    pooling,
    dense,
    dimensions: reranker === undefined ? (dense.at(-1)?.outFeatures ?? raw.hidden_size) : 1,
    reranker,
    architecture: architecture.modelType,
    matryoshka: architecture.matryoshka === true,
    layers: raw.num_hidden_layers,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size,
    queryHeads: raw.num_attention_heads,
    vocabSize: raw.vocab_size,
    tied: raw.tie_word_embeddings === true,
    maxTokens: context,
    endTokenId: endTokenId(dir, raw),
    quantization: readQuantization(dir, raw),
    prompts,
  };
}

/** A pair's score is read from its last token where each token sees what is before it, and from its first one otherwise. */
function ofPairs(dir: string, causal: boolean): SentenceTransformers {
  return {
    maxTokens: readMaxTokens(dir),
    pooling: causal ? "lasttoken" : "cls",
    dense: [],
    prompts: { query: "", document: "", plain: "", instruction: null },
  };
}

function refuseFiles(dir: string): void {
  for (const [name, reason] of Object.entries(REFUSED_FILES)) {
    if (existsSync(join(dir, name))) throw new CheckpointError(`${join(dir, name)}: ${reason}`);
  }
  const gguf = namesIn(dir).find((name) => /\.gguf$/i.test(name));
  if (gguf === undefined || existsSync(join(dir, "config.json"))) return;
  throw new CheckpointError(
    `${join(dir, gguf)}: GGUF is not supported; a folder with config.json, tokenizer.json and model.safetensors is`,
  );
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    throw cannotRead(dir, error);
  }
}

function checkHeads(path: string, raw: RawConfig, { headDim, keyValueHeads, causal }: Body): void {
  const step = causal ? CAUSAL_HEAD_DIM_STEP : HEAD_DIM_STEP;
  if (headDim % step !== 0)
    throw new CheckpointError(
      `${path}: head_dim (hidden_size / num_attention_heads) ${headDim} is not supported; a multiple of ${step} is`,
    );
  if (raw.num_attention_heads % keyValueHeads !== 0) {
    throw new CheckpointError(
      `${path}: num_attention_heads ${raw.num_attention_heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
    );
  }
}

/** A window as long as the context is none. Only ONNX Runtime's causal attention has windows and caps. */
function windowsWithin(path: string, body: Body, context: number): Body["windows"] {
  const windows = body.windows.map((window) => (window !== null && window < context ? window : null));
  const has = windows.some((window) => window !== null);
  if (!body.causal && (has || body.softcap !== null))
    throw new CheckpointError(
      `${path}: ${has ? "sliding_window" : "attn_logit_softcapping"} in bidirectional attention is not supported; causal attention has it`,
    );
  return windows;
}

/** Asked last: chat-tuned relatives put `<|im_end|>` there, and an embedding read from that token is a wrong one. */
function endTokenId(dir: string, raw: RawConfig): number {
  const fromConfig = Array.isArray(raw.eos_token_id) ? raw.eos_token_id[0] : raw.eos_token_id;
  const id = readEndToken(dir) ?? fromConfig;
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
