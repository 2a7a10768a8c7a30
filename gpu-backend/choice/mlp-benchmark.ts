// How much processor time the MLP of the checkpoint's first layer (two thirds of a model's work) takes in each form: its own
// weights, so that shapes and layout are the real ones. The forms alternate, and the least time of each counts: what other
// programs disturb only adds to it. Threads do not spin while they wait, or their waiting would count as work.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { InferenceSession, Tensor } from "onnxruntime-node";

import { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { readLinear } from "../checkpoint/read-linear.ts";
import type { LinearPart } from "../compiler/architectures/architecture.ts";
import { innerParts, linearOf } from "../compiler/architectures/tensors.ts";
import { GraphBuilder, OPSETS } from "../compiler/graph-builder.ts";
import { planFor } from "../compiler/graph-plan.ts";
import { addLinears } from "../compiler/linear-nodes.ts";
import { encodeModel, type ValueInfo } from "../compiler/onnx-proto.ts";
import { WeightsFile } from "../compiler/weights-file.ts";
import type { LinearsChoice } from "./choice.ts";

const FORMS = ["float32", "int8-pairs"] as const;
/** The rows of one short text, and of a tile of a larger run. */
const ROW_COUNTS = [16, 128];
/** For each count of rows, by the clock. */
const MS_MAX = 1_500;
const ROUNDS_MAX = 60;

export type Benchmark = NonNullable<LinearsChoice["benchmark"]>;

export async function benchmarkMlp(dir: string, config: ModelConfig, threads: number): Promise<Benchmark> {
  const folder = mkdtempSync(join(tmpdir(), "mlp-"));
  const sessions: InferenceSession[] = [];
  try {
    for (const form of FORMS) {
      const path = writeMlp(folder, form, dir, config);
      sessions.push(
        await InferenceSession.create(path, {
          executionProviders: ["cpu"],
          intraOpNumThreads: threads,
          logSeverityLevel: 3,
          extra: { session: { intra_op: { allow_spinning: "0" } } },
        }),
      );
    }
    const results: Benchmark = [];
    for (const rows of ROW_COUNTS) {
      const feeds = { hidden: randomRows(rows, config.hiddenSize), inner: randomRows(rows, config.intermediateSize) };
      const [float32Ms = 0, int8PairsMs = 0] = await leastMs(sessions, feeds);
      results.push({ rows, float32Ms, int8PairsMs });
    }
    return results;
  } finally {
    for (const session of sessions) await session.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function leastMs(sessions: readonly InferenceSession[], feeds: Record<string, Tensor>): Promise<number[]> {
  const least = sessions.map(() => Number.POSITIVE_INFINITY);
  const began = performance.now();
  // The first round pays for allocations.
  for (let round = 0; round <= ROUNDS_MAX && (round < 2 || performance.now() - began < MS_MAX); round += 1) {
    for (const [index, session] of sessions.entries()) {
      const start = process.cpuUsage();
      await session.run(feeds);
      const { user, system } = process.cpuUsage(start);
      if (round > 0) least[index] = Math.min(least[index] ?? 0, (user + system) / 1_000);
    }
  }
  return least;
}

function randomRows(rows: number, size: number): Tensor {
  return new Tensor(
    "float32",
    Float32Array.from({ length: rows * size }, () => Math.random() - 0.5),
    [rows, size],
  );
}

/** Gives the path of the graph. */
function writeMlp(folder: string, form: (typeof FORMS)[number], dir: string, config: ModelConfig): string {
  const { hiddenSize, intermediateSize, quantization } = config;
  const files = new CheckpointFiles(dir, config);
  const weights = new WeightsFile(join(folder, `${form}.bin`));
  try {
    const graph = new GraphBuilder(weights);
    const plan = planFor("cpu", "as-is", form);
    const linear = (part: LinearPart) => readLinear(files, linearOf(config, 0, part), quantization);
    const outputs = [
      ...addLinears(graph, plan, {
        layers: innerParts(config).map(linear),
        place: "gateUp",
        input: "hidden",
        name: "gate_up",
      }),
      ...addLinears(graph, plan, {
        layers: [linear("down")],
        place: "down",
        input: "inner",
        name: "down",
      }),
    ];
    const value = (name: string, size: number): ValueInfo => ({ name, type: "float32", dims: ["rows", size] });
    const path = join(folder, `${form}.onnx`);
    const model = encodeModel({
      graphName: "mlp",
      producer: { name: "gigarouter", version: "1" },
      opsets: OPSETS,
      inputs: [value("hidden", hiddenSize), value("inner", intermediateSize)],
      outputs: outputs.map((name) => value(name, name === "down" ? hiddenSize : intermediateSize)),
      initializers: graph.initializers,
      nodes: graph.nodes,
      metadata: {},
    });
    writeFileSync(path, model);
    return path;
  } finally {
    weights.close();
    files.close();
  }
}
