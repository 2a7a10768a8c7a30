// One layer: attention and MLP, each with the residual stream around it, and norms where the architecture has them.

import { must, unreachable } from "../../shared/assert.ts";
import type { Linear } from "../checkpoint/linear.ts";
import { readLinear } from "../checkpoint/read-linear.ts";
import type { LinearPart, NormPart } from "./architectures/architecture.ts";
import { finalNormOf, HEAD_NORMS, innerParts, linearOf, type NamedNorm, normOf } from "./architectures/tensors.ts";
import { AttentionBuilder } from "./attention-nodes.ts";
import { MICROSOFT } from "./graph-builder.ts";
import { addVector, foldOf, type GraphSource } from "./graph-source.ts";
import { addLinears } from "./linear-nodes.ts";
import { addNorm, addSkipNorm, type Normed } from "./norm-nodes.ts";

/** The values between two layers, both [tokens, hidden]: what the layer adds to the residual stream, and the stream without it. */
export interface LayerCut {
  readonly added: string;
  readonly stream: string;
}

export class LayerBuilder {
  readonly #source: GraphSource;
  readonly #attention: AttentionBuilder;
  /** The values between each layer and the next. */
  readonly cuts: LayerCut[] = [];

  constructor(source: GraphSource) {
    this.#source = source;
    this.#attention = new AttentionBuilder(source);
    const { graph, config } = source;
    if (config.queryKeyNorms && this.#normsHeads()) {
      graph.int64s("q_heads_shape", [-1, config.queryHeads, config.headDim]);
      graph.int64s("k_heads_shape", [-1, config.keyValueHeads, config.headDim]);
      graph.int64s("k_flat_shape", [-1, config.keyValueHeads * config.headDim]);
    }
  }

