// One trace from here to the engine. A call's span is a child of the client's where its `traceparent` names one.
// Whether a trace is kept is decided only here (OTEL_TRACES_SAMPLER_ARG), since a span costs money that the client does
// not pay. Spans are sent after the answer, and losing one fails no call.

import type { Next } from "hono";
import { routePath } from "hono/route";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { formatTraceparent, newContext, otlpTraces, parseOtlpHeaders, parseTraceparent } from "../../shared/trace.ts";

const SEND_MS_MAX = 5_000;
/** Default: one call in a hundred. */
const SAMPLED_SHARE = 0.01;

/** Sets `traceparent`, the header for the backend, and sends the span of a sampled call. */
export function trace(c: Context, next: Next): Promise<void> {
  const endpoint = c.get("services").config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const parent = parseTraceparent(c.req.header("traceparent"));
  if (endpoint !== undefined) return traceTo(endpoint, parent, c, next);
  // No span is kept here, but a client that traces finds its id in the backend's log.
  if (parent !== undefined) c.set("traceparent", formatTraceparent(parent));
  return next();
}

async function traceTo(
  endpoint: string,
  parent: ReturnType<typeof parseTraceparent>,
  c: Context,
  next: Next,
): Promise<void> {
  const share = c.get("services").config.OTEL_TRACES_SAMPLER_ARG ?? SAMPLED_SHARE;
  const context = newContext(parent, Math.random() < share);
  c.set("traceparent", formatTraceparent(context));
  const startMs = Date.now();
  await next();
  if (!context.sampled) return;
  const span = {
    name: `${c.req.method} ${routePath(c, -1)}`,
    kind: "server",
    context,
    parentSpanId: parent?.spanId,
    startMs,
    durationMs: Date.now() - startMs,
    attributes: factsOf(c),
    failed: c.res.status >= 500,
  } as const;
  waitUntilOf(c)(send(c, endpoint, otlpTraces("gigarouter-edge", [span])));
}

/** The route as registered, never the path: a path may hold a key. */
function factsOf(c: Context): Readonly<Record<string, string | number>> {
  const cache = c.res.headers.get("x-cache");
  return {
    "http.request.method": c.req.method,
    "http.route": routePath(c, -1),
    "http.response.status_code": c.res.status,
    "gigarouter.request_id": c.get("requestId"),
    ...(cache !== null && { "gigarouter.cache": cache }),
  };
}

async function send(c: Context, endpoint: string, body: string): Promise<void> {
  const headers = parseOtlpHeaders(c.get("services").config.OTEL_EXPORTER_OTLP_HEADERS);
  try {
    const answer = await fetch(`${endpoint.replace(/\/+$/, "")}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      signal: AbortSignal.timeout(SEND_MS_MAX),
    });
    await answer.body?.cancel();
  } catch {
    // A collector that cannot be reached loses this span; it has alarms of its own.
  }
}
