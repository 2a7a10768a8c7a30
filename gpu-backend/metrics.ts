// What an operator can see: one Prometheus registry, filled where things happen. No label carries an account, a text or
// anything else that a caller chooses.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

import type { ErrorCode } from "../shared/errors.ts";
import type { Batch } from "./scheduler/types.ts";

/** Steps of a call, in order: the labels of the stage histogram and of Server-Timing. */
export const STAGES = ["body", "decode", "tokenize", "queue", "run", "encode"] as const;
export type Stage = (typeof STAGES)[number];

export type ShedReason = "queue" | "account" | "deadline" | "cancelled" | "memory" | "not_ready";

/** Figures of a model that are read when asked for, not kept. */
export interface LiveFigures {
  readonly queueSeconds: () => number;
  readonly openCalls: () => number;
  readonly engineRestarts: () => number;
  readonly tokenizerReplacements: () => number;
  readonly costScale: () => number;
}

const LIVE: readonly (readonly [figure: keyof LiveFigures, name: string, help: string])[] = [
  ["queueSeconds", "backend_queue_seconds", "Seconds of work that wait or run"],
  ["openCalls", "backend_open_calls", "Calls that wait for vectors"],
  ["engineRestarts", "backend_engine_restarts", "Times the engine process was started again"],
  ["tokenizerReplacements", "backend_tokenizer_replacements", "Tokenizer processes ended by a text that took too long"],
  ["costScale", "backend_cost_scale", "What batches take over what was estimated at warm-up"],
];

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60];
const TOKENS = [16, 64, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768];
const TEXTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const RATIOS = [1, 1.1, 1.25, 1.5, 2, 3, 5, 10];

export class Metrics {
  readonly registry = new Registry();
  readonly #registers = [this.registry];
  readonly #stages = new Histogram({
    name: "backend_stage_seconds",
    help: "Time of one call in each of its stages",
    labelNames: ["stage"] as const,
    buckets: SECONDS,
    registers: this.#registers,
  });
  readonly #calls = new Counter({
    name: "backend_calls_total",
    help: "Calls answered, by route and error code (ok without one)",
    labelNames: ["route", "code"] as const,
    registers: this.#registers,
  });
  readonly #sheds = new Counter({
    name: "backend_sheds_total",
    help: "Calls dropped without an answer from the model, by reason; without a model where none was reached",
    labelNames: ["model", "reason"] as const,
    registers: this.#registers,
  });
  readonly #recomputed = new Counter({
    name: "backend_texts_recomputed_total",
    help: "Texts without a finite vector that were computed again in float32, by whether that gave one",
    labelNames: ["model", "finite"] as const,
    registers: this.#registers,
  });
  readonly #batchFaults = new Counter({
    name: "backend_batch_faults_total",
    help: "Batches that failed for a reason of our own; the log has it",
    labelNames: ["model"] as const,
    registers: this.#registers,
  });
  readonly #tokens = new Counter({
    name: "backend_tokens_total",
    help: "Tokens that the engine ran",
    labelNames: ["model"] as const,
    registers: this.#registers,
  });
  readonly #batchTokens = this.#histogram("backend_batch_tokens", "Tokens of a batch", TOKENS);
  readonly #batchTexts = this.#histogram("backend_batch_texts", "Texts of a batch", TEXTS);
  readonly #batchSeconds = this.#histogram("backend_batch_seconds", "Engine time of a batch", SECONDS);
  readonly #padding = this.#histogram("backend_batch_padding_ratio", "Texts times longest text over tokens", RATIOS);

  readonly #ready = this.#gauge("backend_ready", "1 while it serves the model");
  readonly #live = LIVE.map(([figure, name, help]) => ({ figure, gauge: this.#gauge(name, help) }));

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  stage(stage: Stage, ms: number): void {
    this.#stages.observe({ stage }, ms / 1_000);
  }

  call(route: string, code: ErrorCode | "ok"): void {
    this.#calls.inc({ route, code });
  }

  shed(reason: ShedReason, model?: string): void {
    this.#sheds.inc({ reason, ...(model !== undefined && { model }) });
  }

  recomputed(model: string, finite: boolean): void {
    this.#recomputed.inc({ model, finite: String(finite) });
  }

  batchFault(model: string): void {
    this.#batchFaults.inc({ model });
  }

  batch(model: string, batch: Batch, runMs: number): void {
    this.#tokens.inc({ model }, batch.tokens);
    this.#batchTokens.observe({ model }, batch.tokens);
    this.#batchTexts.observe({ model }, batch.texts.length);
    this.#batchSeconds.observe({ model }, runMs / 1_000);
    this.#padding.observe({ model }, batch.paddedTokens / batch.tokens);
  }

  /** Once a model, before it is there. */
  watchReadiness(model: string, isReady: () => boolean): void {
    this.#ready.watch(model, () => (isReady() ? 1 : 0));
  }

  /** Once a model, when its service is there. */
  watch(model: string, figures: LiveFigures): void {
    for (const { figure, gauge } of this.#live) gauge.watch(model, figures[figure]);
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram<"model"> {
    return new Histogram({ name, help, labelNames: ["model"], buckets, registers: this.#registers });
  }

  #gauge(name: string, help: string): LiveGauge {
    return new LiveGauge(name, help, this.registry);
  }
}

/** A gauge that is read, for each model, when somebody asks. */
class LiveGauge {
  readonly #reads = new Map<string, () => number>();

  constructor(name: string, help: string, registry: Registry) {
    const gauge: Gauge<"model"> = new Gauge({
      name,
      help,
      labelNames: ["model"] as const,
      registers: [registry],
      collect: () => this.#reads.forEach((read, model) => gauge.set({ model }, read())),
    });
  }

  watch(model: string, read: () => number): void {
    this.#reads.set(model, read);
  }
}
