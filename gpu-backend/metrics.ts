// What an operator can see: one Prometheus registry, filled where things happen. No label carries an account, a text or
// anything else that a caller chooses.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

import type { ErrorCode } from "../shared/errors.ts";
import type { Batch } from "./scheduler/types.ts";

/** Steps of a call, in order: the labels of the stage histogram and of Server-Timing. */
export const STAGES = ["body", "decode", "tokenize", "queue", "run", "encode"] as const;
export type Stage = (typeof STAGES)[number];

export type ShedReason = "queue" | "account" | "deadline" | "cancelled" | "memory" | "not_ready";

/** Figures that are read when asked for, not kept. */
export interface LiveFigures {
  queueSeconds(): number;
  openCalls(): number;
  engineRestarts(): number;
  tokenizerReplacements(): number;
  costScale(): number;
}

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
    help: "Calls dropped without an answer from the model, by reason",
    labelNames: ["reason"] as const,
    registers: this.#registers,
  });
  readonly #recomputed = new Counter({
    name: "backend_texts_recomputed_total",
    help: "Texts without a finite vector that were computed again in float32, by whether that gave one",
    labelNames: ["finite"] as const,
    registers: this.#registers,
  });
  readonly #batchFaults = new Counter({
    name: "backend_batch_faults_total",
    help: "Batches that failed for a reason of our own; the log has it",
    registers: this.#registers,
  });
  readonly #tokens = new Counter({
    name: "backend_tokens_total",
    help: "Tokens that the engine ran",
    registers: this.#registers,
  });
  readonly #batchTokens = this.#histogram("backend_batch_tokens", "Tokens of a batch", TOKENS);
  readonly #batchTexts = this.#histogram("backend_batch_texts", "Texts of a batch", TEXTS);
  readonly #batchSeconds = this.#histogram("backend_batch_seconds", "Engine time of a batch", SECONDS);
  readonly #padding = this.#histogram("backend_batch_padding_ratio", "Texts times longest text over tokens", RATIOS);

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  stage(stage: Stage, ms: number): void {
    this.#stages.observe({ stage }, ms / 1_000);
  }

  call(route: string, code: ErrorCode | "ok"): void {
    this.#calls.inc({ route, code });
  }

  shed(reason: ShedReason): void {
    this.#sheds.inc({ reason });
  }

  recomputed(finite: boolean): void {
    this.#recomputed.inc({ finite: String(finite) });
  }

  batchFault(): void {
    this.#batchFaults.inc();
  }

  batch(batch: Batch, runMs: number): void {
    this.#tokens.inc(batch.tokens);
    this.#batchTokens.observe(batch.tokens);
    this.#batchTexts.observe(batch.texts.length);
    this.#batchSeconds.observe(runMs / 1_000);
    this.#padding.observe(batch.paddedTokens / batch.tokens);
  }

  /** Once, before there is a model: the name that it will have, and whether it serves. */
  watchReadiness(model: string, isReady: () => boolean): void {
    const gauge: Gauge<"model"> = new Gauge({
      name: "backend_ready",
      help: "1 while it serves its model",
      labelNames: ["model"] as const,
      registers: this.#registers,
      collect: () => gauge.set({ model }, isReady() ? 1 : 0),
    });
  }

  /** Once, when the service is there. */
  watch(figures: LiveFigures): void {
    this.#gauge("backend_queue_seconds", "Seconds of work that wait or run", () => figures.queueSeconds());
    this.#gauge("backend_open_calls", "Calls that wait for vectors", () => figures.openCalls());
    this.#gauge("backend_engine_restarts", "Times the engine process was started again", () =>
      figures.engineRestarts(),
    );
    this.#gauge("backend_tokenizer_replacements", "Tokenizer processes ended by a text that took too long", () =>
      figures.tokenizerReplacements(),
    );
    this.#gauge("backend_cost_scale", "What batches take over what was estimated at warm-up", () =>
      figures.costScale(),
    );
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name, help, buckets, registers: this.#registers });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: this.#registers, collect: () => gauge.set(read()) });
  }
}