  /** What the first layer reads, made of the embedding. */
  begin(embedded: string): Normed {
    const { config } = this.#source;
    if (config.normPlaces === "after") return { normed: embedded, sum: embedded };
    const norm = normOf(config, 0, "attentionNorm");
    const scale = foldOf(this.#source);
    return { normed: addNorm(this.#source, "layers.0.input_norm", embedded, norm, { scale }), sum: embedded };
  }

  /**
   * One layer and the norm that follows it (the next layer's, or the final one). `rows`: the input of the graph that says
   * which rows to go on with after attention; all if undefined.
   */
  add(layer: number, { normed, sum }: Normed, rows: string | undefined): Normed {
    const { graph, config } = this.#source;
    const name = `layers.${layer}`;
    const attended = this.#attend(layer, normed, rows);
    const kept = rows === undefined ? sum : graph.node("Gather", `${name}.kept`, [sum, rows]);
    const after = (part: NormPart, value: string): string => {
      if (config.normPlaces !== "around") return value;
      const fold = foldOf(this.#source);
      return addNorm(this.#source, `${value}.normed`, value, normOf(config, layer, part), { fold });
    };
    const middle = this.#sum(`${name}.post_norm`, after("attentionAfterNorm", attended), kept, this.#middleNorm(layer));
    const added = after("mlpAfterNorm", this.#mlp(layer, middle.normed));
    this.cuts.push({ added, stream: middle.sum });
    return this.#sum(`${name}.next_norm`, added, middle.sum, this.#nextNorm(layer));
  }

  #sum(name: string, added: string, stream: string, norm: NamedNorm): Normed {
    return addSkipNorm(this.#source, name, added, stream, norm);
  }

  #middleNorm(layer: number): NamedNorm {
    const { config } = this.#source;
    return normOf(config, layer, config.normPlaces === "after" ? "attentionAfterNorm" : "mlpNorm");
  }

  #nextNorm(layer: number): NamedNorm {
    const { config } = this.#source;
    if (config.normPlaces === "after") return normOf(config, layer, "mlpAfterNorm");
    return layer === config.layers - 1
      ? must(finalNormOf(config), "a norm after the last layer")
      : normOf(config, layer + 1, "attentionNorm");
  }

  /** Attention and the layer after it, [rows, hidden]. */
  #attend(layer: number, normed: string, rows: string | undefined): string {
    const { graph, plan, config } = this.#source;
    const name = `layers.${layer}`;
    const parts: readonly LinearPart[] = ["q", "k", "v"];
    const values = addLinears(graph, plan, {
      layers: parts.map((part) => this.#linear(layer, part)),
      place: "qkv",
      input: normed,
      name: `${name}.qkv`,
    });
    const norms = HEAD_NORMS.filter(() => config.queryKeyNorms).map((part) => {
      const { name: norm, size } = normOf(config, layer, part);
      return addVector(this.#source, `${norm}.weight`, size);
    });
    const explicit = this.#normsHeads();
    const ready = values.map((value, index) => {
      const norm = explicit ? norms[index] : undefined;
      return norm === undefined ? value : this.#headNorm(name, index === 0 ? "q" : "k", value, norm);
    });
    const [projected] = addLinears(graph, plan, {
      layers: [this.#linear(layer, "o")],
      place: "o",
      input: this.#attention.add(layer, ready, explicit ? [] : norms, rows),
      name: `${name}.o`,
      fold: this.#outputFold(),
    });
    return must(projected, "o_proj");
  }

  /** Whether nodes of their own norm q's and k's heads; otherwise attention does. */
  #normsHeads(): boolean {
    const { config, plan } = this.#source;
    return plan.attentionNorms === "explicit" || !config.causal;
  }

  /** The norm of each head of [tokens, heads · headDim]. */
  #headNorm(layer: string, part: "q" | "k", input: string, weight: string): string {
    const { graph, config } = this.#source;
    const name = `${layer}.${part}`;
    const [headsShape, flatShape] = part === "q" ? ["q_heads_shape", "flat_shape"] : ["k_heads_shape", "k_flat_shape"];
    const heads = graph.node("Reshape", `${name}.heads`, [input, headsShape]);
    const options = { attributes: { axis: { int: -1 }, epsilon: { float: config.norm.eps } } };
    const normed = graph.node("SimplifiedLayerNormalization", `${name}.heads_normed`, [heads, weight], options);
    return graph.node("Reshape", `${name}.normed`, [normed, flatShape]);
  }

  #mlp(layer: number, normed: string): string {
    const { graph, plan } = this.#source;
    const name = `layers.${layer}`;
    const [first, up] = addLinears(graph, plan, {
      layers: innerParts(this.#source.config).map((part) => this.#linear(layer, part)),
      place: "gateUp",
      input: normed,
      name: `${name}.gate_up`,
    });
    const activated = this.#activate(`${name}.act`, must(first, "the gate, or the inner layer"));
    const [down] = addLinears(graph, plan, {
      layers: [this.#linear(layer, "down")],
      place: "down",
      input: up === undefined ? activated : graph.node("Mul", `${name}.gated`, [activated, up]),
      name: `${name}.down`,
      fold: this.#outputFold(),
    });
    return must(down, "down_proj");
  }

  #activate(name: string, input: string): string {
    const { graph, config } = this.#source;
    switch (config.activation) {
      case "silu":
        // QuickGelu with alpha 1 is SiLU in one pass.
        return graph.node("QuickGelu", name, [input], { domain: MICROSOFT, attributes: { alpha: { float: 1 } } });
      case "gelu":
        return graph.node("Gelu", name, [input]);
      case "gelu-tanh":
        return graph.node("FastGelu", name, [input], { domain: MICROSOFT });
      default:
        return unreachable(config.activation);
    }
  }

  /** On what attention and MLP give; where a norm comes after them, the fold is in that norm. */
  #outputFold(): number {
    return this.#source.config.normPlaces === "around" ? 1 : foldOf(this.#source);
  }

  #linear(layer: number, part: LinearPart): Linear {
    const { config, files } = this.#source;
    return readLinear(files, linearOf(config, layer, part), config.quantization);
  }
}
