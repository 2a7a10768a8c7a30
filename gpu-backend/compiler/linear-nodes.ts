// Linear layers as graph nodes, in the form that the plan has for their place (form-*.ts). Where the plan says so, layers of
// the float forms that read the same input are fused into one product, if they agree.

import { assert, must } from "../../shared/assert.ts";
import { dequantise, type DenseLinear, type Linear } from "../checkpoint/linear.ts";
import { blockSizeFor } from "./blocks.ts";
import { encodeFloats } from "./element-type.ts";
import { addDense } from "./form-dense.ts";
import { addInt4 } from "./form-int4.ts";
import { addInt8Pairs } from "./form-int8-pairs.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { GraphPlan, LinearPlace } from "./graph-plan.ts";

export interface LinearInput {
  readonly layers: readonly Linear[];
  /** Their place in a decoder layer. */
  readonly place: LinearPlace;
  /** Value [tokens, inFeatures] that all of them read. */
  readonly input: string;
  /** Name of the fused product; outputs are named after it. */
  readonly name: string;
  /** Factor on the layers' outputs (the residual fold). */
  readonly fold?: number;
}

/** Adds the products of `layers` with `input`, and their biases, and returns one value per layer, [tokens, outFeatures] each. */
export function addLinears(graph: GraphBuilder, plan: GraphPlan, linears: LinearInput): readonly string[] {
  return addProducts(graph, plan, linears).map((product, index) => {
    const { bias, outFeatures } = must(linears.layers[index], "a linear layer");
    if (bias === undefined) return product;
    const values = bias.map((value) => value * (linears.fold ?? 1));
    const constant = graph.constant(
      `${product}.bias`,
      plan.elementType,
      [outFeatures],
      encodeFloats(values, plan.elementType),
    );
    return graph.node("Add", `${product}.biased`, [product, constant]);
  });
}

function addProducts(
  graph: GraphBuilder,
  plan: GraphPlan,
  { layers, place, input, name, fold = 1 }: LinearInput,
): readonly string[] {
  if (plan.linears[place] === "int8-pairs") {
    return addInt8Pairs(
      graph,
      name,
      input,
      layers.map((layer) => asDense(scaleLinear(layer, fold))),
    );
  }
  const scaled = layers.map((layer) => applyPlan(plan, scaleLinear(layer, fold)));
  const first = must(scaled[0], "a linear layer");
  if (scaled.length > 1 && !(plan.fused && scaled.every((layer) => fuses(first, layer)))) {
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
  return blocked ? layer : asDense(layer);
}

function asDense(layer: Linear): DenseLinear {
  if (layer.kind === "dense") return layer;
  const { name, outFeatures, inFeatures, biased } = layer;
  return { kind: "dense", name, outFeatures, inFeatures, biased, weights: dequantise(layer) };
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
