// The graph of any architecture of the table (architectures/). Everything but attention runs on the packed tokens of a batch, [tokens, hidden], without
// padding; q, k and v are gathered to [texts, longest] around attention alone (1.5 times faster than padded batches of
// 16 sorted texts). The last layer gathers each text's last token before o_proj: nothing after it needs the others.

import { must } from "../../shared/assert.ts";
import type { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { Linear } from "../checkpoint/linear.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { readLinear } from "../checkpoint/read-linear.ts";
import {
  finalNormOf,
  HEAD_NORMS,
  linearOf,
  type LinearPart,
  type NamedVector,
  vectorOf,
} from "./architectures/tensors.ts";
import { encodeFloats } from "./element-type.ts";
import { addEmbedding } from "./embedding-table.ts";
import { GraphBuilder, MICROSOFT, type NodeOptions, OPSETS } from "./graph-builder.ts";
import type { GraphPlan } from "./graph-plan.ts";
import { addLinears } from "./linear-nodes.ts";
import { DATA_TYPE, type ModelProto, type ValueInfo } from "./onnx-proto.ts";
import { addRotaryCaches, type RotaryCaches } from "./rotary-caches.ts";
import type { WeightsFile } from "./weights-file.ts";

/** What engine/batch-inputs.ts feeds: it may add a row to a batch's tokens, and one to its texts' last tokens. */
const INPUTS: readonly ValueInfo[] = [
  { name: "input_ids", type: "int64", dims: ["tokens"] },
  { name: "pad_idx", type: "int64", dims: ["texts", "longest"] },
  { name: "unpad_idx", type: "int64", dims: ["tokens"] },
  { name: "last_idx", type: "int64", dims: ["rows"] },
  { name: "seqlens_k", type: "int32", dims: ["texts"] },
  { name: "total_seq", type: "int32", dims: [1] },
];
export const OUTPUT_NAME = "embeddings";

export interface GraphRequest {
  readonly files: CheckpointFiles;
  readonly config: ModelConfig;
  readonly plan: GraphPlan;
  readonly weights: WeightsFile;
  readonly producer: { readonly name: string; readonly version: string };
  /** Called after each step with the fraction done; awaited, so that the caller's progress can be drawn. */
  readonly onStep: (fraction: number, what: string) => Promise<void>;
}

/** Reads the checkpoint layer by layer, writes the weights file, and gives the graph. Throws CheckpointError. */
export async function buildModelGraph({
  files,
  config,
  plan,
  weights,
  producer,
  onStep,
}: GraphRequest): Promise<ModelProto> {
  const graph = new GraphBuilder(weights);
  const steps = config.layers + 2;
  const layers = new LayerBuilder(graph, files, config, plan);
  await onStep(0, "embedding table");
  const embedded = await addEmbedding(graph, files, config, plan);
  let residual: Residual = {
    normed: layers.norm("layers.0.input_norm", embedded, vectorOf(config, 0, "attentionNorm")),
    sum: embedded,
  };
  for (let layer = 0; layer < config.layers; layer += 1) {
    await onStep((layer + 1) / steps, `layer ${layer + 1} of ${config.layers}`);
    residual = layers.add(layer, residual);
  }
  await onStep((config.layers + 1) / steps, "output");
  addOutput(graph, residual.normed);
  return {
    graphName: `${config.architecture}-embedding`,
    producer,
    opsets: OPSETS,
    inputs: INPUTS,
    outputs: [{ name: OUTPUT_NAME, type: "float32", dims: ["rows", config.hiddenSize] }],
    initializers: graph.initializers,
    nodes: graph.nodes,
    metadata: {},
  };
}

/** The residual stream and its norm, both [tokens, hidden]. */
interface Residual {
  readonly normed: string;
  readonly sum: string;
}

class LayerBuilder {
  readonly #graph: GraphBuilder;
  readonly #files: CheckpointFiles;
  readonly #config: ModelConfig;
  readonly #plan: GraphPlan;
  readonly #rotary: RotaryCaches;

  constructor(graph: GraphBuilder, files: CheckpointFiles, config: ModelConfig, plan: GraphPlan) {
    this.#graph = graph;
    this.#files = files;
    this.#config = config;
    this.#plan = plan;
    this.#rotary = addRotaryCaches(graph, config, plan.elementType);
    graph.int64s("flat_shape", [-1, config.queryHeads * config.headDim]);
    if (config.queryKeyNorms && plan.attentionNorms === "explicit") {
      graph.int64s("q_heads_shape", [-1, config.queryHeads, config.headDim]);
      graph.int64s("k_heads_shape", [-1, config.keyValueHeads, config.headDim]);
      graph.int64s("k_flat_shape", [-1, config.keyValueHeads * config.headDim]);
    }
  }

  /** RMSNorm over the residual stream: its epsilon follows the fold. */
  norm(name: string, input: string, weight: NamedVector): string {
    const options = { attributes: { axis: { int: -1 }, epsilon: { float: this.#residualEps() } } };
    return this.#graph.node("SimplifiedLayerNormalization", name, [input, this.#vector(weight)], options);
  }

  /** One decoder layer and the norm that follows it (the next layer's, or the final one). */
  add(layer: number, { normed, sum }: Residual): Residual {
    const name = `layers.${layer}`;
    const last = layer === this.#config.layers - 1;
    const attended = this.#attention(layer, normed, last ? "last_flat_idx" : "unpad_idx");
    const kept = last ? this.#graph.node("Gather", `${name}.kept`, [sum, "last_idx"]) : sum;
    const [projected] = addLinears(this.#graph, this.#plan, {
      layers: [this.#linear(layer, "o")],
      place: "o",
      input: attended,
      name: `${name}.o`,
      fold: this.#plan.residualFold,
    });
    const middle = this.#skipNorm(
      `${name}.post_norm`,
      must(projected, "o_proj"),
      kept,
      vectorOf(this.#config, layer, "mlpNorm"),
    );
    const mlp = this.#mlp(layer, middle.normed);
    return this.#skipNorm(
      `${name}.next_norm`,
      mlp,
      middle.sum,
      last ? finalNormOf(this.#config) : vectorOf(this.#config, layer + 1, "attentionNorm"),
    );
  }

  /** Causal attention within each text; gives the rows that `rows` picks of the padded result, [rows, heads · headDim]. */
  #attention(layer: number, normed: string, rows: string): string {
    const name = `layers.${layer}`;
    const parts: readonly LinearPart[] = ["q", "k", "v"];
    const values = addLinears(this.#graph, this.#plan, {
      layers: parts.map((part) => this.#linear(layer, part)),
      place: "qkv",
      input: normed,
      name: `${name}.qkv`,
    });
    const norms = HEAD_NORMS.filter(() => this.#config.queryKeyNorms).map((part) =>
      this.#vector(vectorOf(this.#config, layer, part)),
    );
    const explicit = this.#plan.attentionNorms === "explicit";
    const padded = values.map((value, index) => {
      const norm = explicit ? norms[index] : undefined;
      const ready = norm === undefined ? value : this.#headNorm(name, index === 0 ? "q" : "k", value, norm);
      return this.#graph.node("Gather", `${name}.padded.${index}`, [ready, "pad_idx"]);
    });
    const attended = this.#groupQueryAttention(name, padded, explicit ? [] : norms);
    const flat = this.#graph.node("Reshape", `${name}.attended.flat`, [
      attended,
      this.#plan.presents ? this.#flatShape(name) : "flat_shape",
    ]);
    if (rows === "last_flat_idx") this.#graph.node("Gather", "last_flat_idx", ["unpad_idx", "last_idx"]);
    return this.#graph.node("Gather", `${name}.attended.rows`, [flat, rows]);
  }

  #groupQueryAttention(name: string, padded: readonly string[], norms: readonly string[]): string {
    const { queryHeads, keyValueHeads, normEps } = this.#config;
    const inputs = [...padded, "", "", "seqlens_k", "total_seq", this.#rotary.cos, this.#rotary.sin];
    // position_ids, attention_bias, head_sink, k_scale and v_scale stand between the caches and the norms.
    if (norms.length > 0) inputs.push("", "", "", "", "", ...norms);
    const options: NodeOptions = {
      domain: MICROSOFT,
      attributes: {
        num_heads: { int: queryHeads },
        kv_num_heads: { int: keyValueHeads },
        do_rotary: { int: 1 },
        rotary_interleaved: { int: 0 },
        ...(norms.length > 0 && { qk_norm_epsilon: { float: normEps } }),
      },
    };
    const presents = this.#plan.presents ? [`${name}.present_key`, `${name}.present_value`] : [];
    const outputs = [`${name}.attended`, ...presents];
    return must(
      this.#graph.nodeWithOutputs("GroupQueryAttention", `${name}.attention`, inputs, outputs, options)[0],
      "attention output",
    );
  }

  /**
   * `flat_shape`, by way of both present outputs: the runtime keeps a value that nothing reads until the run ends, which
   * was 229 KB a token over the 28 layers of the 0.6B shape. Adding the difference of two equal sizes reads them, and no
   * optimiser folds it, the number of texts being unknown to it.
   */
  #flatShape(name: string): string {
    const sizes = ["present_key", "present_value"].map((part) =>
      this.#graph.node("Shape", `${name}.${part}.texts`, [`${name}.${part}`], {
        attributes: { start: { int: 0 }, end: { int: 1 } },
      }),
    );
    const zero = this.#graph.node("Sub", `${name}.zero`, sizes);
    return this.#graph.node("Add", `${name}.flat_shape`, ["flat_shape", zero]);
  }

  /** The norm of each head of [tokens, heads · headDim]. */
  #headNorm(layer: string, part: "q" | "k", input: string, weight: string): string {
    const name = `${layer}.${part}`;
    const [headsShape, flatShape] = part === "q" ? ["q_heads_shape", "flat_shape"] : ["k_heads_shape", "k_flat_shape"];
    const heads = this.#graph.node("Reshape", `${name}.heads`, [input, headsShape]);
    const options = { attributes: { axis: { int: -1 }, epsilon: { float: this.#config.normEps } } };
    const normed = this.#graph.node("SimplifiedLayerNormalization", `${name}.heads_normed`, [heads, weight], options);
    return this.#graph.node("Reshape", `${name}.normed`, [normed, flatShape]);
  }

  #mlp(layer: number, normed: string): string {
    const name = `layers.${layer}`;
    const [gate, up] = addLinears(this.#graph, this.#plan, {
      layers: [this.#linear(layer, "gate"), this.#linear(layer, "up")],
      place: "gateUp",
      input: normed,
      name: `${name}.gate_up`,
    });
    // QuickGelu with alpha 1 is SiLU in one pass.
    const activated = this.#graph.node("QuickGelu", `${name}.silu`, [must(gate, "gate")], {
      domain: MICROSOFT,
      attributes: { alpha: { float: 1 } },
    });
    const product = this.#graph.node("Mul", `${name}.gated`, [activated, must(up, "up")]);
    const [down] = addLinears(this.#graph, this.#plan, {
      layers: [this.#linear(layer, "down")],
      place: "down",
      input: product,
      name: `${name}.down`,
      fold: this.#plan.residualFold,
    });
    return must(down, "down_proj");
  }

  /** normed = RMSNorm(input + skip) · weight, sum = input + skip. */
  #skipNorm(name: string, input: string, skip: string, vector: NamedVector): Residual {
    const weight = this.#vector(vector);
    const options = { domain: MICROSOFT, attributes: { epsilon: { float: this.#residualEps() } } };
    this.#graph.nodeWithOutputs(
      "SkipSimplifiedLayerNormalization",
      name,
      [input, skip, weight],
      [name, "", "", `${name}.sum`],
      options,
    );
    return { normed: name, sum: `${name}.sum` };
  }

  #residualEps(): number {
    return this.#config.normEps * this.#plan.residualFold ** 2;
  }

  #linear(layer: number, part: LinearPart): Linear {
    return readLinear(this.#files, linearOf(this.#config, layer, part), this.#config.quantization);
  }

  #vector({ name, size }: NamedVector): string {
    return this.#graph.constant(
      name,
      this.#plan.elementType,
      [size],
      encodeFloats(this.#files.readFloats(name, [size]), this.#plan.elementType),
    );
  }
}

/** The last tokens' final hidden states [texts, hidden] → float32, L2-normalised. */
function addOutput(graph: GraphBuilder, normed: string): void {
  const wide = graph.node("Cast", "final.float32", [normed], { attributes: { to: { int: DATA_TYPE.float32 } } });
  graph.node("LpNormalization", OUTPUT_NAME, [wide], { attributes: { axis: { int: -1 }, p: { int: 2 } } });
}
