// The form of plain layers: Gemm with weights in the graph's element type.

import { must } from "../../shared/assert.ts";
import type { DenseLinear } from "../checkpoint/linear.ts";
import { encodeFloats } from "./element-type.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { GraphPlan } from "./graph-plan.ts";

/** One product of `layers` stacked, [tokens, Σ outFeatures]. */
export function addDense(
  graph: GraphBuilder,
  plan: GraphPlan,
  name: string,
  input: string,
  layers: readonly DenseLinear[],
): string {
  const inFeatures = must(layers[0], "a linear layer").inFeatures;
  const outFeatures = layers.reduce((sum, layer) => sum + layer.outFeatures, 0);
  const weights = new Float32Array(outFeatures * inFeatures);
  let offset = 0;
  for (const layer of layers) {
    weights.set(layer.weights, offset);
    offset += layer.weights.length;
  }
  const constant = graph.constant(
    `${name}.weight`,
    plan.elementType,
    [outFeatures, inFeatures],
    encodeFloats(weights, plan.elementType),
  );
  return graph.node("Gemm", name, [input, constant], { attributes: { transB: { int: 1 } } });
}
