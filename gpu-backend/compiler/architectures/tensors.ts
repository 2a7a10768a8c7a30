// Which tensors a model has, by name and size.

import { must, unreachable } from "../../../shared/assert.ts";
import type { LinearShape } from "../../checkpoint/linear.ts";
import type { ModelConfig } from "../../checkpoint/read-config.ts";
import type { LayerPart, LinearPart, NormPart, TensorNames } from "./architecture.ts";
import { architectureOf } from "./table.ts";

/** Of q and of k. */
export const HEAD_NORMS: readonly NormPart[] = ["qNorm", "kNorm"];
const LAYER_NORMS = {
  before: ["attentionNorm", "mlpNorm"],
  after: ["attentionAfterNorm", "mlpAfterNorm"],
  around: ["attentionNorm", "attentionAfterNorm", "mlpNorm", "mlpAfterNorm"],
} satisfies Record<ModelConfig["normPlaces"], NormPart[]>;

/** A norm: its vectors are `name.weight` and, of a LayerNorm, `name.bias`. */
export interface NamedNorm {
  readonly name: string;
  readonly size: number;
}

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export function namesOf({ architecture }: Pick<ModelConfig, "architecture">): TensorNames {
  return architectureOf(architecture).names;
}

export function tableName(names: TensorNames): string {
  return `${names.table}.weight`;
}

/** A tensor that every model of these names has once: what stands before its name stands before all. */
export function anchorName({ layers, inLayer }: TensorNames): string {
  return `${layers}.0.${must(inLayer.attentionNorm ?? inLayer.attentionAfterNorm, "a norm")}.weight`;
}

export function linearOf(config: ModelConfig, layer: number, part: LinearPart): LinearShape {
  const { hiddenSize, intermediateSize, queryHeads, keyValueHeads, headDim, biases } = config;
  const [queries, keys] = [queryHeads * headDim, keyValueHeads * headDim];
  const sizes: Record<LinearPart, readonly [outFeatures: number, inFeatures: number, biased: boolean]> = {
    q: [queries, hiddenSize, biases.qkv],
    k: [keys, hiddenSize, biases.qkv],
    v: [keys, hiddenSize, biases.qkv],
    o: [hiddenSize, queries, biases.o],
    gate: [intermediateSize, hiddenSize, biases.mlp],
    up: [intermediateSize, hiddenSize, biases.mlp],
    down: [hiddenSize, intermediateSize, biases.mlp],
  };
  const [outFeatures, inFeatures, biased] = sizes[part];
  return { name: partName(config, layer, part), outFeatures, inFeatures, biased };
}

/** The MLP's layers that read its input: the gate, if there is one, first. */
export function innerParts({ gated }: Pick<ModelConfig, "gated">): readonly LinearPart[] {
  return gated ? ["gate", "up"] : ["up"];
}

export function normOf(config: ModelConfig, layer: number, part: NormPart): NamedNorm {
  const size = HEAD_NORMS.includes(part) ? config.headDim : config.hiddenSize;
  return { name: partName(config, layer, part), size };
}

/** The norm after the last layer, if there is one. */
export function finalNormOf(config: ModelConfig): NamedNorm | undefined {
  const name = namesOf(config).finalNorm;
  return name === undefined ? undefined : { name, size: config.hiddenSize };
}

/** The tables of learned positions and token types, and the norm after the embedding, if there are any. */
export function learnedOf(config: ModelConfig) {
  const { positions, hiddenSize } = config;
  const { learned } = namesOf(config);
  if (positions.kind !== "learned" || learned === undefined) return undefined;
  const table = (name: string, rows: number) => ({ name: `${name}.weight`, shape: [rows, hiddenSize] as const });
  return {
    positions: table(learned.positions, positions.rows),
    types: table(learned.types, positions.types),
    norm: { name: learned.norm, size: hiddenSize },
  };
}

/** The layers of a reranker's head that the checkpoint stores, the inner one first. None: its rows are the embedding table's. */
export function headLinears({ reranker, hiddenSize, vocabSize, tied }: ModelConfig): LinearShape[] {
  if (reranker === undefined) return [];
  const { head } = reranker;
  switch (head.kind) {
    case "tokens":
      return tied ? [] : [{ name: head.layer, outFeatures: vocabSize, inFeatures: hiddenSize, biased: false }];
    case "linear": {
      const { inner, last, biased } = head;
      const before = inner && { name: inner.name, outFeatures: hiddenSize, inFeatures: hiddenSize, biased: true };
      return [...(before ? [before] : []), { name: last.name, outFeatures: 1, inFeatures: hiddenSize, biased }];
    }
    default:
      return unreachable(head);
  }
}

/** Whether `name` is a tensor of the head's that stands without what exports put before the body's names. */
export function isOfHead({ reranker }: Pick<ModelConfig, "reranker">, name: string): boolean {
  if (reranker === undefined) return false;
  const { head } = reranker;
  const layers = head.kind === "tokens" ? [{ name: head.layer, ofBody: false }] : [head.inner, head.last];
  return layers.some(
    (layer) => layer?.ofBody === false && [`${layer.name}.weight`, `${layer.name}.bias`].includes(name),
  );
}

/** Every tensor outside of the layers that is no linear layer's of theirs. */
export function tensorsAround(config: ModelConfig): NamedTensor[] {
  const learned = learnedOf(config);
  const final = finalNormOf(config);
  const head = headLinears(config).flatMap(({ name, outFeatures, inFeatures, biased }) => [
    { name: `${name}.weight`, shape: [outFeatures, inFeatures] },
    ...(biased ? [{ name: `${name}.bias`, shape: [outFeatures] }] : []),
  ]);
  return [
    ...head,
    { name: tableName(namesOf(config)), shape: [config.vocabSize, config.hiddenSize] },
    ...(learned === undefined ? [] : [learned.positions, learned.types, ...vectorsOf(config, learned.norm)]),
    ...(final === undefined ? [] : vectorsOf(config, final)),
  ];
}

/** The linear layers and the vectors of one layer. */
export function tensorsOf(config: ModelConfig, layer: number): { linears: LinearShape[]; vectors: NamedTensor[] } {
  const norms: NormPart[] = [...LAYER_NORMS[config.normPlaces], ...(config.queryKeyNorms ? HEAD_NORMS : [])];
  const linears: LinearPart[] = ["q", "k", "v", "o", ...innerParts(config), "down"];
  return {
    linears: linears.map((part) => linearOf(config, layer, part)),
    vectors: norms.flatMap((part) => vectorsOf(config, normOf(config, layer, part))),
  };
}

function vectorsOf({ norm }: ModelConfig, { name, size }: NamedNorm): NamedTensor[] {
  const parts = norm.kind === "layer" ? ["weight", "bias"] : ["weight"];
  return parts.map((part) => ({ name: `${name}.${part}`, shape: [size] }));
}

function partName(config: ModelConfig, layer: number, part: LayerPart): string {
  const { layers, inLayer } = namesOf(config);
  return `${layers}.${layer}.${must(inLayer[part], "a name of the architecture")}`;
}
