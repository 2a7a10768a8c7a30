// The Qwen3 embedding graph. Everything but attention runs on the packed tokens of a batch, [tokens, hidden], without
// padding; q, k and v are gathered to [texts, longest] around attention alone (1.5 times faster than padded batches of
// 16 sorted texts). The last layer gathers each text's last token before o_proj: nothing after it needs the others.

import { must } from "../../shared/assert.ts";
import type { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { readLinear } from "../checkpoint/read-linear.ts";
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
export async function buildQwen3Graph({
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
    normed: layers.norm("layers.0.input_norm", embedded, "layers.0.input_layernorm.weight"),
    sum: embedded,
  };
  for (let layer = 0; layer < config.layers; layer += 1) {
    await onStep((layer + 1) / steps, `layer ${layer + 1} of ${config.layers}`);
    residual = layers.add(layer, residual);
  }
  await onStep((config.layers + 1) / steps, "output");
  addOutput(graph, residual.normed);
  return {
    graphName: "qwen3-embedding",
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
    if (plan.attentionNorms === "explicit") {
      graph.int64s("q_heads_shape", [-1, config.queryHeads, config.headDim]);
      graph.int64s("k_heads_shape", [-1, config.keyValueHeads, config.headDim]);
      graph.int64s("k_flat_shape", [-1, config.keyValueHeads * config.headDim]);
    }
  }

  /** RMSNorm over the residual stream: its epsilon follows the fold. */
  norm(name: string, input: string, weightName: string): string {
    const options = { attributes: { axis: { int: -1 }, epsilon: { float: this.#residualEps() } } };
    return this.#graph.node(
      "SimplifiedLayerNormalization",
      name,
      [input, this.#vector(weightName, this.#config.hiddenSize)],
      options,
    );
  }

  /** One decoder layer and the norm that follows it (the next layer's, or the final one). */
  add(layer: number, { normed, sum }: Residual): Residual {
    const name = `layers.${layer}`;
    const last = layer === this.#config.layers - 1;
    const attended = this.#attention(name, normed, last ? "last_flat_idx" : "unpad_idx");
    const kept = last ? this.#graph.node("Gather", `${name}.kept`, [sum, "last_idx"]) : sum;
    const [projected] = addLinears(this.#graph, this.#plan, {
      layers: [
        this.#linear(
          `${name}.self_attn.o_proj`,
          this.#config.hiddenSize,
          this.#config.queryHeads * this.#config.headDim,
        ),
      ],
      place: "o",
      input: attended,
      name: `${name}.o`,
      fold: this.#plan.residualFold,
    });
    const middle = this.#skipNorm(
      `${name}.post_norm`,
      must(projected, "o_proj"),
      kept,
      `${name}.post_attention_layernorm.weight`,
    );
    const mlp = this.#mlp(name, middle.normed);
    return this.#skipNorm(
      `${name}.next_norm`,
      mlp,
      middle.sum,
      last ? "norm.weight" : `layers.${layer + 1}.input_layernorm.weight`,
    );
  }

  /** Causal attention within each text; gives the rows that `rows` picks of the padded result, [rows, heads · headDim]. */
  #attention(name: string, normed: string, rows: string): string {
    const { hiddenSize, queryHeads, keyValueHeads, headDim } = this.#config;
    const parts = [
      { part: "q", heads: queryHeads },
      { part: "k", heads: keyValueHeads },
      { part: "v", heads: keyValueHeads },
    ];
    const values = addLinears(this.#graph, this.#plan, {
      layers: parts.map(({ part, heads }) =>
        this.#linear(`${name}.self_attn.${part}_proj`, heads * headDim, hiddenSize),
      ),
      place: "qkv",
      input: normed,
      name: `${name}.qkv`,
    });
    const qNorm = this.#vector(`${name}.self_attn.q_norm.weight`, headDim);
    const kNorm = this.#vector(`${name}.self_attn.k_norm.weight`, headDim);
    const [q, k, v] = values.map((value) => must(value, "q, k, v"));
    const explicit = this.#plan.attentionNorms === "explicit";
    const padded = [
      explicit ? this.#headNorm(`${name}.q`, must(q, "q"), qNorm, "q_heads_shape", "flat_shape") : must(q, "q"),
      explicit ? this.#headNorm(`${name}.k`, must(k, "k"), kNorm, "k_heads_shape", "k_flat_shape") : must(k, "k"),
      must(v, "v"),
    ].map((value, index) => this.#graph.node("Gather", `${name}.padded.${index}`, [value, "pad_idx"]));
    const attended = this.#groupQueryAttention(name, padded, explicit ? [] : [qNorm, kNorm]);
    const flat = this.#graph.node("Reshape", `${name}.attended.flat`, [
      attended,
      this.#plan.presents ? this.#flatShape(name) : "flat_shape",
    ]);
    if (rows === "last_flat_idx") this.#graph.node("Gather", "last_flat_idx", ["unpad_idx", "last_idx"]);
    return this.#graph.node("Gather", `${name}.attended.rows`, [flat, rows]);
  }

  #groupQueryAttention(name: string, padded: readonly string[], norms: readonly string[]): string {
    const { queryHeads, keyValueHeads, rmsNormEps } = this.#config;
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
        ...(norms.length > 0 && { qk_norm_epsilon: { float: rmsNormEps } }),
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

  #headNorm(name: string, input: string, weight: string, headsShape: string, flatShape: string): string {
    const heads = this.#graph.node("Reshape", `${name}.heads`, [input, headsShape]);
    const options = { attributes: { axis: { int: -1 }, epsilon: { float: this.#config.rmsNormEps } } };
    const normed = this.#graph.node("SimplifiedLayerNormalization", `${name}.heads_normed`, [heads, weight], options);
    return this.#graph.node("Reshape", `${name}.normed`, [normed, flatShape]);
  }

  #mlp(name: string, normed: string): string {
    const { hiddenSize, intermediateSize } = this.#config;
    const [gate, up] = addLinears(this.#graph, this.#plan, {
      layers: ["gate", "up"].map((part) => this.#linear(`${name}.mlp.${part}_proj`, intermediateSize, hiddenSize)),
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
      layers: [this.#linear(`${name}.mlp.down_proj`, hiddenSize, intermediateSize)],
      place: "down",
      input: product,
      name: `${name}.down`,
      fold: this.#plan.residualFold,
    });
    return must(down, "down_proj");
  }

  /** normed = RMSNorm(input + skip) · weight, sum = input + skip. */
  #skipNorm(name: string, input: string, skip: string, weightName: string): Residual {
    const weight = this.#vector(weightName, this.#config.hiddenSize);
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
    return this.#config.rmsNormEps * this.#plan.residualFold ** 2;
  }

  #linear(name: string, outFeatures: number, inFeatures: number) {
    return readLinear(this.#files, { name, outFeatures, inFeatures }, this.#config.quantization);
  }

  #vector(name: string, size: number): string {
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
