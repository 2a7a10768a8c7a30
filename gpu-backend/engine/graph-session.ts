// One ONNX Runtime session over a compiled graph. `run` blocks this process's event loop for the whole batch
// (onnxruntime-node computes on the calling thread), which is why the engine keeps it in a process of its own.

import { InferenceSession } from "onnxruntime-node";

import { assert, must } from "../../shared/assert.ts";
import type { CompileTarget, CudaWeights, LargeRuns } from "../compiler/compiled-model.ts";
import { OUTPUT_NAME } from "../compiler/pooling-nodes.ts";
import { batchFeeds, type BatchInputs, packBatch } from "./batch-inputs.ts";
import { mayShareRows } from "./shared-rows.ts";

export interface SessionOptions {
  readonly graphPath: string;
  readonly target: CompileTarget;
  readonly cudaWeights: CudaWeights;
  /** GraphSession alone: a second graph, which computes large runs. */
  readonly largeRuns?: LargeRuns;
  /** Intra-op threads, 1 or more. */
  readonly threads: number;
  /** Where ONNX Runtime's profile goes, without its ending; absent: none is made. */
  readonly profile?: string;
}

/** Loads a graph; its weights file is mapped, not read. Rejects with the runtime's own error. */
export function openSession({
  graphPath,
  target,
  cudaWeights,
  threads,
  profile,
}: SessionOptions): Promise<InferenceSession> {
  return InferenceSession.create(graphPath, {
    executionProviders: target === "cpu" ? ["cpu"] : [{ name: "cuda", deviceId: 0 }],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    ...(profile !== undefined && { enableProfiling: true, profileFilePrefix: profile }),
    // A memory pattern is kept per shape, and packed batches hardly ever repeat one: over a few different batches of
    // the 0.6B shape the process grew to 8.9 GB with patterns and stayed at 2.3 GB without, at the same speed.
    enableMemPattern: false,
    extra: {
      // Its threads spin for their next work within a run, and no longer when it has ended: other processes want the cores.
      session: { force_spinning_stop: "1" },
      // The fast int4 kernels of the CUDA provider take float16 and blocks of 32, and are off unless asked for.
      ...(target === "cuda-fp16" && cudaWeights === "block32" && { ep: { cuda: { fpa_intb_gemm: "1" } } }),
    },
  });
}

export class GraphSession {
  readonly #session: InferenceSession;
  readonly #large: InferenceSession | undefined;
  readonly #largeTokensMin: number;

  private constructor(session: InferenceSession, large: InferenceSession | undefined, largeTokensMin: number) {
    this.#session = session;
    this.#large = large;
    this.#largeTokensMin = largeTokensMin;
  }

  /** As openSession. */
  static async open(options: SessionOptions): Promise<GraphSession> {
    const session = await openSession(options);
    const { largeRuns } = options;
    if (largeRuns === undefined) return new GraphSession(session, undefined, 0);
    return new GraphSession(session, await openSession({ ...options, ...largeRuns }), largeRuns.tokensMin);
  }

  /** Runs one batch. Gives float32, row-major: [texts, dimensions], L2-normalised, or logits [texts, 1]. `owners`: as RunOptions'. */
  run(texts: readonly Int32Array[], owners?: ArrayLike<number>): Promise<Float32Array> {
    return this.runPacked(packBatch(texts, mayShareRows(this.#session.inputNames), owners));
  }

  /** As run, of inputs that are made already. */
  async runPacked(batch: BatchInputs): Promise<Float32Array<ArrayBuffer>> {
    const isLarge = batch.inputIds.length >= this.#largeTokensMin;
    const session = (isLarge ? this.#large : undefined) ?? this.#session;
    const results = await session.run(batchFeeds(batch, session.inputNames));
    return embeddingsOf(results, batch.texts);
  }

  async close(): Promise<void> {
    await this.#session.release();
    await this.#large?.release();
  }
}

/** The first `texts` rows of the graph's output, float32 [texts, dimensions]. */
export function embeddingsOf(results: InferenceSession.OnnxValueMapType, texts: number): Float32Array<ArrayBuffer> {
  const { data, dims } = must(results[OUTPUT_NAME], "graph output");
  assert(data instanceof Float32Array && data.buffer instanceof ArrayBuffer, "the graph's output is float32");
  return new Float32Array(data.buffer, data.byteOffset, texts * must(dims[1], "the graph's output has rows"));
}
