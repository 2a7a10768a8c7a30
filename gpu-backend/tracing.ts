// Spans of calls and their stages, sent to an OpenTelemetry collector in batches. Off unless
// OTEL_EXPORTER_OTLP_ENDPOINT is set. Only calls whose trace the edge sampled are kept; a collector that is slow or gone
// costs spans, never a call: the queue is bounded and nothing waits for it.

import type { Logger } from "pino";

import { newContext, otlpTraces, parseOtlpHeaders, parseTraceparent, type Span } from "../shared/trace.ts";
import { type Stage, STAGES } from "./metrics.ts";

const SPANS_MAX = 4_096;
const SEND_EVERY_MS = 2_000;
const SEND_MS_MAX = 5_000;

export interface TracerOptions {
  /** The collector's base URL; undefined: nothing is kept or sent. */
  readonly endpoint: string | undefined;
  /** As OTEL_EXPORTER_OTLP_HEADERS writes them. */
  readonly headers: string | undefined;
  readonly log: Pick<Logger, "warn">;
  readonly fetch?: (url: string, init: Readonly<RequestInit> & { readonly body: string }) => Promise<Response>;
}

/** One ended call. */
export interface TracedCall {
  readonly traceparent: string | undefined;
  readonly route: string;
  readonly code: string;
  readonly requestId: string;
  readonly durationMs: number;
  /** Milliseconds of each stage, in the order of STAGES where present. */
  readonly stages: ReadonlyMap<Stage, number>;
}

export class Tracer {
  readonly #options: TracerOptions;
  readonly #headers: Readonly<Record<string, string>>;
  #spans: Span[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#headers = parseOtlpHeaders(options.headers);
  }

  /** `endMs`: unix milliseconds when the call ended. */
  add(call: TracedCall, endMs: number): void {
    if (this.#options.endpoint === undefined) return;
    const parent = parseTraceparent(call.traceparent);
    if (parent === undefined || !parent.sampled) return;
    const spans = spansOf(call, parent, endMs - call.durationMs);
    if (this.#spans.length + spans.length > SPANS_MAX) {
      this.#dropped += spans.length;
      return;
    }
    this.#spans.push(...spans);
    this.#timer ??= setTimeout(() => void this.flush(), SEND_EVERY_MS).unref();
  }

  /** Sends what waits. Never rejects: what cannot be sent is dropped and counted in one log line. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { endpoint, log, fetch: post = fetch } = this.#options;
    const spans = this.#spans;
    this.#spans = [];
    if (endpoint === undefined || spans.length === 0) return;
    try {
      const answer = await post(`${endpoint.replace(/\/+$/, "")}/v1/traces`, {
        method: "POST",
        headers: { "content-type": "application/json", ...this.#headers },
        body: otlpTraces("gigarouter-backend", spans),
        signal: AbortSignal.timeout(SEND_MS_MAX),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`the collector answered ${answer.status}`);
    } catch (error) {
      this.#dropped += spans.length;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ dropped: this.#dropped, reason }, "spans were not sent");
    }
  }
}

/** Stages follow each other, so each begins where the one before it ended. */
function spansOf(call: TracedCall, parent: NonNullable<ReturnType<typeof parseTraceparent>>, startMs: number): Span[] {
  const context = newContext(parent, true);
  const failed = call.code !== "ok";
  const attributes = {
    "http.route": call.route,
    "gigarouter.code": call.code,
    "gigarouter.request_id": call.requestId,
  };
  const { traceId } = context;
  const own: Span = {
    name: `POST ${call.route}`,
    kind: "server",
    context,
    parentSpanId: parent.spanId,
    startMs,
    durationMs: call.durationMs,
    attributes,
    failed,
  };
  let at = startMs;
  const stages = STAGES.flatMap((stage): Span[] => {
    const durationMs = call.stages.get(stage);
    if (durationMs === undefined) return [];
    const began = at;
    at += durationMs;
    const child = newContext({ traceId, spanId: context.spanId, sampled: true }, true);
    return [
      {
        name: stage,
        kind: "internal",
        context: child,
        parentSpanId: context.spanId,
        startMs: began,
        durationMs,
        attributes: {},
        failed: false,
      },
    ];
  });
  return [own, ...stages];
}
