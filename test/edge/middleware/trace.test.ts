// A call's trace through the Worker: the backend gets the same trace id, the collector gets a span, nobody gets a text.

import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL, fetchOf } from "../support/fake-backends.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const COLLECTOR = "https://collector.test";

const api = new Api({
  OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR,
  OTEL_EXPORTER_OTLP_HEADERS: "x-key=secret",
  OTEL_TRACES_SAMPLER_ARG: "1",
});
const posts: { headers: Headers; body: string }[] = [];
globalThis.fetch = (url, init) => {
  const address = url instanceof Request ? url.url : String(url);
  if (!address.startsWith(COLLECTOR)) return fetchOf([api.backend])(address, init ?? {});
  posts.push({ headers: new Headers(init?.headers), body: typeof init?.body === "string" ? init.body : "" });
  return Promise.resolve(new Response(null, { status: 200 }));
};

test("the backend's call is in the client's trace, below the edge's span, which the collector gets", async () => {
  const { key } = await api.newAccount();
  posts.length = 0;
  const { status, headers } = await api.call("/v1/embeddings", {
    key,
    headers: { traceparent: `00-${TRACE}-${SPAN}-00` },
    body: { model: MODEL, input: "a needle in a text" },
  });
  expect(status).toBe(200);
  await expect.poll(() => posts.length).toBe(1);
  const { resourceSpans } = JSON.parse(posts[0]?.body ?? "{}") as {
    resourceSpans: [{ scopeSpans: [{ spans: [object] }] }];
  };
  const [span] = resourceSpans[0].scopeSpans[0].spans;
  expect(span).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, name: "POST /v1/embeddings", kind: 2 });
  const spanId = "spanId" in span ? String(span.spanId) : "";
  const sent = api.backend.headers.at(-1)?.get("traceparent");
  expect(sent).toBe(`00-${TRACE}-${spanId}-01`);
  expect(posts[0]?.headers.get("x-key")).toBe("secret");
  expect(posts[0]?.body).not.toContain("needle");
  expect(posts[0]?.body).not.toContain(key);
  expect(posts[0]?.body).toContain(headers.get("x-request-id"));
});

test("a path that holds a key is shown by its route, and a call without a trace begins one", async () => {
  const { key } = await api.newAccount();
  posts.length = 0;
  await api.call(`/account?key=${key}`);
  await expect.poll(() => posts.length).toBe(1);
  expect(posts[0]?.body).toContain("GET /account");
  expect(posts[0]?.body).not.toContain(key);
});
