// One product of a linear layer in each kernel that ONNX Runtime has for it on a CPU: GFLOP/s of processor time on one thread, the
// kernels in turn, medians.
//   node --import tsx test/bench/backend/products.ts [--in 1024] [--out 6144] [--rows 1,16,128,512]

import { parseArgs } from "node:util";

import { InferenceSession, Tensor } from "onnxruntime-node";

import { processorClass } from "../../../gpu-backend/choice/processor-class.ts";
import { encodeFloats } from "../../../gpu-backend/compiler/element-type.ts";
import { MICROSOFT, OPSETS } from "../../../gpu-backend/compiler/graph-builder.ts";
import { encodeModel, type NodeProto, type TensorProto } from "../../../gpu-backend/compiler/onnx-proto.ts";

const { values } = parseArgs({
  options: {
    in: { type: "string", default: "1024" },
    out: { type: "string", default: "6144" },
    rows: { type: "string", default: "1,16,128,512" },
  },
});
const [K, N] = [Number(values.in), Number(values.out)];
/** Floating-point operations that a kernel is given for one count of rows, about. */
const WORK = 2.5e10;
const ROUNDS = { least: 7, most: 40 };

interface Product {
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
}

const node = (opType: string, name: string, inputs: readonly string[], attributes: NodeProto["attributes"] = {}) => ({
  opType,
  name,
  inputs,
  outputs: [name],
  domain: opType.startsWith("MatMul") ? MICROSOFT : "",
  attributes,
});
const random = (size: number): Float32Array => Float32Array.from({ length: size }, () => Math.random() - 0.5);
const floats = (
  name: string,
  dims: readonly number[],
  data = random(dims.reduce((a, b) => a * b, 1)),
): TensorProto => ({
  name,
  type: "float32",
  dims,
  data: encodeFloats(data, "float32"),
});
const bytes = (name: string, type: "uint8" | "int8", dims: readonly number[]): TensorProto => ({
  name,
  type,
  dims,
  data: Uint8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.random() * 256),
});

/** `level` 0: float32 activations; 4: int8, one scale a block. */
function nBits(bits: number, block: number, level: number): Product {
  const attributes = {
    K: { int: K },
    N: { int: N },
    bits: { int: bits },
    block_size: { int: block },
    accuracy_level: { int: level },
  };
  const blocks = K / block;
  return {
    nodes: [node("MatMulNBits", "y", ["x", "weights", "scales"], attributes)],
    initializers: [bytes("weights", "uint8", [N, blocks, (block * bits) / 8]), floats("scales", [N, blocks])],
  };
}

const KERNELS: Readonly<Record<string, Product>> = {
  "4 bits, float32 activations": nBits(4, 128, 0),
  "4 bits, int8 activations": nBits(4, 128, 4),
  "8 bits, int8 activations": nBits(8, 128, 4),
  float32: {
    nodes: [node("Gemm", "y", ["x", "weights"], { transB: { int: 1 } })],
    initializers: [floats("weights", [N, K])],
  },
  "int8, one scale a column": {
    nodes: [
      node("QuantizeLinear", "digits", ["x", "step", "zero"]),
      node("MatMulIntegerToFloat", "y", ["digits", "weights", "step", "scales", "zero"]),
    ],
    initializers: [
      bytes("weights", "int8", [K, N]),
      floats("scales", [N]),
      floats("step", [], Float32Array.of(1 / 127)),
      { name: "zero", type: "uint8", dims: [], data: Uint8Array.of(128) },
    ],
  },
};

const sessions: (readonly [string, InferenceSession])[] = [];
for (const [name, product] of Object.entries(KERNELS)) {
  const model = encodeModel({
    graphName: "product",
    producer: { name: "gigarouter", version: "1" },
    opsets: OPSETS,
    inputs: [{ name: "x", type: "float32", dims: ["rows", K] }],
    outputs: [{ name: "y", type: "float32", dims: ["rows", N] }],
    ...product,
    metadata: {},
  });
  const options = { executionProviders: ["cpu"], intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  sessions.push([name, await InferenceSession.create(model, options)]);
}
const columns: string[][] = [];
for (const rows of values.rows.split(",").map(Number)) columns.push(await measure(rows));
process.stdout.write(
  `Processor: ${processorClass()}; ${K} x ${N}, GFLOP/s\n| rows | ${values.rows.replaceAll(",", " | ")} |\n`,
);
process.stdout.write(`| --- |${" --- |".repeat(columns.length)}\n`);
for (const [index, [name]] of sessions.entries())
  process.stdout.write(`| ${name} | ${columns.map((column) => column[index]).join(" | ")} |\n`);

/** Of each kernel, for a product of so many rows. */
async function measure(rows: number): Promise<string[]> {
  const x = new Tensor("float32", random(rows * K), [rows, K]);
  const operations = 2 * rows * K * N;
  const rounds = Math.max(ROUNDS.least, Math.min(ROUNDS.most, Math.round(WORK / operations)));
  const times = sessions.map((): number[] => []);
  // The first round pays for allocations.
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, [, session]] of sessions.entries()) {
      const start = process.cpuUsage();
      await session.run({ x });
      const { user, system } = process.cpuUsage(start);
      if (round > 0) times[index]?.push(user + system);
    }
  }
  return times.map((own) => {
    const median = own.toSorted((a, b) => a - b)[own.length >> 1] ?? Number.NaN;
    return (operations / median / 1_000).toFixed(0);
  });
}
