// What is computed text by text on packed rows, since its result must not depend on the other texts: a loop over the texts
// of a run, each a slice of the rows.

import { GraphBuilder } from "./graph-builder.ts";
import { DATA_TYPE, type DataType, type GraphProto, type ValueInfo } from "./onnx-proto.ts";

/**
 * Adds to the graph what `body` makes of each text and gives the results, one under the other. `values`: [tokens, any] each;
 * `body` gets each text's rows of them, [its tokens, any], and gives one value. `text_starts` and `text_ends` are inputs.
 */
export function addTextLoop(
  graph: GraphBuilder,
  name: string,
  type: DataType,
  values: readonly string[],
  body: (inner: GraphBuilder, rows: readonly string[]) => string,
): string {
  const inner = new GraphBuilder(graph.weights);
  const at = (part: string): string => `${name}.${part}`;
  const axis = inner.int64s(at("axis"), [0]);
  const text = inner.node("Unsqueeze", at("text"), [at("index"), axis]);
  const [start, end] = ["text_starts", "text_ends"].map((ends) => inner.node("Gather", at(ends), [ends, text]));
  const rows = values.map((value) => inner.node("Slice", `${name}.of.${value}`, [value, start ?? "", end ?? "", axis]));
  const result = body(inner, rows);
  inner.node("SequenceInsert", at("after"), [at("before"), result]);
  inner.node("Identity", at("goes_on.after"), [at("goes_on")]);
  const scalar = (part: string, of: DataType): ValueInfo => ({ name: at(part), type: of, dims: [] });
  const sequence = (part: string): ValueInfo => ({ name: at(part), type, dims: ["rows", "values"], sequence: true });
  const loop: GraphProto = {
    graphName: at("body"),
    inputs: [scalar("index", "int64"), scalar("goes_on", "bool"), sequence("before")],
    outputs: [scalar("goes_on.after", "bool"), sequence("after")],
    initializers: inner.initializers,
    nodes: inner.nodes,
  };
  const texts = graph.node("Size", at("texts"), ["text_starts"]);
  const none = graph.node("SequenceEmpty", at("none"), [], { attributes: { dtype: { int: DATA_TYPE[type] } } });
  const all = graph.node("Loop", at("all"), [texts, "", none], { attributes: { body: { graph: loop } } });
  return graph.node("ConcatFromSequence", name, [all], { attributes: { axis: { int: 0 } } });
}
