// One ONNX Runtime session over a compiled graph. `run` blocks this process's event loop for the whole batch
// (onnxruntime-node computes on the calling thread), which is why the engine keeps it in a process of its own.

import { InferenceSession, Tensor } from "onnxruntime-node";

import { assert, must } from "../../shared/assert.ts";
import type { CompileTarget, CudaWeights } from "../compiler/compiled-model.ts";
import { OUTPUT_NAME } from "../compiler/qwen3-graph.ts";
import { packBatch } from "./batch-inputs.ts";

export interface SessionOptions {
  readonly graphPath: string;
  readonly target: CompileTarget;
  readonly cudaWeights: CudaWeights;
  /** Intra-op threads, 1 or more. */
  readonly threads: number;
}

/** Loads a graph; its weights file is mapped, not read. Rejects with the runtime's own error. */
export function openSession({ graphPath, target, cudaWeights, threads }: SessionOptions): Promise<InferenceSession> {
  return InferenceSession.create(graphPath, {
    executionProviders: target === "cpu" ? ["cpu"] : [{ name: "cuda", deviceId: 0 }],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    // A memory pattern is kept per shape, and packed batches hardly ever repeat one: over a few different batches of
    // the 0.6B shape the process grew to 8.9 GB with patterns and stayed at 2.3 GB without, at the same speed.
    enableMemPattern: false,
    // The fast int4 kernels of the CUDA provider take float16 and blocks of 32, and are off unless asked for.
    ...(target === "cuda-fp16" && cudaWeights === "block32" && { extra: { ep: { cuda: { fpa_intb_gemm: "1" } } } }),
  });
}

export class GraphSession {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  /** As openSession. */
  static async open(options: SessionOptions): Promise<GraphSession> {
    return new GraphSession(await openSession(options));
  }

  /** Embeds one batch in one run. Gives float32 [texts, hiddenSize], L2-normalised, row-major. */
  async run(texts: readonly Int32Array[]): Promise<Float32Array> {
    const batch = packBatch(texts);
    const results = await this.#session.run({
      input_ids: new Tensor("int64", batch.inputIds, [batch.tokens]),
      pad_idx: new Tensor("int64", batch.padIdx, [batch.texts, batch.longest]),
      unpad_idx: new Tensor("int64", batch.unpadIdx, [batch.tokens]),
      last_idx: new Tensor("int64", batch.lastIdx, [batch.texts]),
      seqlens_k: new Tensor("int32", batch.seqlensK, [batch.texts]),
      total_seq: new Tensor("int32", Int32Array.of(batch.longest), [1]),
    });
    const { data } = must(results[OUTPUT_NAME], "graph output");
    assert(data instanceof Float32Array, "the graph's output is float32");
    return data;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
