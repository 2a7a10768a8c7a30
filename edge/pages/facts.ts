// Facts about models that GET /v1/models does not have, as published with the model. Prices, status, sizes and
// throughput come only from the API.

import { DEMO_MODEL_ID, PRODUCTION_MODEL_ID, RERANKER_MODEL_ID } from "../../shared/catalog.ts";

export interface ModelFacts {
  readonly task: string;
  readonly architecture: string;
  readonly parameters: string;
  /** Year and month. */
  readonly published: string;
  readonly updated: string;
  /** On the Hugging Face Hub. */
  readonly downloadsPerMonth?: number;
  readonly languages: string;
  /** What an instruction adds to retrieval quality: from, to. */
  readonly instructionGainPercent?: readonly [number, number];
  readonly parent?: string;
  readonly quantization?: Quantization;
  readonly bestFor: readonly { readonly use: string; readonly why: string }[];
  readonly about: readonly string[];
  /** Repositories on the Hugging Face Hub. */
  readonly related: readonly { readonly id: string; readonly note: string }[];
  readonly isOnHub: boolean;
}

interface Quantization {
  readonly method: string;
  readonly weights: string;
  readonly groupSize: number;
  readonly activations: string;
  readonly vramMb: number;
  readonly parentVramMb: number;
  readonly vramNote: string;
  readonly meanLossPercent: number;
}

const PRODUCTION: ModelFacts = {
  task: "Text embedding",
  architecture: "Qwen3 transformer (decoder)",
  parameters: "4B (W4A16 quantised)",
  published: "2025-06",
  updated: "2025-06",
  downloadsPerMonth: 549_100,
  languages: "over 100",
  instructionGainPercent: [1, 5],
  parent: "Qwen/Qwen3-Embedding-4B",
  quantization: {
    method: "GPTQ",
    weights: "int4",
    groupSize: 128,
    activations: "16-bit",
    vramMb: 11_000,
    parentVramMb: 17_430,
    vramNote: "without Flash Attention 2",
    meanLossPercent: 0.72,
  },
  bestFor: [
    { use: "Retrieval", why: "queries carry an instruction, documents none" },
    { use: "Reranking", why: "by similarity, through /v1/rerank" },
    { use: "Semantic similarity", why: "pairs, or one text against many" },
    { use: "Classification", why: "a linear layer over fixed vectors" },
    { use: "Clustering", why: "short dimensions keep it cheap" },
    { use: "Bitext mining", why: "one space for over 100 languages" },
  ],
  about: [
    "Qwen3 Embedding 4B turns a text of up to 32,768 tokens into one vector of 2,560 numbers. The vector is the last token’s hidden state, normalised to length one, so a dot product is the cosine.",
    "These are its weights in 4 bits (GPTQ, groups of 128) with 16-bit activations: smaller and cheaper to serve than the parent, with a mean loss of about 0.72 % on the benchmark below.",
    "Vectors are trained Matryoshka style: any prefix is an embedding too. Ask for fewer dimensions and store less.",
  ],
  related: [
    { id: "Qwen/Qwen3-Embedding-0.6B", note: "the family’s smallest" },
    { id: "Qwen/Qwen3-Embedding-4B", note: "the parent, in 16 bits" },
    { id: "Qwen/Qwen3-Embedding-8B", note: "the family’s largest: 70.58 on MTEB multilingual, first in June 2025" },
  ],
  isOnHub: true,
};

const DEMO: ModelFacts = {
  task: "Text embedding",
  architecture: "Qwen3 transformer (decoder)",
  parameters: "small, 4-bit GPTQ",
  published: "2026-11",
  updated: "2026-11",
  languages: "English",
  bestFor: [
    { use: "Trying the API", why: "every route, header and limit, without a GPU" },
    { use: "Tests and CI", why: "same shapes and errors as the real models" },
  ],
  about: [
    "A small English model in the same architecture as the real ones. It comes with the software, runs on a laptop’s CPU, and answers every route the way they do. Its vectors are good enough to see that things work, and not meant for production.",
  ],
  related: [],
  isOnHub: false,
};

