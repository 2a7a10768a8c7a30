// How a graph is to be built: what target, precision and weight form mean for its nodes. One builder follows the plan.

import type { CompileTarget, CudaWeights } from "./compiled-model.ts";
import type { ElementType } from "./element-type.ts";

export interface GraphPlan {
  readonly elementType: ElementType;
  readonly weights: CudaWeights;
  /** Whether GroupQueryAttention norms q and k itself (CUDA) or explicit nodes do (its CPU kernel refuses those inputs). */
  readonly attentionNorms: "fused" | "explicit";
  /**
   * Power of two that scales the residual stream: folded into the embedding rows and into what o_proj and down_proj add,
   * with eps · fold² in the norms. RMSNorm cancels it exactly, and float16 keeps its peaks below 65,504: the 8B sibling
   * overflows on texts that begin with "import" (QwenLM/Qwen3-Embedding#164).
   */
  readonly residualFold: number;
}

const FLOAT16_RESIDUAL_FOLD = 1 / 16;

/** The plan of a target. `cudaWeights` counts for the CUDA targets alone. */
export function planFor(target: CompileTarget, cudaWeights: CudaWeights): GraphPlan {
  if (target === "cpu") {
    return {
      elementType: "float32",
      weights: "as-is",
      attentionNorms: "explicit",
      residualFold: 1,
    };
  }
  const half = target === "cuda-fp16";
  return {
    elementType: half ? "float16" : "bfloat16",
    weights: cudaWeights,
    attentionNorms: "fused",
    residualFold: half ? FLOAT16_RESIDUAL_FOLD : 1,
  };
}
