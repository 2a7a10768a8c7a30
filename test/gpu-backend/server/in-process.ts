// The HTTP server with real tokenizer processes and scheduler over an engine that the test steers: batches wait until the
// test ends them, so that what is queued, late or cancelled is decided and not timed.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import pino from "pino";

import { readConfig } from "../../../gpu-backend/config.ts";
import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import type { Engine, EngineResult, EngineState, RunOptions } from "../../../gpu-backend/engine/types.ts";
import { Metrics } from "../../../gpu-backend/metrics.ts";
import { CostModel } from "../../../gpu-backend/scheduler/cost-model.ts";
import { Runner } from "../../../gpu-backend/scheduler/runner.ts";
import { Scheduler } from "../../../gpu-backend/scheduler/scheduler.ts";
import { createBackendServer, type ServerState } from "../../../gpu-backend/server.ts";
import { factsOf, schedulerLimits } from "../../../gpu-backend/service.ts";
import { Tracer } from "../../../gpu-backend/tracing.ts";
import { Throughput } from "../../../gpu-backend/throughput.ts";
import { TokenizerPool } from "../../../gpu-backend/tokenizer/pool.ts";
import { must } from "../../../shared/assert.ts";
import { parseRevision } from "../../../shared/ids.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";
import { MODEL, SECRET } from "./running-backend.ts";

export const DIMENSIONS = 4;
export const MS_PER_TOKEN = 10;

/** Answers row r of a batch with its text's length in every place. */
export class SteeredEngine implements Engine {
  state: EngineState = "ready";
  restarts = 0;
  pid = undefined;
  readonly batches: {
    readonly texts: readonly Int32Array[];
    readonly options: RunOptions;
    readonly end: (error?: Error) => void;
  }[] = [];
  /** Ends each batch as soon as it comes. */
  free = true;
  #onBatch: (() => void)[] = [];

  run(texts: readonly Int32Array[], options: RunOptions = {}): Promise<EngineResult> {
    const vectors = Uint16Array.from(texts.flatMap((text) => Array.from({ length: DIMENSIONS }, () => text.length)));
    const runMs = texts.reduce((sum, text) => sum + text.length, 0) * MS_PER_TOKEN;
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => (error === undefined ? resolve({ vectors, runMs }) : reject(error));
      this.batches.push({ texts, options, end });
      if (this.free) end();
      for (const wake of this.#onBatch.splice(0)) wake();
    });
  }

  /** Resolves once `count` batches have come. */
  async reached(count: number): Promise<void> {
    while (this.batches.length < count) await new Promise<void>((resolve) => this.#onBatch.push(resolve));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export interface InProcess {
  readonly origin: string;
  readonly engine: SteeredEngine;
  readonly state: ServerState;
  readonly metrics: Metrics;
  readonly runner: Runner;
  /** Lines of the log. */
  readonly log: string[];
  close(): Promise<void>;
}

/** `environment`: settings as variables. The engine says of each batch that it took what was estimated. */
export async function startInProcess(environment: Readonly<Record<string, string>> = {}): Promise<InProcess> {
  const config = readConfig(["--model", DEMO_MODEL_DIR], {
    BACKEND_SECRET: SECRET,
    BACKEND_SECRET_PREVIOUS: "the secret of yesterday",
    ...environment,
  });
  const log: string[] = [];
  const metrics = new Metrics();
  const engine = new SteeredEngine();
  const cost = new CostModel({ a: MS_PER_TOKEN / 1_000, b: 0 });
  const model = demoModel();
  const limits = schedulerLimits(config, model);
  const scheduler = new Scheduler(limits, cost);
  const runner = new Runner(scheduler, cost, engine, DIMENSIONS, {
    batchDone: (batch, runMs) => metrics.batch(MODEL, batch, runMs),
    shed: (reason) => metrics.shed(reason, MODEL),
  });
  const tokenizer = await TokenizerPool.start(
    { checkpointDir: DEMO_MODEL_DIR, endTokenId: 16_381, vocabSize: 16_384, maxTokens: 8_192 },
    { threads: 1, timeLimitMs: 2_000 },
  );
  const close = () => tokenizer.close();
  const service = {
    model,
    modelId: MODEL,
    tokenizer,
    engine,
    runner,
    cost,
    throughput: new Throughput(),
    limits,
    close,
  };
  const state: ServerState = { status: "ready", models: [{ modelId: MODEL, facts: factsOf(model, MODEL), service }] };
  const destination = { write: (line: string) => void log.push(line) };
  const logger = pino({ level: "debug" }, destination);
  const tracer = new Tracer({ endpoint: undefined, headers: undefined, log: logger });
  const server = createBackendServer({ config, metrics, log: logger, tracer, state });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    engine,
    state,
    metrics,
    runner,
    log,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await tokenizer.close();
    },
  };
}

function demoModel(): CompiledModel {
  return {
    graphPath: "",
    revision: must(parseRevision("0123456789abcdef"), "revision"),
    config: {
      architecture: "qwen3",
      matryoshka: true,
      reranker: undefined,
      layers: 4,
      hiddenSize: DIMENSIONS,
      intermediateSize: 512,
      queryHeads: 8,
      keyValueHeads: 4,
      headDim: 64,
      norm: { kind: "rms", eps: 1e-6, plusOne: false },
      normPlaces: "before",
      queryKeyNorms: true,
      positions: { kind: "rotary", theta: 1e6 },
      embeddingScale: 1,
      activation: "silu",
      gated: true,
      causal: true,
      attentionScale: 0.125,
      softcap: null,
      windows: [null, null, null, null],
      pooling: "lasttoken",
      dense: [],
      dimensions: DIMENSIONS,
      biases: { qkv: false, o: false, mlp: false },
      vocabSize: 16_384,
      maxTokens: 8_192,
      endTokenId: 16_381,
      tied: true,
      quantization: { kind: "none" },
      prompts: { query: "", document: "", plain: "" },
    },
    layout: "gptq-v1",
    target: "cpu",
    precision: "exact",
    cudaWeights: "as-is",
    linears: "float32",
    checkpointDir: DEMO_MODEL_DIR,
  };
}
