// What the parts of a graph are made from, and how they take a vector of the checkpoint's.

import type { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { encodeFloats } from "./element-type.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import type { GraphPlan } from "./graph-plan.ts";

export interface GraphSource {
  readonly graph: GraphBuilder;
  readonly files: CheckpointFiles;
  readonly config: ModelConfig;
  readonly plan: GraphPlan;
}

/** A constant of the graph's element type, [size]: the tensor `name`, each value through `change`. */
export function addVector(
  { graph, files, plan }: GraphSource,
  name: string,
  size: number,
  change: (value: number) => number = (value) => value,
): string {
  const values = files.readFloats(name, [size]).map((value) => change(value));
  return graph.constant(name, plan.elementType, [size], encodeFloats(values, plan.elementType));
}

/**
 * The factor that scales the residual stream: the plan's fold, if a norm before everything that reads the stream
 * cancels it. If norms follow the sums, the stream is a norm's output and needs none.
 */
export function foldOf({ config, plan }: GraphSource): number {
  return config.normPlaces === "after" ? 1 : plan.residualFold;
}
