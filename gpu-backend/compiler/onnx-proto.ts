// The few ONNX messages that a graph needs, encoded with @bufbuild/protobuf's wire writer. Field numbers: onnx.proto,
// IR version 10 (the first that carries opset 21). Written by hand, since the published onnx-proto package stops at IR 8.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

const IR_VERSION = 10;

/** TensorProto.DataType, the values used here. */
export const DATA_TYPE = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
} as const;
export type DataType = keyof typeof DATA_TYPE;
export const DATA_TYPE_BYTES: Record<DataType, number> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  bfloat16: 2,
};

/** AttributeProto.AttributeType, the values used here. */
const ATTRIBUTE_TYPE = { float: 1, int: 2, graph: 5 } as const;

export type Attribute = { readonly int: number } | { readonly float: number } | { readonly graph: GraphProto };

export interface NodeProto {
  readonly opType: string;
  readonly domain: string;
  readonly name: string;
  /** An empty name is an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface TensorProto {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  /** Little-endian bytes inside the graph, or a place in its weights file. */
  readonly data: Uint8Array | { readonly location: string; readonly offset: number; readonly length: number };
}

export interface ValueInfo {
  readonly name: string;
  readonly type: DataType;
  /** A number is a fixed size, a string a symbolic one. */
  readonly dims: readonly (number | string)[];
  /** A sequence of such tensors. */
  readonly sequence?: boolean;
}

export interface GraphProto {
  readonly graphName: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly TensorProto[];
  readonly nodes: readonly NodeProto[];
}

export interface ModelProto extends GraphProto {
  readonly producer: { readonly name: string; readonly version: string };
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes of a .onnx file. */
export function encodeModel(model: ModelProto): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int64(IR_VERSION);
  writer.tag(2, WireType.LengthDelimited).string(model.producer.name);
  writer.tag(3, WireType.LengthDelimited).string(model.producer.version);
  message(writer, 7, () => writeGraph(writer, model));
  for (const { domain, version } of model.opsets) {
    message(writer, 8, () => {
      writer.tag(1, WireType.LengthDelimited).string(domain);
      writer.tag(2, WireType.Varint).int64(version);
    });
  }
  for (const [key, value] of Object.entries(model.metadata)) writeStringPair(writer, 14, key, value);
  return writer.finish();
}

function writeGraph(writer: BinaryWriter, model: GraphProto): void {
  for (const node of model.nodes) message(writer, 1, () => writeNode(writer, node));
  writer.tag(2, WireType.LengthDelimited).string(model.graphName);
  for (const tensor of model.initializers) message(writer, 5, () => writeTensor(writer, tensor));
  for (const value of model.inputs) message(writer, 11, () => writeValueInfo(writer, value));
  for (const value of model.outputs) message(writer, 12, () => writeValueInfo(writer, value));
}

function writeNode(writer: BinaryWriter, node: NodeProto): void {
  for (const input of node.inputs) writer.tag(1, WireType.LengthDelimited).string(input);
  for (const output of node.outputs) writer.tag(2, WireType.LengthDelimited).string(output);
  writer.tag(3, WireType.LengthDelimited).string(node.name);
  writer.tag(4, WireType.LengthDelimited).string(node.opType);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(writer, 5, () => writeAttribute(writer, name, attribute));
  }
  writer.tag(7, WireType.LengthDelimited).string(node.domain);
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: Attribute): void {
  writer.tag(1, WireType.LengthDelimited).string(name);
  const type = (kind: keyof typeof ATTRIBUTE_TYPE): void =>
    void writer.tag(20, WireType.Varint).int32(ATTRIBUTE_TYPE[kind]);
  if ("int" in attribute) {
    writer.tag(3, WireType.Varint).int64(attribute.int);
    type("int");
  } else if ("float" in attribute) {
    writer.tag(2, WireType.Bit32).float(attribute.float);
    type("float");
  } else {
    message(writer, 6, () => writeGraph(writer, attribute.graph));
    type("graph");
  }
}

function writeTensor(writer: BinaryWriter, tensor: TensorProto): void {
  for (const size of tensor.dims) writer.tag(1, WireType.Varint).int64(size);
  writer.tag(2, WireType.Varint).int32(DATA_TYPE[tensor.type]);
  writer.tag(8, WireType.LengthDelimited).string(tensor.name);
  if (tensor.data instanceof Uint8Array) {
    writer.tag(9, WireType.LengthDelimited).bytes(tensor.data);
    return;
  }
  writeStringPair(writer, 13, "location", tensor.data.location);
  writeStringPair(writer, 13, "offset", String(tensor.data.offset));
  writeStringPair(writer, 13, "length", String(tensor.data.length));
  writer.tag(14, WireType.Varint).int32(1); // DataLocation.EXTERNAL
}

function writeValueInfo(writer: BinaryWriter, value: ValueInfo): void {
  writer.tag(1, WireType.LengthDelimited).string(value.name);
  message(writer, 2, () => {
    if (value.sequence === true) message(writer, 4, () => message(writer, 1, () => writeTensorType(writer, value)));
    else writeTensorType(writer, value);
  });
}

function writeTensorType(writer: BinaryWriter, { type, dims }: ValueInfo): void {
  message(writer, 1, () => {
    writer.tag(1, WireType.Varint).int32(DATA_TYPE[type]);
    message(writer, 2, () => {
      for (const size of dims) message(writer, 1, () => writeDimension(writer, size));
    });
  });
}

function writeDimension(writer: BinaryWriter, size: number | string): void {
  if (typeof size === "number") writer.tag(1, WireType.Varint).int64(size);
  else writer.tag(2, WireType.LengthDelimited).string(size);
}

/** StringStringEntryProto. */
function writeStringPair(writer: BinaryWriter, field: number, key: string, value: string): void {
  message(writer, field, () => {
    writer.tag(1, WireType.LengthDelimited).string(key);
    writer.tag(2, WireType.LengthDelimited).string(value);
  });
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}
