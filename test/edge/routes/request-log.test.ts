// The line a request leaves, where the deployment asks for one.
import { expect, test, vi } from "vitest";
import type { Env } from "../../../edge/bindings.ts";
import { forgetServices } from "../../../edge/services.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

/** Fails as D1 does, and quotes a value as it may. */
const brokenDirectory = {
  prepare: () => {
    const cause = new Error('no such table: accounts near "needle": SQLITE_ERROR');
    throw new Error("D1_ERROR: no such table: accounts", { cause });
  },
} as unknown as Env["DIRECTORY"];
const api = new Api({ LOG_REQUESTS: "1" });

/** The lines that `work` leaves. */
async function linesOf(work: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const texts: string[] = [];
  for (const method of ["log", "error"] as const) {
    vi.spyOn(console, method).mockImplementation((text: string) => {
      texts.push(text);
    });
  }
  await work();
  vi.restoreAllMocks();
  return texts.map((text) => JSON.parse(text) as Record<string, unknown>);
}

test("names route, status, time, tokens, cost and cache, and neither key nor text", async () => {
  let account = { id: "", key: "" };
  await linesOf(async () => {
    account = await api.newAccount();
  });
  const body = { model: MODEL, input: "needle-in-text" };
  const [line, ...more] = await linesOf(() => api.call("/v1/embeddings?needle=query", { key: account.key, body }));
  expect(more).toEqual([]);
  expect(line).toEqual({
    level: "info",
    event: "request",
    request_id: expect.stringMatching(/^req_/) as string,
    method: "POST",
    route: "/v1/embeddings",
    status: 200,
    duration_ms: expect.any(Number) as number,
    account_id: account.id,
    tokens: 15,
    cached_tokens: 0,
    cost_nano_usd: 120,
    cache: "miss",
  });
  expect(JSON.stringify(line)).not.toMatch(/needle|gr-/);
});

test("names the error code of a refusal, and the route instead of the path", async () => {
  const lines = await linesOf(async () => {
    await api.call("/v1/models/needle-a/needle-b");
    await api.call("/v1/embeddings", { method: "POST", key: "gr-needle", body: "{}" });
    await api.call("/needle-path");
  });
  expect(lines.map(({ route, status, code }) => [route, status, code])).toEqual([
    ["/v1/models/:owner/:name", 404, "model_not_found"],
    ["/v1/embeddings", 401, "invalid_api_key"],
    ["/*", 404, "route_not_found"],
  ]);
  expect(JSON.stringify(lines)).not.toContain("needle");
});

test("of a fault of our own says everything but what was sent, also where no line was asked for", async () => {
  forgetServices();
  const silent = new Api({ LOG_REQUESTS: "0", DIRECTORY: brokenDirectory });
  const [line, ...more] = await linesOf(() => silent.admin("/admin/accounts"));
  expect(more).toEqual([]);
  expect(line).toMatchObject({ level: "error", route: "/admin/accounts", status: 503, code: "directory_unavailable" });
  expect(line?.["message"]).toBe("The directory of accounts did not answer: nothing was made or changed.");
  expect(line?.["error"]).toBe(
    "Error: D1_ERROR: no such table: accounts ← Error: no such table: accounts near …: SQLITE_ERROR",
  );
  expect(line?.["stack"]).toMatch(/^\s+at /);
  expect(await linesOf(() => silent.call("/v1/models/no/model"))).toEqual([]);
});
