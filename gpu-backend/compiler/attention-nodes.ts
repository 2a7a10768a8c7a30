// Attention within each text of a run: [tokens, heads · headDim] of q, k and v → the same of the result.
//
// Causal: GroupQueryAttention over padded texts, [texts, longest]; it rotates q and k itself, and its CPU kernel computes each
// text by its own length. Bidirectional: that kernel cannot, and one with a mask sums over the padding too, in an order that
// depends on the longest text. So on the CPU a loop over the texts gives each to MultiHeadAttention without a mask
// (no padding, and the same bits alone or in a batch); a GPU, for which many small launches are dear, gets the padded texts and
// their lengths as a mask.

import { must } from "../../shared/assert.ts";
import { MICROSOFT, type NodeOptions } from "./graph-builder.ts";
import type { GraphSource } from "./graph-source.ts";
import { addRotaryCaches, type RotaryCaches } from "./rotary-caches.ts";
import { addTextLoop } from "./text-loop.ts";

/** The name of a constant: the shape of packed rows of q. */
const FLAT = "flat_shape";

export class AttentionBuilder {
  readonly #source: GraphSource;
  readonly #rotary: RotaryCaches | undefined;

  constructor(source: GraphSource) {
    const { graph, config, plan } = source;
    this.#source = source;
    const { positions } = config;
    this.#rotary =
      positions.kind === "rotary" ? addRotaryCaches(graph, config, positions.theta, plan.elementType) : undefined;
    graph.int64s(FLAT, [-1, config.queryHeads * config.headDim]);
  }

  /**
   * `values`: q, k and v, [tokens, heads · headDim]. `headNorms`: weights of the norms over q's and k's heads that attention
   * is to do itself. `rows`: the packed rows to give, an input of the graph; all if undefined. Gives [rows, heads · headDim].
   */
  add(layer: number, values: readonly string[], headNorms: readonly string[], rows: string | undefined): string {
    const name = `layers.${layer}`;
    const { graph, config, plan } = this.#source;
    if (!config.causal && plan.bidirectional === "by text") {
      const attended = this.#byText(name, this.#rotated(name, values));
      return rows === undefined ? attended : graph.node("Gather", `${name}.attended.rows`, [attended, rows]);
    }
    const ready = config.causal ? values : this.#rotated(name, values);
    const padded = ready.map((value, index) => graph.node("Gather", `${name}.padded.${index}`, [value, "pad_idx"]));
    const attended = config.causal
      ? this.#groupQuery(layer, padded, headNorms)
      : this.#multiHead(name, padded, this.#lengths());
    const flat = graph.node("Reshape", `${name}.attended.flat`, [
      attended,
      config.causal && plan.presents ? this.#flatShape(name) : FLAT,
    ]);
    return graph.node("Gather", `${name}.attended.rows`, [
      flat,
      rows === undefined ? "unpad_idx" : this.#flatRows(rows),
    ]);
  }

  #groupQuery(layer: number, padded: readonly string[], headNorms: readonly string[]): string {
    const { graph, config, plan } = this.#source;
    const name = `layers.${layer}`;
    const { cos, sin } = must(this.#rotary, "the rotations of a causal model");
    const inputs = [...padded, "", "", "seqlens_k", "total_seq", cos, sin];
    // position_ids, attention_bias, head_sink, k_scale and v_scale stand between the caches and the norms.
    if (headNorms.length > 0) inputs.push("", "", "", "", "", ...headNorms);
    const window = config.windows[layer] ?? null;
    const options: NodeOptions = {
      domain: MICROSOFT,
      attributes: {
        num_heads: { int: config.queryHeads },
        kv_num_heads: { int: config.keyValueHeads },
        do_rotary: { int: 1 },
        rotary_interleaved: { int: 0 },
        ...this.#scale(),
        ...(config.softcap !== null && { softcap: { float: config.softcap } }),
        ...(window !== null && { local_window_size: { int: window } }),
        ...(headNorms.length > 0 && { qk_norm_epsilon: { float: config.norm.eps } }),
      },
    };
    const presents = plan.presents ? [`${name}.present_key`, `${name}.present_value`] : [];
    const outputs = [`${name}.attended`, ...presents];
    graph.nodeWithOutputs("GroupQueryAttention", `${name}.attention`, inputs, outputs, options);
    return `${name}.attended`;
  }

