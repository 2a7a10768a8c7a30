// Norms over [tokens, hidden], by themselves and after a sum.

import { unreachable } from "../../shared/assert.ts";
import type { NamedNorm } from "./architectures/tensors.ts";
import { MICROSOFT } from "./graph-builder.ts";
import { addVector, foldOf, type GraphSource } from "./graph-source.ts";

/** A sum and its norm, both [tokens, hidden]. */
export interface Normed {
  readonly normed: string;
  readonly sum: string;
}

interface NormOptions {
  /** Factor on what comes in, which the norm cancels: its epsilon follows. */
  readonly scale?: number;
  /** Factor on what goes out. */
  readonly fold?: number;
}

/** The norm of `input` over its last axis. */
export function addNorm(source: GraphSource, name: string, input: string, norm: NamedNorm, options: NormOptions = {}) {
  const { graph, config } = source;
  const { kind, eps } = config.norm;
  const attributes = { axis: { int: -1 }, epsilon: { float: eps * (options.scale ?? 1) ** 2 } };
  const opType = kind === "rms" ? "SimplifiedLayerNormalization" : "LayerNormalization";
  return graph.node(opType, name, [input, ...weightsOf(source, norm, options.fold)], { attributes });
}

/** The norm of the residual stream `skip` with `input` added. */
export function addSkipNorm(source: GraphSource, name: string, input: string, skip: string, norm: NamedNorm): Normed {
  const { graph, config } = source;
  const { kind, eps } = config.norm;
  const options = { domain: MICROSOFT, attributes: { epsilon: { float: eps * foldOf(source) ** 2 } } };
  const opType = kind === "rms" ? "SkipSimplifiedLayerNormalization" : "SkipLayerNormalization";
  const inputs = [input, skip, ...weightsOf(source, norm)];
  const after = config.normPlaces === "after";
  graph.nodeWithOutputs(opType, name, inputs, after ? [name] : [name, "", "", `${name}.sum`], options);
  // After the norm, the norm itself is the stream.
  return { normed: name, sum: after ? name : `${name}.sum` };
}

function weightsOf(source: GraphSource, { name, size }: NamedNorm, fold = 1): readonly string[] {
  const { kind, plusOne } = source.config.norm;
  const weight = addVector(source, `${name}.weight`, size, (value) => (plusOne ? value + 1 : value) * fold);
  switch (kind) {
    case "rms":
      return [weight];
    case "layer":
      return [weight, addVector(source, `${name}.bias`, size)];
    default:
      return unreachable(kind);
  }
}
