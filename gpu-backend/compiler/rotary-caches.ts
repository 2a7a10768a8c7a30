// cos and sin of every position and frequency, [maxTokens, headDim / 2], for GroupQueryAttention's do_rotary.
// Frequencies and angles are rounded to float32 on the way, since the reference (transformers) computes them so: at
// position 32,767 the difference to exact angles would be 1e-3 radians.

import type { ModelConfig } from "../checkpoint/read-config.ts";
import { type ElementType, encodeFloats } from "./element-type.ts";
import type { GraphBuilder } from "./graph-builder.ts";

export interface RotaryCaches {
  readonly cos: string;
  readonly sin: string;
}

export function addRotaryCaches(
  graph: GraphBuilder,
  config: ModelConfig,
  theta: number,
  elementType: ElementType,
): RotaryCaches {
  const half = config.headDim / 2;
  const frequencies = Float32Array.from(
    { length: half },
    (_, index) => 1 / Math.fround(theta ** Math.fround((2 * index) / config.headDim)),
  );
  const cos = new Float32Array(config.maxTokens * half);
  const sin = new Float32Array(config.maxTokens * half);
  for (let position = 0; position < config.maxTokens; position += 1) {
    for (let index = 0; index < half; index += 1) {
      const angle = Math.fround(position * (frequencies[index] ?? 0));
      cos[position * half + index] = Math.cos(angle);
      sin[position * half + index] = Math.sin(angle);
    }
  }
  const dims = [config.maxTokens, half];
  return {
    cos: graph.constant("rotary.cos", elementType, dims, encodeFloats(cos, elementType)),
    sin: graph.constant("rotary.sin", elementType, dims, encodeFloats(sin, elementType)),
  };
}
