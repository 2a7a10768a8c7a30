// The backend's spans against a collector: what is kept, what it says, and that a collector's trouble is nobody's.

import { describe, expect, test } from "vitest";
import { Tracer, type TracedCall } from "../../gpu-backend/tracing.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const CALL: TracedCall = {
  traceparent: `00-${TRACE}-${SPAN}-01`,
  route: "/embed",
  code: "ok",
  requestId: "req_1",
  durationMs: 10,
  stages: new Map([
    ["run", 6],
    ["tokenize", 1],
  ]),
};

interface Sent {
  readonly url: string;
  readonly headers: Headers;
  readonly spans: readonly Record<string, unknown>[];
}

function tracerTo(sent: Sent[], status = 200) {
  const warnings: object[] = [];
  const tracer = new Tracer({
    endpoint: "http://collector:4318/",
    headers: "x-key=secret",
    log: { warn: (facts: unknown) => void warnings.push(Object(facts) as object) },
    fetch: (url, init) => {
      const body = JSON.parse(init.body) as { resourceSpans: [{ scopeSpans: [{ spans: Sent["spans"] }] }] };
      const { spans } = body.resourceSpans[0].scopeSpans[0];
      sent.push({ url, headers: new Headers(init.headers), spans });
      return Promise.resolve(new Response(null, { status }));
    },
  });
  return { tracer, warnings };
}

describe("a call of a sampled trace", () => {
  test("is a span below the edge's, with its stages in order below it", async () => {
    const sent: Sent[] = [];
    const { tracer } = tracerTo(sent);
    tracer.add(CALL, 1_764_000_000_000);
    await tracer.flush();
    expect(sent).toHaveLength(1);
    expect(sent[0]?.url).toBe("http://collector:4318/v1/traces");
    expect(sent[0]?.headers.get("x-key")).toBe("secret");
    const [call, tokenize, run] = sent[0]?.spans ?? [];
    expect(call).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, name: "POST /embed", kind: 2 });
    expect(call).toMatchObject({ startTimeUnixNano: "1763999999990000000", endTimeUnixNano: "1764000000000000000" });
    expect(tokenize).toMatchObject({ traceId: TRACE, parentSpanId: call?.["spanId"], name: "tokenize" });
    expect(run).toMatchObject({ name: "run", startTimeUnixNano: tokenize?.["endTimeUnixNano"] });
  });

  test("that failed says so with its code", async () => {
    const sent: Sent[] = [];
    const { tracer } = tracerTo(sent);
    tracer.add({ ...CALL, code: "overloaded", stages: new Map() }, 1_764_000_000_000);
    await tracer.flush();
    expect(sent[0]?.spans[0]).toMatchObject({ status: { code: 2 } });
  });
});

test("a call without a trace, or of one that is not sampled, sends nothing", async () => {
  const sent: Sent[] = [];
  const { tracer } = tracerTo(sent);
  tracer.add({ ...CALL, traceparent: undefined }, 0);
  tracer.add({ ...CALL, traceparent: `00-${TRACE}-${SPAN}-00` }, 0);
  await tracer.flush();
  expect(sent).toEqual([]);
});

describe("a collector", () => {
  test("that refuses costs spans and one line, and no call", async () => {
    const { tracer, warnings } = tracerTo([], 503);
    tracer.add(CALL, 0);
    await tracer.flush();
    expect(warnings).toEqual([{ dropped: 3, reason: "the collector answered 503" }]);
  });

  test("that is slow does not make the queue grow without end", async () => {
    const sent: Sent[] = [];
    const { tracer } = tracerTo(sent);
    for (let index = 0; index < 3000; index += 1) tracer.add(CALL, 0);
    await tracer.flush();
    expect(sent[0]?.spans.length).toBeLessThanOrEqual(4096);
  });
});
