// Traces from edge to engine: W3C Trace Context between the two programs, OTLP/HTTP as JSON to a collector. We wrote
// this because OpenTelemetry's SDK and exporter would add 46 KB (compressed) to a Worker of 168 KB and 28 MB to every
// install, for spans of three kinds (docs/decisions/tracing.md). Pure; clocks are passed in. Sources:
// w3.org/TR/trace-context §3.2, opentelemetry.io/docs/specs/otlp (OTLP/HTTP, JSON Protobuf encoding).

/** Lower-case hex: 32 and 16 digits, never all zeros. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

type SpanKind = "internal" | "server" | "client";

export interface Span {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: TraceContext;
  readonly parentSpanId: string | undefined;
  /** Unix milliseconds, with fraction. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Facts about the call; never a text, a key or anything else that a caller chooses. */
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly failed: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED_FLAG = 1;
/** opentelemetry.proto.trace.v1.Span.SpanKind and Status.StatusCode. */
const KIND_NUMBERS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };
const STATUS_ERROR = 2;

/** Undefined for an absent or invalid header: a trace begins here then. Later versions may add fields. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  const match = TRACEPARENT.exec(header ?? "");
  if (match === null) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = match;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED_FLAG) !== 0 };
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}

/** A child span of `parent`, or the first of a trace. Whoever begins the trace on our side decides `sampled`. */
export function newContext(parent: TraceContext | undefined, sampled: boolean): TraceContext {
  return { traceId: parent?.traceId ?? randomHex(16), spanId: randomHex(8), sampled };
}

/** Body of one POST to a collector's `/v1/traces`. */
export function otlpTraces(service: string, spans: readonly Span[]): string {
  const resource = { attributes: attributesOf({ "service.name": service }) };
  return JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "gigarouter" }, spans: spans.map(otlpSpan) }] }],
  });
}

function otlpSpan(span: Span): object {
  return {
    traceId: span.context.traceId,
    spanId: span.context.spanId,
    ...(span.parentSpanId !== undefined && { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: KIND_NUMBERS[span.kind],
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(span.startMs + span.durationMs),
    attributes: attributesOf(span.attributes),
    ...(span.failed && { status: { code: STATUS_ERROR } }),
  };
}

function attributesOf(attributes: Span["attributes"]): readonly object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { doubleValue: value },
  }));
}

/** As text, because nanoseconds since 1970 exceed 2^53. Our clocks give microseconds. */
function nanoseconds(unixMs: number): string {
  return String(BigInt(Math.round(unixMs * 1000)) * 1000n);
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`, values percent-encoded. Source: OpenTelemetry's environment
 * variables.
 */
export function parseOtlpHeaders(text: string | undefined): Record<string, string> {
  const pairs = (text ?? "").split(",").map((pair) => /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair));
  return Object.fromEntries(pairs.flatMap((match) => (match === null ? [] : [[match[1], decoded(match[2] ?? "")]])));
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
