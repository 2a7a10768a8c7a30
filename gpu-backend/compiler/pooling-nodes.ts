// From the last layer's hidden states to the vectors: pooled, through the Dense modules, normalised.

import { join } from "node:path";

import { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import type { DenseModule } from "../checkpoint/sentence-transformers.ts";
import { addDense } from "./form-dense.ts";
import type { GraphSource } from "./graph-source.ts";
import { DATA_TYPE } from "./onnx-proto.ts";
import { addTextLoop } from "./text-loop.ts";

export const OUTPUT_NAME = "embeddings";

/** The input of the graph that says which rows the last layer goes on with after attention; undefined: pooling needs all. */
export function pooledRows({ pooling }: ModelConfig): string | undefined {
  return { lasttoken: "last_idx", cls: "first_idx", mean: undefined }[pooling];
}

/** `hidden`: the rows that pooledRows says, [rows, hidden]. Gives OUTPUT_NAME, float32 [texts, dimensions], each of length 1. */
export function addOutput(source: GraphSource, hidden: string): void {
  const { graph, config } = source;
  const wide = graph.node("Cast", "final.float32", [hidden], { attributes: { to: { int: DATA_TYPE.float32 } } });
  let vectors = config.pooling === "mean" ? addMeans(source, wide) : wide;
  for (const [index, module] of config.dense.entries()) vectors = addModule(source, `dense.${index}`, vectors, module);
  graph.node("LpNormalization", OUTPUT_NAME, [vectors], { attributes: { axis: { int: -1 }, p: { int: 2 } } });
}

function addMeans({ graph }: GraphSource, rows: string): string {
  return addTextLoop(graph, "means", "float32", [rows], (inner, [own = ""]) => {
    const axis = inner.int64s("mean.axis", [0]);
    return inner.node("ReduceMean", "mean", [own, axis], { attributes: { keepdims: { int: 1 } } });
  });
}

/** In float32 whatever the graph computes in. */
function addModule({ graph, files, plan }: GraphSource, name: string, input: string, module: DenseModule): string {
  const { folder, inFeatures, outFeatures, biased, activation } = module;
  const own = new CheckpointFiles(join(files.dir, folder));
  try {
    const weights = own.readFloats("linear.weight", [outFeatures, inFeatures]);
    const layer = { kind: "dense", name, outFeatures, inFeatures, biased, weights } as const;
    const product = addDense(graph, { ...plan, elementType: "float32" }, name, input, [layer]);
    const sum = biased
      ? graph.node("Add", `${name}.biased`, [product, addBias(graph, name, own, outFeatures)])
      : product;
    return activation === "tanh" ? graph.node("Tanh", `${name}.tanh`, [sum]) : sum;
  } finally {
    own.close();
  }
}

function addBias(graph: GraphSource["graph"], name: string, files: CheckpointFiles, size: number): string {
  const bias = files.readFloats("linear.bias", [size]);
  return graph.constant(`${name}.bias`, "float32", [size], new Uint8Array(bias.buffer));
}
