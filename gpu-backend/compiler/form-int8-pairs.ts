// The form that multiplies in integers and is as exact as float32: each value is two int8 digits under one scale, a row of
// activations and a column of weights having one each,
//   value = scale · (hi + lo / 254),   hi, lo = -127 … 127,
// and a product is hi·hi + (hi·lo + lo·hi) / 254; lo·lo is below float32's own error. The last two share a scale and are one
// product of twice the depth, [hi, lo] · [lo; hi]. Three bytes a weight.
//
// Integer sums have no order: a row's bits do not depend on the other rows. Activations are u8 around 128, weights s8, which is
// what processors multiply; some saturate silently (engine/integer-products.ts) and must not be given this form.

import type { DenseLinear } from "../checkpoint/linear.ts";
import { encodeFloats } from "./element-type.ts";
import { type GraphBuilder, MICROSOFT } from "./graph-builder.ts";

/** Steps of a digit on either side of zero. */
const STEPS = 127;
/** Steps of the low digit in one of the high: the rest is at most half of a step, and a digit has 127 for that. */
const LOW_STEPS = 2 * STEPS;
/** Columns at a time while weights are transposed: what stays in a cache. */
const TILE = 64;
/** Added and taken away, it leaves the nearest integer of a double: four times as fast as Math.round. */
const ROUNDER = 1.5 * 2 ** 52;
/** Stands for the maximum of a row of zeros. */
const TINY = 1e-20;

const CONSTANTS = {
  axis: "pairs.axis",
  tiny: "pairs.tiny",
  highStep: "pairs.high_step",
  lowStep: "pairs.low_step",
  zero: "pairs.zero",
} as const;

/** Adds the products of `layers` with `input` and returns one value per layer, float32 [tokens, outFeatures] each. */
export function addInt8Pairs(
  graph: GraphBuilder,
  name: string,
  input: string,
  layers: readonly DenseLinear[],
): readonly string[] {
  addConstants(graph);
  const { high, both, peak } = addDigits(graph, name, input);
  return layers.map((layer, index) => {
    const own = layers.length === 1 ? name : `${name}.${index}`;
    const { outFeatures, inFeatures } = layer;
    const { digits, scales } = splitWeights(layer);
    const product = (part: string, values: string, rows: number, bytes: Int8Array, factor: number): string => {
      const weights = graph.constant(
        `${own}.${part}.B`,
        "int8",
        [rows, outFeatures],
        new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
      );
      const scale = graph.constant(
        `${own}.${part}.scales`,
        "float32",
        [outFeatures],
        encodeFloats(
          scales.map((value) => value * factor),
          "float32",
        ),
      );
      return graph.node(
        "MatMulIntegerToFloat",
        `${own}.${part}`,
        [values, weights, CONSTANTS.highStep, scale, CONSTANTS.zero],
        { domain: MICROSOFT },
      );
    };
    const size = inFeatures * outFeatures;
    const sum = graph.node("Add", `${own}.sum`, [
      product("high", high, inFeatures, digits.subarray(size), 1),
      product("both", both, 2 * inFeatures, digits, 1 / LOW_STEPS),
    ]);
    return graph.node("Mul", own, [sum, peak]);
  });
}

/** The digits of the activations: `high` u8 [tokens, in], `both` u8 [tokens, 2 · in], and each row's largest size [tokens, 1]. */
function addDigits(graph: GraphBuilder, name: string, input: string) {
  const largest = graph.node("ReduceMax", `${name}.largest`, [input, CONSTANTS.axis]);
  const least = graph.node("ReduceMin", `${name}.least`, [input, CONSTANTS.axis]);
  const peak = graph.node("Max", `${name}.peak`, [largest, graph.node("Neg", `${name}.most`, [least]), CONSTANTS.tiny]);
  const unit = graph.node("Div", `${name}.unit`, [input, peak]);
  const high = graph.node("QuantizeLinear", `${name}.hi`, [unit, CONSTANTS.highStep, CONSTANTS.zero]);
  const known = graph.node("DequantizeLinear", `${name}.known`, [high, CONSTANTS.highStep, CONSTANTS.zero]);
  const rest = graph.node("Sub", `${name}.rest`, [unit, known]);
  const low = graph.node("QuantizeLinear", `${name}.lo`, [rest, CONSTANTS.lowStep, CONSTANTS.zero]);
  const both = graph.node("Concat", `${name}.digits`, [high, low], { attributes: { axis: { int: 1 } } });
  return { high, both, peak };
}

function addConstants(graph: GraphBuilder): void {
  if (graph.initializers.some(({ name }) => name === CONSTANTS.axis)) return;
  graph.int64s(CONSTANTS.axis, [1]);
  const scalar = (name: string, value: number): void =>
    void graph.constant(name, "float32", [], encodeFloats(Float32Array.of(value), "float32"));
  scalar(CONSTANTS.tiny, TINY);
  scalar(CONSTANTS.highStep, 1 / STEPS);
  scalar(CONSTANTS.lowStep, 1 / STEPS / LOW_STEPS);
  graph.constant(CONSTANTS.zero, "uint8", [], Uint8Array.of(STEPS + 1));
}

/** `digits`: low, then high ones, [in, out] each. `scales`: [out], a column's largest weight / 127. */
function splitWeights({ outFeatures, inFeatures, weights }: DenseLinear): { digits: Int8Array; scales: Float32Array } {
  const size = inFeatures * outFeatures;
  const digits = new Int8Array(2 * size);
  const scales = new Float32Array(outFeatures);
  for (let out = 0; out < outFeatures; out += 1) scales[out] = scaleOf(weights, out * inFeatures, inFeatures);
  for (let left = 0; left < inFeatures; left += TILE) {
    const right = Math.min(left + TILE, inFeatures);
    for (let out = 0; out < outFeatures; out += 1) {
      const perScale = 1 / (scales[out] ?? 1);
      for (let column = left; column < right; column += 1) {
        const value = (weights[out * inFeatures + column] ?? 0) * perScale;
        const high = value + ROUNDER - ROUNDER;
        const place = column * outFeatures + out;
        digits[place] = (value - high) * LOW_STEPS + ROUNDER - ROUNDER;
        digits[size + place] = high;
      }
    }
  }
  return { digits, scales };
}

function scaleOf(weights: Float32Array, start: number, length: number): number {
  let peak = 0;
  for (let index = start; index < start + length; index += 1) {
    const size = Math.abs(weights[index] ?? 0);
    if (size > peak) peak = size;
  }
  return peak === 0 ? 1 : peak / STEPS;
}
