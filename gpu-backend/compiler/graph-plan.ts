// How a graph is to be built: what target, precision and weight form mean for its nodes. One builder follows the plan.

import type { CompileTarget, CpuLinears, CudaWeights } from "./compiled-model.ts";
import type { ElementType } from "./element-type.ts";

/** The place of a linear layer in a decoder layer. */
export type LinearPlace = "qkv" | "o" | "gateUp" | "down";
/**
 * float: in the graph's element type, weights as `weights` says. int8-pairs: two int8 digits a value, three integer products
 * (form-int8-pairs.ts).
 */
export type LinearForm = "float" | "int8-pairs";

/** down_proj's input has the largest outliers. */
const LINEARS: Readonly<Record<CpuLinears, Readonly<Record<LinearPlace, LinearForm>>>> = {
  float32: { qkv: "float", o: "float", gateUp: "float", down: "float" },
  "int8-pairs": { qkv: "int8-pairs", o: "int8-pairs", gateUp: "int8-pairs", down: "int8-pairs" },
  "int8-pairs, down_proj float32": { qkv: "int8-pairs", o: "int8-pairs", gateUp: "int8-pairs", down: "float" },
};

export interface GraphPlan {
  readonly elementType: ElementType;
  readonly weights: CudaWeights;
  readonly linears: Readonly<Record<LinearPlace, LinearForm>>;
  /**
   * Whether layers with the same input become one product that is cut apart after it: one launch instead of three on a
   * GPU. On a CPU the cut costs more than it saves.
   */
  readonly fused: boolean;
  /** Whether GroupQueryAttention norms q and k itself (CUDA) or explicit nodes do (its CPU kernel refuses those inputs). */
  readonly attentionNorms: "fused" | "explicit";
  /** How bidirectional attention keeps texts apart (attention-nodes.ts). */
  readonly bidirectional: "by text" | "masked";
  /**
   * Whether attention outputs its keys and values. Nothing reads them, but asking for them selects another kernel on
   * the CPU. Below about 1,000 tokens, where this graph ends (layer-graphs.ts takes over), that one is slower (23
   * against 14 ms for 8 × 128), and a text's bits depend on how long its neighbours are: it makes tiles of a text's
   * rows, and a tile of one row has a kernel of its own.
   */
  readonly presents: boolean;
  /**
   * Power of two that scales the residual stream: folded into the embedding rows and into what o_proj and down_proj add,
   * with eps · fold² in the norms. RMSNorm cancels it exactly, and float16 keeps its peaks below 65,504: the 8B sibling
   * overflows on texts that begin with "import" (QwenLM/Qwen3-Embedding#164).
   */
  readonly residualFold: number;
}

const FLOAT16_RESIDUAL_FOLD = 1 / 16;

/** The plan of a target. `cudaWeights` counts only for the CUDA targets, `linears` only for the CPU. */
export function planFor(target: CompileTarget, cudaWeights: CudaWeights, linears: CpuLinears): GraphPlan {
  if (target === "cpu") {
    return {
      elementType: "float32",
      weights: "as-is",
      linears: LINEARS[linears],
      fused: false,
      attentionNorms: "explicit",
      bidirectional: "by text",
      presents: false,
      residualFold: 1,
    };
  }
  const half = target === "cuda-fp16";
  return {
    elementType: half ? "float16" : "bfloat16",
    weights: cudaWeights,
    linears: LINEARS.float32,
    fused: true,
    attentionNorms: "fused",
    bidirectional: "masked",
    presents: true,
    residualFold: half ? FLOAT16_RESIDUAL_FOLD : 1,
  };
}
