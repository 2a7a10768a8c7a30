// The same graph cut into one per layer, for texts that are computed in chunks: chunk after chunk goes through a layer,
// with the layer's keys and values of the chunks before as its past, then through the next layer. So only one layer's
// keys and values are in memory (all of them would be 229 KB a token in the 0.6B shape), and between two chunks the
// engine can do other work. Same nodes, but that attention also gives its keys and values, and same weights file; the cut
// is where a residual norm adds its two inputs.

import type { ModelConfig } from "../checkpoint/read-config.ts";
import { must } from "../../shared/assert.ts";
import type { ModelGraph } from "./model-graph.ts";
import type { ModelProto, NodeProto, ValueInfo } from "./onnx-proto.ts";

/** The index of the past among GroupQueryAttention's inputs. */
const PAST_KEY_INPUT = 3;
const PAST_VALUE_INPUT = 4;

/** Values that engine/long-text.ts feeds and fetches besides a batch's inputs. */
export const LAYER_VALUES = {
  /** What the layer before adds to the residual stream, and the stream without it: [tokens, hidden] both. */
  added: (layer: number) => `layers.${layer}.cut.added`,
  stream: (layer: number) => `layers.${layer}.cut.stream`,
  pastKey: "past_key",
  pastValue: "past_value",
  presentKey: (layer: number) => `layers.${layer}.present_key`,
  presentValue: (layer: number) => `layers.${layer}.present_value`,
} as const;

/** Whether a long text can be computed in chunks: what a token gives must not depend on what comes after it. */
export function hasLayerGraphs({ causal, pooling }: Pick<ModelConfig, "causal" | "pooling">): boolean {
  return causal && pooling === "lasttoken";
}

/** One model a layer, in order, over the weights file of `model`. `cuts`: by layer. */
export function layerGraphs({ model, cuts }: ModelGraph, config: ModelConfig): readonly ModelProto[] {
  const names = new Map(
    cuts.flatMap(({ added, stream }, layer) => [
      [added, LAYER_VALUES.added(layer)],
      [stream, LAYER_VALUES.stream(layer)],
    ]),
  );
  const renamed = (name: string): string => names.get(name) ?? name;
  const nodes = model.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(renamed),
    outputs: node.outputs.map(renamed),
  }));
  return cuts.map((_, layer) => layerGraph({ ...model, nodes }, config, layer));
}

function layerGraph(model: ModelProto, config: ModelConfig, layer: number): ModelProto {
  const rows: ValueInfo["dims"] = ["tokens", config.hiddenSize];
  const carried = (of: number): ValueInfo[] =>
    [LAYER_VALUES.added(of), LAYER_VALUES.stream(of)].map((name) => ({ name, type: "float32", dims: rows }));
  const cache = (names: readonly string[], tokens: string): ValueInfo[] =>
    names.map((name) => ({ name, type: "float32", dims: [1, config.keyValueHeads, tokens, config.headDim] }));
  const outputs = [
    ...(layer === config.layers - 1 ? model.outputs : carried(layer)),
    ...cache([LAYER_VALUES.presentKey(layer), LAYER_VALUES.presentValue(layer)], "present"),
  ];
  const before = layer === 0 ? [] : carried(layer - 1);
  const attention = `layers.${layer}.attention`;
  const all = model.nodes.map((node) => (node.name === attention ? withPast(node, layer) : node));
  const nodes = nodesBetween(all, new Set(before.map(({ name }) => name)), outputs);
  const read = new Set(nodes.flatMap((node) => node.inputs));
  return {
    ...model,
    graphName: `${model.graphName}-layer-${layer}`,
    inputs: [
      ...before,
      ...model.inputs.filter(({ name }) => read.has(name)),
      ...cache([LAYER_VALUES.pastKey, LAYER_VALUES.pastValue], "past"),
    ],
    outputs,
    initializers: model.initializers.filter(({ name }) => read.has(name)),
    nodes,
  };
}

/** The nodes that `outputs` need when `given` is there, in the order of the graph. */
function nodesBetween(
  nodes: readonly NodeProto[],
  given: ReadonlySet<string>,
  outputs: readonly ValueInfo[],
): readonly NodeProto[] {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const needed = new Set<NodeProto>();
  const open = outputs.map(({ name }) => must(makers.get(name), "an output's node"));
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (needed.has(node)) continue;
    needed.add(node);
    for (const name of node.inputs) {
      // An empty name is an input left out, not one that a node makes.
      const maker = name === "" || given.has(name) ? undefined : makers.get(name);
      if (maker !== undefined) open.push(maker);
    }
  }
  return nodes.filter((node) => needed.has(node));
}

function withPast(node: NodeProto, layer: number): NodeProto {
  const inputs = [...node.inputs];
  inputs[PAST_KEY_INPUT] = LAYER_VALUES.pastKey;
  inputs[PAST_VALUE_INPUT] = LAYER_VALUES.pastValue;
  const [attended = ""] = node.outputs;
  return { ...node, inputs, outputs: [attended, LAYER_VALUES.presentKey(layer), LAYER_VALUES.presentValue(layer)] };
}
