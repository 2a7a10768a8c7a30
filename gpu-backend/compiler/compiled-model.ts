// What compiling a checkpoint gives: all that the engine and /info need, plain data that crosses process borders.

import type { ModelRevision } from "../../shared/ids.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";

/** cpu: float32. cuda-bf16 and cuda-fp16: 16-bit activations. */
export type CompileTarget = "cpu" | "cuda-bf16" | "cuda-fp16";
/**
 * exact: everything in the target's float type. The only one: products with int8 activations (MatMulNBits' accuracy_level 4)
 * are up to 2.8e-3 of cosine off on real weights and a sixteenth faster (docs/decisions/cpu-kernels.md).
 */
export const PRECISIONS = ["exact"] as const;
export type Precision = (typeof PRECISIONS)[number];
/**
 * Form of 4-bit weights on a CUDA target. as-is: the checkpoint's own groups. block32: each scale repeated so that blocks
 * of 32 reach the provider's fast int4 kernels, same values. dense: dequantised to 16 bits at compile time.
 */
export type CudaWeights = "as-is" | "block32" | "dense";
/**
 * What the linear layers of a CPU graph are. float32: on the checkpoint's own weights. int8-pairs: exact integer products
 * (form-int8-pairs.ts), in all layers or in all but the most sensitive one. The fastest first.
 */
export const CPU_LINEARS = ["int8-pairs", "int8-pairs, down_proj float32", "float32"] as const;
export type CpuLinears = (typeof CPU_LINEARS)[number];

/** The form that computes large runs on a card, where that is another than the one for the others. */
export interface LargeRuns {
  /** As CompiledModel's. */
  readonly graphPath: string;
  readonly cudaWeights: CudaWeights;
  /** A run of at least this many tokens is large. */
  readonly tokensMin: number;
}

export interface CompiledModel {
  /** The ONNX graph; its weights file is in the same folder. */
  readonly graphPath: string;
  /** Of both forms, where there are two: a text's vector may come from either. */
  readonly revision: ModelRevision;
  readonly config: ModelConfig;
  /** The checkpoint's own layout, e.g. "gptq-v1", "compressed-tensors", "bf16". */
  readonly layout: string;
  readonly target: CompileTarget;
  readonly precision: Precision;
  readonly cudaWeights: CudaWeights;
  readonly largeRuns?: LargeRuns;
  /** What the linear layers of a CPU graph are. */
  readonly linears: CpuLinears;
  readonly checkpointDir: string;
}

/** One, or two where large runs have a form of their own. */
export function graphPathsOf({
  graphPath,
  largeRuns,
}: Pick<CompiledModel, "graphPath" | "largeRuns">): readonly string[] {
  return largeRuns === undefined ? [graphPath] : [graphPath, largeRuns.graphPath];
}