  /** Unless it is what the kernels take by themselves. */
  #scale(): NodeOptions["attributes"] {
    const { headDim, attentionScale } = this.#source.config;
    return attentionScale === 1 / Math.sqrt(headDim) ? {} : { scale: { float: attentionScale } };
  }

  /** q and k turned by their positions, and as many heads of k and v as q has. */
  #rotated(name: string, values: readonly string[]): readonly string[] {
    return values.map((value, index) => {
      const part = must(["q", "k", "v"][index], "q, k, v");
      const turned = part === "v" ? value : this.#rotate(`${name}.${part}`, value);
      return part === "q" ? turned : this.#repeatHeads(`${name}.${part}`, turned);
    });
  }

  #rotate(name: string, value: string): string {
    if (this.#rotary === undefined) return value;
    const { graph } = this.#source;
    // Each token as a text of one: a run may have more tokens than the caches have positions.
    const axis = this.#constant("token_axis", [1]);
    const batch = graph.node("Unsqueeze", `${name}.batch`, [value, axis]);
    const turned = graph.node(
      "RotaryEmbedding",
      `${name}.turned`,
      [batch, this.#positions(), this.#rotary.cos, this.#rotary.sin],
      {
        domain: MICROSOFT,
        attributes: { interleaved: { int: 0 } },
      },
    );
    return graph.node("Squeeze", `${name}.rotated`, [turned, axis]);
  }

  #repeatHeads(name: string, value: string): string {
    const { graph, config } = this.#source;
    const { queryHeads, keyValueHeads, headDim } = config;
    if (keyValueHeads === queryHeads) return value;
    const split = this.#constant("kv_heads", [-1, keyValueHeads, 1, headDim]);
    const copies = this.#constant("kv_copies", [1, 1, queryHeads / keyValueHeads, 1]);
    const heads = graph.node("Reshape", `${name}.groups`, [value, split]);
    return graph.node("Reshape", `${name}.repeated`, [graph.node("Expand", `${name}.copies`, [heads, copies]), FLAT]);
  }

  #byText(name: string, values: readonly string[]): string {
    const { graph, plan } = this.#source;
    return addTextLoop(graph, `${name}.attended`, plan.elementType, values, (inner, rows) => {
      const axis = inner.int64s(`${name}.text_axis`, [0]);
      const batch = rows.map((value) => inner.node("Unsqueeze", `${value}.batch`, [value, axis]));
      const attended = this.#multiHead(name, batch, undefined, inner);
      return inner.node("Squeeze", `${name}.attended.flat`, [attended, axis]);
    });
  }

  /** Without a mask, or up to each text's length. [texts, longest, heads · headDim]. */
  #multiHead(name: string, values: readonly string[], lengths: string | undefined, graph = this.#source.graph): string {
    const inputs = lengths === undefined ? values : [...values, "", lengths];
    return graph.node("MultiHeadAttention", `${name}.attention`, inputs, {
      domain: MICROSOFT,
      attributes: { num_heads: { int: this.#source.config.queryHeads }, ...this.#scale() },
    });
  }

  /** int32 [texts]. */
  #lengths(): string {
    const { graph } = this.#source;
    if (graph.has("lengths")) return "lengths";
    const one = graph.constant("one", "int32", [1], new Uint8Array(Int32Array.of(1).buffer));
    return graph.node("Add", "lengths", ["seqlens_k", one]);
  }

  #positions(): string {
    const { graph } = this.#source;
    if (graph.has("positions.batch")) return "positions.batch";
    return graph.node("Unsqueeze", "positions.batch", ["position_ids", this.#constant("token_axis", [1])]);
  }

  /** The padded places of packed rows. */
  #flatRows(rows: string): string {
    const { graph } = this.#source;
    const name = rows.replace(/_idx$/, "_flat_idx");
    return graph.has(name) ? name : graph.node("Gather", name, ["unpad_idx", rows]);
  }

  #constant(name: string, values: readonly number[]): string {
    const { graph } = this.#source;
    return graph.has(name) ? name : graph.int64s(name, values);
  }

  /**
   * `flat_shape`, by way of both present outputs: the runtime keeps a value that nothing reads until the run ends, which
   * was 229 KB a token over the 28 layers of the 0.6B shape. Adding the difference of two equal sizes reads them, and no
   * optimiser folds it, the number of texts being unknown to it.
   */
  #flatShape(name: string): string {
    const { graph } = this.#source;
    const sizes = ["present_key", "present_value"].map((part) =>
      graph.node("Shape", `${name}.${part}.texts`, [`${name}.${part}`], {
        attributes: { start: { int: 0 }, end: { int: 1 } },
      }),
    );
    const zero = graph.node("Sub", `${name}.zero`, sizes);
    return graph.node("Add", `${name}.flat_shape`, [FLAT, zero]);
  }
}
