// How architectures differ, as data. A file beside this one says it of each; table.ts lists them; one builder
// (../model-graph.ts) makes the graph of any.

import type { Fields } from "../../checkpoint/meaning.ts";
import type { RawConfig } from "../../checkpoint/raw-config.ts";

export interface Architecture {
  /** As config.json's model_type says it. */
  readonly modelType: string;
  /** Classes of config.json's `architectures` that are this body and no more: any other has another head, or another body. */
  readonly classes: readonly string[];
  /** What config.json may say beside COMMON_CONFIG. */
  readonly fields: Fields;
  readonly names: TensorNames;
  /** Throws CheckpointError, whose message begins with `path`, config.json's. */
  readonly body: (raw: RawConfig, path: string) => Body;
}

/** What the layers are, and what stands before and after them. */
export interface Body {
  readonly keyValueHeads: number;
  /** Not always hiddenSize / queryHeads. */
  readonly headDim: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  /** Whether q and k have a norm over each head. */
  readonly queryKeyNorms: boolean;
  readonly biases: Readonly<Record<"qkv" | "o" | "mlp", boolean>>;
}

/** Names of tensors, without `.weight` and `.bias`, and without what exports put before all of them. */
export interface TensorNames {
  readonly table: string;
  readonly finalNorm: string;
  /** Before a layer's number. */
  readonly layers: string;
  /** After it. */
  readonly inLayer: Readonly<Record<LayerPart, string>>;
}

export type LayerPart =
  | "attentionNorm"
  | "q"
  | "qNorm"
  | "k"
  | "kNorm"
  | "v"
  | "o"
  | "mlpNorm"
  | "gate"
  | "up"
  | "down";
