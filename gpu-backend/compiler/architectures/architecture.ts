// How architectures differ, as data. Each has a file in this folder; table.ts lists them; one builder
// (../model-graph.ts) makes the graph of any.

import type { Fields } from "../../checkpoint/meaning.ts";
import type { RawConfig } from "../../checkpoint/raw-config.ts";

export interface Architecture {
  /** As config.json's model_type says it. */
  readonly modelType: string;
  /** Classes of config.json's `architectures` that are this body and no more: any other has another head, or another body. */
  readonly classes: readonly string[];
  /** Classes that are this body with a head that scores pairs; one may be in `classes` too. */
  readonly rerankers?: Readonly<Record<string, ScoreHead>>;
  /** How a reranker of this body reads a pair; absent: as the tokenizer's own template puts pairs together. */
  readonly pairPrompt?: PairPrompt;
  /** Fields that config.json may have besides COMMON_CONFIG. */
  readonly fields: Fields;
  readonly names: TensorNames;
  /** How the vectors of a folder are pooled that says nothing of it. */
  readonly pooling: Pooling;
  /** Whether its embedding models are trained so that the beginning of a vector is one too, by their cards. */
  readonly matryoshka?: true;
  /** Throws CheckpointError, whose message begins with `path`, config.json's. */
  readonly body: (raw: RawConfig, path: string) => Body;
}

/** Which of a text's final hidden states are its vector: the last one, the first one, or the mean of all. */
export type Pooling = "lasttoken" | "cls" | "mean";

/** What makes one logit of a pair's pooled hidden state. Names of layers as TensorNames has them. */
export type ScoreHead =
  /** The difference of two tokens' rows, "yes" less "no", in the layer that gives logits of the next token. */
  | { readonly kind: "tokens"; readonly layer: string }
  /** A layer of one row, behind `inner`, a layer of the body's width with a bias and tanh, where there is one. */
  | { readonly kind: "linear"; readonly inner?: HeadLayer; readonly last: HeadLayer; readonly biased: boolean };

export interface HeadLayer {
  readonly name: string;
  /** Whether exports put before its name what they put before the body's. */
  readonly ofBody: boolean;
}

/**
 * The text that a pair is put into: `start`, then `instruct`, the instruction, `query`, the query, `document` and the document,
 * then `end`. Start and end are tokenised for themselves, as the models' cards do it.
 */
export interface PairPrompt {
  readonly start: string;
  readonly instruct: string;
  readonly query: string;
  readonly document: string;
  readonly end: string;
  /** The instruction of a call that has none. */
  readonly instruction: string;
}

/** The layers, and what is before and after them. Plain data. */
export interface Body {
  readonly keyValueHeads: number;
  /** Not always hiddenSize / queryHeads. */
  readonly headDim: number;
  readonly norm: Norm;
  /**
   * Where norms are. before: before attention and MLP, and after the last layer. after: after the sums that attention
   * and MLP are added to, and after the embedding. around: before attention and MLP, after each of them before its sum,
   * and after the last layer.
   */
  readonly normPlaces: "before" | "after" | "around";
  /** Whether q and k have a norm over each head. */
  readonly queryKeyNorms: boolean;
  readonly biases: Readonly<Record<"qkv" | "o" | "mlp", boolean>>;
  readonly positions: Positions;
  /** Factor on the embedding of a token. */
  readonly embeddingScale: number;
  /** Of the MLP's gate, or of its one inner layer where there is no gate. */
  readonly activation: Activation;
  readonly gated: boolean;
  /** Whether a token attends only to itself and the tokens before it, or to the whole text. */
  readonly causal: boolean;
  /** Factor on q · k. */
  readonly attentionScale: number;
  /** Scores are softcap · tanh(score / softcap); null: as they are. */
  readonly softcap: number | null;
  /** Of each layer: how many tokens a token attends to, itself included; null: all. */
  readonly windows: readonly (number | null)[];
}

export interface Norm {
  /** RMSNorm, or LayerNorm with a bias. */
  readonly kind: "rms" | "layer";
  readonly eps: number;
  /** Whether weights are stored minus one. */
  readonly plusOne: boolean;
}

export type Positions =
  /** Rotations of q and k. */
  | { readonly kind: "rotary"; readonly theta: number }
  /** Rows of a table, from `first` on, added to the embedding. */
  | { readonly kind: "learned"; readonly first: number; readonly types: number; readonly rows: number };

/** gelu: by erf; gelu-tanh: its approximation by tanh. */
export type Activation = "silu" | "gelu" | "gelu-tanh";

/** Names of tensors, without `.weight` and `.bias`, and without what exports put before all of them. */
export interface TensorNames {
  readonly table: string;
  /** Of learned positions: their table, that of token types, and the norm after the sum. */
  readonly learned?: { readonly positions: string; readonly types: string; readonly norm: string };
  readonly finalNorm?: string;
  /** Before a layer's number. */
  readonly layers: string;
  /** After it. */
  readonly inLayer: Readonly<Partial<Record<LayerPart, string>>>;
}

export type LinearPart = "q" | "k" | "v" | "o" | "gate" | "up" | "down";
export type NormPart = "attentionNorm" | "qNorm" | "kNorm" | "attentionAfterNorm" | "mlpNorm" | "mlpAfterNorm";
export type LayerPart = LinearPart | NormPart;
