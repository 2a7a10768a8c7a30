// From the last layer's hidden states to the vectors: pooled, through the Dense modules, normalised; or, of a reranker, to
// the logits: pooled, through its head.

import { join } from "node:path";

import { must } from "../../shared/assert.ts";
import { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { DenseLinear, LinearShape } from "../checkpoint/linear.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import type { Reranker } from "../checkpoint/reranker.ts";
import type { DenseModule } from "../checkpoint/sentence-transformers.ts";
import { headLinears } from "./architectures/tensors.ts";
import { addDense } from "./form-dense.ts";
import type { GraphSource } from "./graph-source.ts";
import { DATA_TYPE } from "./onnx-proto.ts";
import { addTextLoop } from "./text-loop.ts";

export const OUTPUT_NAME = "embeddings";

/** The input of the graph that says which rows the last layer goes on with after attention; undefined: pooling needs all. */
export function pooledRows({ pooling }: ModelConfig): string | undefined {
  return { lasttoken: "last_idx", cls: "first_idx", mean: undefined }[pooling];
}

/**
 * `hidden`: the rows that pooledRows says, [rows, hidden]. Gives OUTPUT_NAME, float32: vectors [texts, dimensions], each of
 * length 1, or logits [texts, 1].
 */
export function addOutput(source: GraphSource, hidden: string): void {
  const { graph, config } = source;
  const wide = graph.node("Cast", "final.float32", [hidden], { attributes: { to: { int: DATA_TYPE.float32 } } });
  if (config.reranker !== undefined) return addLogits(source, wide, config.reranker);
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

function addModule(source: GraphSource, name: string, input: string, module: DenseModule): string {
  const { folder, activation, ...shape } = module;
  const own = new CheckpointFiles(join(source.files.dir, folder));
  try {
    return addLayer(source, input, readFloatLayer(own, { ...shape, name: "linear" }, name), activation);
  } finally {
    own.close();
  }
}

/** A layer of plain floats, read from `files` by its own name, to be called `name`. */
function readFloatLayer(files: CheckpointFiles, shape: LinearShape, name: string): DenseLinear {
  const { outFeatures, inFeatures, biased } = shape;
  const weights = files.readFloats(`${shape.name}.weight`, [outFeatures, inFeatures]);
  const bias = biased && { bias: files.readFloats(`${shape.name}.bias`, [outFeatures]) };
  return { ...shape, ...bias, name, kind: "dense", weights };
}

/** In float32 whatever the graph computes in. */
function addLayer(
  { graph, plan }: GraphSource,
  input: string,
  layer: DenseLinear,
  activation: DenseModule["activation"],
): string {
  const { name, outFeatures, bias } = layer;
  const product = addDense(graph, { ...plan, elementType: "float32" }, name, input, [layer]);
  const sum =
    bias === undefined
      ? product
      : graph.node("Add", `${name}.biased`, [
          product,
          graph.constant(`${name}.bias`, "float32", [outFeatures], new Uint8Array(bias.buffer)),
        ]);
  return activation === "tanh" ? graph.node("Tanh", `${name}.tanh`, [sum]) : sum;
}

function addLogits(source: GraphSource, pooled: string, reranker: Reranker): void {
  const { graph, files, config } = source;
  const [last, inner] = headLinears(config).toReversed();
  const isOfTokens = reranker.head.kind === "tokens";
  const before =
    inner === undefined ? pooled : addLayer(source, pooled, readFloatLayer(files, inner, "head.inner"), "tanh");
  const layer = isOfTokens
    ? tokensLayer(source, last === undefined ? files.tableName : `${last.name}.weight`, reranker)
    : readFloatLayer(files, must(last, "a head's last layer"), "head");
  graph.node("Identity", OUTPUT_NAME, [addLayer(source, before, layer, "identity")]);
}

/** The one row that is the difference of two tokens' rows in the matrix `name`. */
function tokensLayer({ files, config }: GraphSource, name: string, { tokens }: Reranker): DenseLinear {
  const { yes, no } = must(tokens, "the tokens of a head over tokens");
  const { vocabSize, hiddenSize } = config;
  const row = (id: number) => files.readFloatRows(name, [vocabSize, hiddenSize], id, id + 1);
  const subtrahend = row(no);
  const weights = row(yes).map((value, index) => value - (subtrahend[index] ?? 0));
  return { kind: "dense", name: "head", outFeatures: 1, inFeatures: hiddenSize, biased: false, weights };
}
