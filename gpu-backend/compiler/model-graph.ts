// The graph of any architecture of the table (architectures/). Everything but attention runs on the packed tokens of a
// batch, [tokens, hidden], without padding (1.5 times faster than padded batches of 16 sorted texts). Where one token of a
// text is its vector, the last layer gathers it after attention: nothing from there on needs the others.

import type { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { addEmbedding } from "./embedding-table.ts";
import { GraphBuilder, OPSETS } from "./graph-builder.ts";
import type { GraphPlan } from "./graph-plan.ts";
import type { GraphSource } from "./graph-source.ts";
import { LayerBuilder, type LayerCut } from "./layer-nodes.ts";
import type { ModelProto, ValueInfo } from "./onnx-proto.ts";
import { addOutput, OUTPUT_NAME, pooledRows } from "./pooling-nodes.ts";
import type { WeightsFile } from "./weights-file.ts";

/**
 * What engine/batch-inputs.ts feeds to a graph that reads it: it may add a row to a batch's tokens, and one to its texts' first
 * or last tokens.
 */
const INPUTS: readonly ValueInfo[] = [
  { name: "input_ids", type: "int64", dims: ["tokens"] },
  { name: "position_ids", type: "int64", dims: ["tokens"] },
  { name: "token_types", type: "int64", dims: ["tokens"] },
  { name: "pad_idx", type: "int64", dims: ["texts", "longest"] },
  { name: "unpad_idx", type: "int64", dims: ["tokens"] },
  { name: "first_idx", type: "int64", dims: ["rows"] },
  { name: "last_idx", type: "int64", dims: ["rows"] },
  { name: "text_starts", type: "int64", dims: ["slices"] },
  { name: "text_ends", type: "int64", dims: ["slices"] },
  { name: "seqlens_k", type: "int32", dims: ["texts"] },
  { name: "total_seq", type: "int32", dims: [1] },
];

export interface GraphRequest {
  readonly files: CheckpointFiles;
  readonly config: ModelConfig;
  readonly plan: GraphPlan;
  readonly weights: WeightsFile;
  readonly producer: { readonly name: string; readonly version: string };
  /** Called after each step with the fraction done; awaited, so that the caller's progress can be drawn. */
  readonly onStep: (fraction: number, what: string) => Promise<void>;
}

export interface ModelGraph {
  readonly model: ModelProto;
  /** By layer. */
  readonly cuts: readonly LayerCut[];
}

/** Reads the checkpoint layer by layer, writes the weights file, and gives the graph. Throws CheckpointError. */
export async function buildModelGraph({
  files,
  config,
  plan,
  weights,
  producer,
  onStep,
}: GraphRequest): Promise<ModelGraph> {
  const graph = new GraphBuilder(weights);
  const source: GraphSource = { graph, files, config, plan };
  const steps = config.layers + 2;
  const layers = new LayerBuilder(source);
  await onStep(0, "embedding table");
  let residual = layers.begin(await addEmbedding(source));
  for (let layer = 0; layer < config.layers; layer += 1) {
    await onStep((layer + 1) / steps, `layer ${layer + 1} of ${config.layers}`);
    residual = layers.add(layer, residual, layer === config.layers - 1 ? pooledRows(config) : undefined);
  }
  await onStep((config.layers + 1) / steps, "output");
  addOutput(source, residual.normed);
  const model = {
    graphName: `${config.architecture}-${config.reranker === undefined ? "embedding" : "reranker"}`,
    producer,
    opsets: OPSETS,
    inputs: INPUTS.filter(({ name }) => graph.reads(name)),
    outputs: [{ name: OUTPUT_NAME, type: "float32", dims: ["rows", config.dimensions] }],
    initializers: graph.initializers,
    nodes: graph.nodes,
    metadata: {},
  } as const;
  return { model, cuts: layers.cuts };
}
