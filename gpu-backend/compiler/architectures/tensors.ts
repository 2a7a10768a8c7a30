// Which tensors a model has, by name and size.

import type { LinearShape } from "../../checkpoint/linear.ts";
import type { ModelConfig } from "../../checkpoint/read-config.ts";
import type { LayerPart, TensorNames } from "./architecture.ts";
import { architectureOf } from "./table.ts";

export type LinearPart = Extract<LayerPart, "q" | "k" | "v" | "o" | "gate" | "up" | "down">;
export type VectorPart = Exclude<LayerPart, LinearPart>;
/** Of q and of k. */
export const HEAD_NORMS: readonly VectorPart[] = ["qNorm", "kNorm"];
const LINEAR_PARTS: readonly LinearPart[] = ["q", "k", "v", "o", "gate", "up", "down"];

export interface NamedVector {
  readonly name: string;
  readonly size: number;
}

export function namesOf(config: ModelConfig): TensorNames {
  return architectureOf(config.architecture).names;
}

export function tableName(names: TensorNames): string {
  return `${names.table}.weight`;
}

/** A tensor that every model of these names has once: what stands before its name stands before all. */
export function anchorName({ layers, inLayer }: TensorNames): string {
  return `${layers}.0.${inLayer.attentionNorm}.weight`;
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

export function vectorOf(config: ModelConfig, layer: number, part: VectorPart): NamedVector {
  const size = part === "qNorm" || part === "kNorm" ? config.headDim : config.hiddenSize;
  return { name: `${partName(config, layer, part)}.weight`, size };
}

export function finalNormOf(config: ModelConfig): NamedVector {
  return { name: `${namesOf(config).finalNorm}.weight`, size: config.hiddenSize };
}

/** The linear layers and vectors of one layer. */
export function tensorsOf(config: ModelConfig, layer: number): { linears: LinearShape[]; vectors: NamedVector[] } {
  const vectors: VectorPart[] = ["attentionNorm", "mlpNorm", ...(config.queryKeyNorms ? HEAD_NORMS : [])];
  return {
    linears: LINEAR_PARTS.map((part) => linearOf(config, layer, part)),
    vectors: vectors.map((part) => vectorOf(config, layer, part)),
  };
}

function partName(config: ModelConfig, layer: number, part: LayerPart): string {
  const { layers, inLayer } = namesOf(config);
  return `${layers}.${layer}.${inLayer[part]}`;
}