const RERANKER: ModelFacts = {
  task: "Text reranking",
  architecture: "Qwen3 transformer (decoder)",
  parameters: "0.6B",
  published: "2025-06",
  updated: "2025-06",
  languages: "over 100",
  bestFor: [
    { use: "The second step of a search", why: "the few hundred best of a first pass by embeddings" },
    { use: "Retrieval-augmented generation", why: "what the language model reads is what answers the question" },
    { use: "A task of your own", why: "the instruction says what counts as relevant" },
  ],
  about: [
    "Qwen3 Reranker 0.6B reads a query and a document together and answers how well the document meets the query: a score from 0 to 1, the model’s probability of “yes” against “no”.",
    "An embedding model reads each text by itself, once for all queries; a reranker reads each document again for each query. That costs more: let embeddings find candidates, and the reranker order them.",
    "We have run no benchmark of it, so none is shown here.",
  ],
  related: [
    { id: "Qwen/Qwen3-Reranker-4B", note: "the same in 4B" },
    { id: "Qwen/Qwen3-Reranker-8B", note: "the family’s largest" },
  ],
  isOnHub: true,
};

const FACTS: Readonly<Record<string, ModelFacts>> = {
  [PRODUCTION_MODEL_ID]: PRODUCTION,
  [RERANKER_MODEL_ID]: RERANKER,
  [DEMO_MODEL_ID]: DEMO,
};

/** The published facts of `modelId`; undefined for a checkpoint that only this deployment serves. */
export function factsOf(modelId: string): ModelFacts | undefined {
  return FACTS[modelId];
}

export interface BenchmarkRow {
  /** On the Hugging Face Hub. */
  readonly id: string;
  readonly name: string;
  /** The checkpoint's `model_type`. */
  readonly architecture: string;
  readonly parameters: string;
  /** Absent: not published with the figures. */
  readonly contextTokens?: number;
  /** In the order of `columns`; absent: not published for this model. */
  readonly scores?: readonly number[];
  readonly note?: string;
}

/** C-MTEB as published with the model. */
export const BENCHMARK: {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly BenchmarkRow[];
} = {
  name: "C-MTEB evaluation (multilingual)",
  columns: ["Mean", "Classification", "Clustering", "Pair class.", "Reranking", "Retrieval", "STS"],
  rows: [
    {
      id: "intfloat/multilingual-e5-large-instruct",
      name: "multilingual-e5-large-instruct",
      architecture: "xlm-roberta",
      parameters: "0.6B",
      contextTokens: 512,
      scores: [58.08, 69.8, 48.23, 64.52, 57.45, 63.65, 45.81],
    },
    {
      id: "BAAI/bge-multilingual-gemma2",
      name: "bge-multilingual-gemma2",
      architecture: "gemma2",
      parameters: "9B",
      scores: [67.64, 75.31, 59.3, 86.67, 68.28, 73.73, 55.19],
    },
    {
      id: "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
      name: "gte-Qwen2-1.5B-instruct",
      architecture: "qwen2",
      parameters: "1.5B",
      scores: [67.12, 72.53, 54.61, 79.5, 68.21, 71.86, 60.05],
    },
    {
      id: "Alibaba-NLP/gte-Qwen2-7B-instruct",
      name: "gte-Qwen2-7B-instruct",
      architecture: "qwen2",
      parameters: "7.6B",
      scores: [71.62, 75.77, 66.06, 81.16, 69.24, 75.7, 65.2],
    },
    {
      id: "richinfoai/ritrieve_zh_v1",
      name: "ritrieve_zh_v1",
      architecture: "bert",
      parameters: "0.3B",
      contextTokens: 512,
      scores: [72.71, 76.88, 66.5, 85.98, 72.86, 76.97, 63.92],
    },
    {
      id: "Qwen/Qwen3-Embedding-4B",
      name: "Qwen3-Embedding-4B",
      architecture: "qwen3",
      parameters: "4B",
      contextTokens: 32_768,
      scores: [72.27, 75.46, 77.89, 83.34, 66.05, 77.03, 61.26],
    },
    {
      id: "Qwen/Qwen3-Embedding-8B",
      name: "Qwen3-Embedding-8B",
      architecture: "qwen3",
      parameters: "8B",
      note: "70.58 on MTEB multilingual, first in June 2025",
    },
    {
      id: PRODUCTION_MODEL_ID,
      name: "Qwen3-Embedding-4B-W4A16-G128",
      architecture: "qwen3",
      parameters: "4B-W4A16",
      contextTokens: 32_768,
      scores: [71.75, 75.43, 77.51, 83.04, 65.73, 76.15, 60.47],
    },
  ],
};

/** What the benchmark says of `modelId`; undefined where it does not name it. */
export function benchmarkRowOf(modelId: string): BenchmarkRow | undefined {
  return BENCHMARK.rows.find(({ id }) => id === modelId);
}
