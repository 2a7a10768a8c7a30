// The form of 4-bit layers that multiplies in the graph's element type: MatMulNBits, whose weights stay 4-bit.

import { must } from "../../shared/assert.ts";
import type { Int4Linear } from "../checkpoint/linear.ts";
import { type BlockedWeights, blockSizeFor, packBlocks } from "./blocks.ts";
import { encodeFloats } from "./element-type.ts";
import { type GraphBuilder, MICROSOFT } from "./graph-builder.ts";
import type { GraphPlan } from "./graph-plan.ts";

/** One product of `layers` stacked, [tokens, Σ outFeatures]. All of them share groups and permutation. */
export function addInt4(
  graph: GraphBuilder,
  plan: GraphPlan,
  name: string,
  input: string,
  layers: readonly Int4Linear[],
): string {
  const first = must(layers[0], "a linear layer");
  const blockSize = must(blockSizeFor(first.groupSize, first.inFeatures, plan.weights), "block size");
  let ordered = input;
  if (first.permutation !== undefined) {
    const order = graph.constant(
      `${name}.order`,
      "int32",
      [first.inFeatures],
      new Uint8Array(first.permutation.buffer),
    );
    ordered = graph.node("Gather", `${name}.ordered`, [input, order], { attributes: { axis: { int: 1 } } });
  }
  return addBlocked(graph, plan, name, ordered, packBlocks(layers, blockSize));
}

function addBlocked(
  graph: GraphBuilder,
  plan: GraphPlan,
  name: string,
  input: string,
  weights: BlockedWeights,
): string {
  const { outFeatures, inFeatures, blockSize } = weights;
  const blocks = Math.ceil(inFeatures / blockSize);
  const inputs = [
    input,
    graph.constant(`${name}.B`, "uint8", [outFeatures, blocks, blockSize / 2], weights.bytes),
    graph.constant(
      `${name}.scales`,
      plan.elementType,
      [outFeatures, blocks],
      encodeFloats(weights.scales, plan.elementType),
    ),
  ];
  if (weights.zeroPoints !== undefined) {
    inputs.push(graph.constant(`${name}.zeros`, "uint8", [outFeatures, Math.ceil(blocks / 2)], weights.zeroPoints));
  }
  return graph.node("MatMulNBits", name, inputs, {
    domain: MICROSOFT,
    attributes: {
      K: { int: inFeatures },
      N: { int: outFeatures },
      bits: { int: 4 },
      block_size: { int: blockSize },
      // In the element type; 4 would round the activations to int8.
      accuracy_level: { int: 0 },
    },
  });
}
