// Whether this processor's products of u8 and s8 are right. Without VNNI or AMX their kernels add two products in 16 bits,
// which saturate silently: the result is wrong, not less exact. So it is not concluded from what the processor says of itself:
// a product that would saturate is computed.

import { InferenceSession, Tensor } from "onnxruntime-node";

import { must } from "../../shared/assert.ts";
import { encodeFloats } from "../compiler/element-type.ts";
import { MICROSOFT, OPSETS } from "../compiler/graph-builder.ts";
import { encodeModel, type ModelProto, type TensorProto } from "../compiler/onnx-proto.ts";

const DEPTH = 256;
const COLUMNS = 64;
/** One row has a kernel of its own; the last spreads over several threads. */
const ROW_COUNTS = [1, 5, 200];
const ZERO_POINT = 128;

export async function integerProductsAreExact(threads: number): Promise<boolean> {
  const session = await InferenceSession.create(encodeModel(productGraph()), {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
  });
  try {
    for (const rows of ROW_COUNTS) {
      const values = new Uint8Array(rows * DEPTH).map((_, index) => valueAt(Math.floor(index / DEPTH)));
      const results = await session.run({ values: new Tensor("uint8", values, [rows, DEPTH]) });
      const { data } = must(results["product"], "the product");
      for (let index = 0; index < rows * COLUMNS; index += 1) {
        const value = valueAt(Math.floor(index / COLUMNS)) - ZERO_POINT;
        if (data[index] !== value * weightAt(index % COLUMNS) * DEPTH) return false;
      }
    }
    return true;
  } finally {
    await session.release();
  }
}

/** All values of a row, and all weights of a column, are one: the largest sums there are, of either sign. */
function valueAt(row: number): number {
  return row % 2 === 0 ? 255 : 1;
}

function weightAt(column: number): number {
  return column % 2 === 0 ? 127 : -127;
}

function productGraph(): ModelProto {
  const one = encodeFloats(Float32Array.of(1), "float32");
  const weights = new Int8Array(DEPTH * COLUMNS).map((_, index) => weightAt(index % COLUMNS));
  const initializers: TensorProto[] = [
    { name: "weights", type: "int8", dims: [DEPTH, COLUMNS], data: new Uint8Array(weights.buffer) },
    { name: "one", type: "float32", dims: [], data: one },
    { name: "zero", type: "uint8", dims: [], data: Uint8Array.of(ZERO_POINT) },
  ];
  return {
    graphName: "integer-product",
    producer: { name: "gigarouter", version: "1" },
    opsets: OPSETS,
    inputs: [{ name: "values", type: "uint8", dims: ["rows", DEPTH] }],
    outputs: [{ name: "product", type: "float32", dims: ["rows", COLUMNS] }],
    initializers,
    nodes: [
      {
        opType: "MatMulIntegerToFloat",
        name: "product",
        domain: MICROSOFT,
        inputs: ["values", "weights", "one", "one", "zero"],
        outputs: ["product"],
        attributes: {},
      },
    ],
    metadata: {},
  };
}
