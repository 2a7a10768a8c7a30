// Collects the nodes and initializers of one graph. Values are named after what they are; a node's output name is the
// handle that later nodes use.

import { assert, must } from "../../shared/assert.ts";
import {
  type Attribute,
  DATA_TYPE_BYTES,
  type DataType,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from "./onnx-proto.ts";
import type { WeightsFile, WeightsPlace } from "./weights-file.ts";

/** Tensors up to this size live inside the graph file. */
const INLINE_BYTES_MAX = 1024;
export const MICROSOFT = "com.microsoft";
/** What the graphs' nodes are written for. */
export const OPSETS: ModelProto["opsets"] = [
  { domain: "", version: 21 },
  { domain: MICROSOFT, version: 1 },
];

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export class GraphBuilder {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly weights: WeightsFile;
  readonly #names = new Set<string>();

  constructor(weights: WeightsFile) {
    this.weights = weights;
  }

  /** Whether there is a value of this name, made by a node or constant. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Whether a node reads the value `name`, within a loop's body too. */
  reads(name: string): boolean {
    return readsAny(this.nodes, name);
  }

  /** Adds a node with one output, called `name`, and returns it. */
  node(opType: string, name: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return must(this.nodeWithOutputs(opType, name, inputs, [name], options)[0], "output");
  }

  /** Adds a node with the given output names (an empty one is left out) and returns them. */
  nodeWithOutputs(
    opType: string,
    name: string,
    inputs: readonly string[],
    outputs: readonly string[],
    options: NodeOptions = {},
  ): readonly string[] {
    for (const output of outputs) this.#names.add(output);
    this.nodes.push({
      opType,
      name,
      inputs,
      outputs,
      domain: options.domain ?? "",
      attributes: options.attributes ?? {},
    });
    return outputs;
  }

  /** Adds a constant tensor. `bytes`: little-endian, row-major. */
  constant(name: string, type: DataType, dims: readonly number[], bytes: Uint8Array): string {
    const expected = dims.reduce((product, size) => product * size, DATA_TYPE_BYTES[type]);
    assert(bytes.length === expected, () => `constant ${name} has ${bytes.length} bytes, its shape needs ${expected}`);
    const data = bytes.length <= INLINE_BYTES_MAX ? bytes : this.weights.append(bytes);
    this.initializers.push({ name, type, dims, data });
    this.#names.add(name);
    return name;
  }

  /** Adds a constant whose bytes are in the weights file already. */
  placed(name: string, type: DataType, dims: readonly number[], place: WeightsPlace): string {
    this.initializers.push({ name, type, dims, data: place });
    return name;
  }

  /** Adds a one-dimensional int64 constant (shapes, split sizes, indices). */
  int64s(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value)).buffer);
    return this.constant(name, "int64", [values.length], bytes);
  }
}

function readsAny(nodes: readonly NodeProto[], name: string): boolean {
  return nodes.some(
    ({ inputs, attributes }) =>
      inputs.includes(name) ||
      Object.values(attributes).some((value) => "graph" in value && readsAny(value.graph.nodes, name)),
  );
}
