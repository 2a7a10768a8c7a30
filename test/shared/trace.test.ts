import { describe, expect, test } from "vitest";
import { formatTraceparent, newContext, otlpTraces, parseOtlpHeaders, parseTraceparent } from "../../shared/trace.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("traceparent", () => {
  test("of the specification's example is read and written back", () => {
    const header = `00-${TRACE}-${SPAN}-01`;
    const context = parseTraceparent(header);
    expect(context).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true });
    expect(context && formatTraceparent(context)).toBe(header);
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.sampled).toBe(false);
  });

  test("of a later version may carry more; version 00 may not, ff is none, and neither are zeros or capitals", () => {
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-comes`)).toBeDefined();
    for (const header of [
      undefined,
      "",
      `00-${TRACE}-${SPAN}-01-more`,
      `ff-${TRACE}-${SPAN}-01`,
      `00-${"0".repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${"0".repeat(16)}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    ])
      expect(parseTraceparent(header), String(header)).toBeUndefined();
  });

  test("of a span below another keeps the trace and has an id of its own", () => {
    const parent = parseTraceparent(`00-${TRACE}-${SPAN}-01`);
    const child = newContext(parent, true);
    expect(child.traceId).toBe(TRACE);
    expect(child.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(child.spanId).not.toBe(SPAN);
    expect(newContext(undefined, false).traceId).toMatch(/^[0-9a-f]{32}$/);
  });
});

test("a span in OTLP's JSON has hex ids, nanoseconds as text, and typed attributes", () => {
  const context = { traceId: TRACE, spanId: SPAN, sampled: true };
  const body: unknown = JSON.parse(
    otlpTraces("edge", [
      {
        name: "POST /v1/embeddings",
        kind: "server",
        context,
        parentSpanId: undefined,
        startMs: 1_764_000_000_000.25,
        durationMs: 1.5,
        attributes: { "http.response.status_code": 503, "http.route": "/v1/embeddings" },
        failed: true,
      },
    ]),
  );
  expect(body).toMatchObject({
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "edge" } }] },
        scopeSpans: [
          {
            spans: [
              {
                traceId: TRACE,
                spanId: SPAN,
                kind: 2,
                startTimeUnixNano: "1764000000000250000",
                endTimeUnixNano: "1764000000001750000",
                attributes: [
                  { key: "http.response.status_code", value: { doubleValue: 503 } },
                  { key: "http.route", value: { stringValue: "/v1/embeddings" } },
                ],
                status: { code: 2 },
              },
            ],
          },
        ],
      },
    ],
  });
});

test("a collector's headers are read as OpenTelemetry writes them", () => {
  expect(parseOtlpHeaders("x-key=abc%20d, other = 1,,broken")).toEqual({ "x-key": "abc d", other: "1" });
  expect(parseOtlpHeaders(undefined)).toEqual({});
});
