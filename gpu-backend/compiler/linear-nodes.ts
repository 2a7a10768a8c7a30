// Linear layers as graph nodes: 4-bit ones become MatMulNBits, plain ones Gemm, and layers that read the same input are
// fused into one product where their forms agree (one large product keeps the threads busier than three small ones).

import { assert, must } from "../../shared/assert.ts";
import { dequantise, type DenseLinear, type Int4Linear, type Linear } from "../checkpoint/linear.ts";
import { encodeFloats } from "./element-type.ts";
import { type GraphBuilder, MICROSOFT } from "./graph-builder.ts";
import type { GraphPlan } from "./graph-plan.ts";
import { type BlockedWeights, blockSizeFor, packBlocks } from "./blocks.ts";

export interface LinearInput {
  readonly layers: readonly Linear[];
  /** Value [tokens, inFeatures] that all of them read. */
  readonly input: string;
  /** Name of the fused product; outputs are named after it. */
  readonly name: string;
  /** Factor on the layers' outputs (the residual fold). */
  readonly fold?: number;
}

/** Adds the products of `layers` with `input` and returns one value per layer, [tokens, outFeatures] each. */
export function addLinears(
  graph: GraphBuilder,
  plan: GraphPlan,
  { layers, input, name, fold = 1 }: LinearInput,
): readonly string[] {
  const scaled = layers.map((layer) => applyPlan(plan, scaleLinear(layer, fold)));
  const first = must(scaled[0], "a linear layer");
  if (scaled.length > 1 && !scaled.every((layer) => fuses(first, layer))) {
    return scaled.map((layer, index) => addProduct(graph, plan, `${name}.${index}`, input, [layer]));
  }
  const product = addProduct(graph, plan, name, input, scaled);
  if (scaled.length === 1) return [product];
  const sizes = graph.int64s(
    `${name}.sizes`,
    scaled.map((layer) => layer.outFeatures),
  );
  return graph.nodeWithOutputs(
    "Split",
    `${name}.split`,
    [product, sizes],
    scaled.map((_, index) => `${name}.${index}`),
    { attributes: { axis: { int: -1 } } },
  );
}

/** Layers whose groups no block size fits, and all of them in a dense plan, are dequantised. */
function applyPlan(plan: GraphPlan, layer: Linear): Linear {
  if (layer.kind === "dense") return layer;
  const blocked =
    plan.weights !== "dense" && blockSizeFor(layer.groupSize, layer.inFeatures, plan.weights) !== undefined;
  return blocked
    ? layer
    : {
        kind: "dense",
        name: layer.name,
        outFeatures: layer.outFeatures,
        inFeatures: layer.inFeatures,
        weights: dequantise(layer),
      };
}

function scaleLinear(layer: Linear, fold: number): Linear {
  if (fold === 1) return layer;
  return layer.kind === "dense"
    ? { ...layer, weights: layer.weights.map((value) => value * fold) }
    : { ...layer, scales: layer.scales.map((value) => value * fold) };
}

function fuses(first: Linear, other: Linear): boolean {
  if (first.kind !== other.kind || first.inFeatures !== other.inFeatures) return false;
  if (first.kind === "dense" || other.kind === "dense") return true;
  return first.groupSize === other.groupSize && samePermutation(first.permutation, other.permutation);
}

function samePermutation(left: Int32Array | undefined, right: Int32Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.every((column, index) => column === right[index]);
}

function addProduct(
  graph: GraphBuilder,
  plan: GraphPlan,
  name: string,
  input: string,
  layers: readonly Linear[],
): string {
  const int4 = layers.filter((layer) => layer.kind === "int4");
  if (int4.length === layers.length) return addInt4(graph, plan, name, input, int4);
  const dense = layers.filter((layer) => layer.kind === "dense");
  assert(dense.length === layers.length, "a fused product has layers of one kind");
  return addDense(graph, plan, name, input, dense);
}

function addInt4(
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

function addDense(
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
