// One long text, computed chunk by chunk and layer by layer: the values of one run but for float32's rounding, at the same
// speed, in a fraction of the memory. The residual stream of all tokens stays in two buffers that each chunk reads and
// writes in place; keys and values of one layer alone are kept, in buffers that the kernel fills in place. A layer's
// session is opened when its turn comes, so that nothing is held while there are no long texts.

import { dirname, join } from "node:path";

import { type InferenceSession, Tensor } from "onnxruntime-node";

import { assert } from "../../shared/assert.ts";
import { layerFile } from "../compiler/compiled-folder.ts";
import { LAYER_VALUES } from "../compiler/layer-graphs.ts";
import { OUTPUT_NAME } from "../compiler/pooling-nodes.ts";
import { batchFeeds, endsInSingleRow, packBatch } from "./batch-inputs.ts";
import type { ModelShape } from "./messages.ts";
import { embeddingsOf, openSession, type SessionOptions } from "./graph-session.ts";

/**
 * At most. Between two of them other work can be done: 512 tokens of the 0.6B shape take a layer 0.1 to 0.9 s on two cores.
 */
export const CHUNK_TOKENS_MAX = 512;

/** The size of all chunks but the last, which may be smaller; none ends in a single row (batch-inputs.ts). */
function chunkTokensOf(tokens: number): number {
  for (let chunks = Math.ceil(tokens / CHUNK_TOKENS_MAX); chunks < tokens; chunks += 1) {
    const size = Math.ceil(tokens / chunks);
    if (!endsInSingleRow(size) && !endsInSingleRow(tokens % size)) return size;
  }
  return tokens;
}

type Values = Record<string, Tensor>;

export class LongText {
  readonly #options: SessionOptions;
  readonly #shape: ModelShape;
  readonly #ids: Int32Array;
  readonly #chunkTokens: number;
  /** [tokens, hidden] both, see LAYER_VALUES. */
  readonly #added: Float32Array;
  readonly #stream: Float32Array;
  /** [1, keyValueHeads, tokens, headDim] of the present layer. */
  readonly #keys: Tensor;
  readonly #values: Tensor;
  #session: InferenceSession | undefined;
  #layer = 0;
  #start = 0;

  /** `options.graphPath`: the whole graph, beside which the layers' graphs lie. */
  constructor(ids: Int32Array, options: SessionOptions, shape: ModelShape) {
    assert(ids.length > 1, "a long text has more than one token");
    this.#options = options;
    this.#shape = shape;
    this.#ids = ids;
    this.#chunkTokens = chunkTokensOf(ids.length);
    this.#added = new Float32Array(ids.length * shape.hiddenSize);
    this.#stream = new Float32Array(ids.length * shape.hiddenSize);
    const dims = [1, shape.keyValueHeads, ids.length, shape.headDim];
    const size = dims.reduce((product, count) => product * count, 1);
    this.#keys = new Tensor("float32", new Float32Array(size), dims);
    this.#values = new Tensor("float32", new Float32Array(size), dims);
  }

  /** Runs the next chunk through the present layer. Gives float32 [hiddenSize], L2-normalised, or a logit, after the last one. */
  async step(): Promise<Float32Array | undefined> {
    const session = (this.#session ??= await openSession({
      ...this.#options,
      graphPath: join(dirname(this.#options.graphPath), layerFile(this.#layer)),
    }));
    const end = Math.min(this.#ids.length, this.#start + this.#chunkTokens);
    const last = this.#layer === this.#shape.layers - 1;
    const inputs = Object.entries(this.#feeds(end, session.inputNames)).filter(([name]) =>
      session.inputNames.includes(name),
    );
    const fetches: Record<string, Tensor | null> = {
      [LAYER_VALUES.presentKey(this.#layer)]: this.#keys,
      [LAYER_VALUES.presentValue(this.#layer)]: this.#values,
      ...(last ? { [OUTPUT_NAME]: null } : this.#rows(this.#layer, end)),
    };
    const results = await session.run(Object.fromEntries(inputs), fetches);
    if (end < this.#ids.length) {
      this.#start = end;
      return undefined;
    }
    await this.close();
    this.#start = 0;
    this.#layer += 1;
    if (!last) return undefined;
    return embeddingsOf(results, 1);
  }

  /** Frees the layer that is loaded. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }

  #feeds(end: number, inputNames: readonly string[]): Values {
    return {
      ...batchFeeds(packBatch([this.#ids.subarray(this.#start, end)]), inputNames, this.#start),
      // The same buffers as the present ones: then the kernel appends instead of copying.
      [LAYER_VALUES.pastKey]: this.#keys,
      [LAYER_VALUES.pastValue]: this.#values,
      ...this.#rows(this.#layer - 1, end),
    };
  }

  /** The chunk's rows of what `layer` gives. */
  #rows(layer: number, end: number): Values {
    const { hiddenSize } = this.#shape;
    const rows = (values: Float32Array): Tensor =>
      new Tensor("float32", values.subarray(this.#start * hiddenSize, end * hiddenSize), [
        end - this.#start,
        hiddenSize,
      ]);
    return { [LAYER_VALUES.added(layer)]: rows(this.#added), [LAYER_VALUES.stream(layer)]: rows(this.#stream) };
  }
}
