// The canary through the whole Worker: what it meets is recorded, shown, counted and told, and nothing else is.

import { env } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Env } from "../../../edge/bindings.ts";
import { forgetServices } from "../../../edge/services.ts";
import type { CanaryPorts } from "../../../edge/watch/canary.ts";
import { runCanary } from "../../../edge/watch/canary.ts";
import { Api } from "../support/api.ts";
import { directoryTables } from "../support/directory-tables.ts";
import { MODEL, vectorOf } from "../support/fake-backends.ts";
import { CANARIES } from "../../../shared/canaries.ts";

const HOOK = "https://chat.test/hook";
const METRICS_KEY = "metrics-key-of-the-tests-0123456789abcdef";
const MINUTE_MS = 60_000;
const api = new Api({ METRICS_KEY });
const alerts: string[] = [];
const lines: Record<string, unknown>[] = [];
let nowMs: number;
let key: string;

beforeEach(async () => {
  forgetServices();
  alerts.length = 0;
  lines.length = 0;
  nowMs = Date.now();
  vi.spyOn(console, "error").mockImplementation((text: string) => {
    lines.push(JSON.parse(text) as Record<string, unknown>);
  });
  await directoryTables();
  await env.DIRECTORY.batch(
    ["canary_days", "canary_last", "faults"].map((name) => env.DIRECTORY.prepare(`DELETE FROM ${name}`)),
  );
  api.backend.behaviour = { kind: "well" };
  key ??= (await api.newAccount()).key;
});
afterEach(() => vi.restoreAllMocks());

/** The public URL is the Worker itself, unless `answer` stands in for it. */
function portsOf(answer?: () => Response | Promise<Response>): CanaryPorts {
  return {
    now: () => nowMs,
    fetch: async (url, init) => {
      if (url === HOOK) {
        alerts.push((await new Response(init.body).json<{ text: string }>()).text);
        return new Response("ok");
      }
      if (answer !== undefined) return answer();
      const headers = Object.fromEntries(new Headers(init.headers));
      const { pathname } = new URL(url);
      const seen = await api.call(pathname, {
        method: "POST",
        headers: { ...headers, prefer: "wait=0" },
        body: init.body,
      });
      return new Response(seen.text, { status: seen.status, headers: seen.headers });
    },
  };
}

function settings(change: Partial<Env> = {}): Env {
  const BACKENDS = JSON.stringify([{ model: MODEL, origin: "https://backend.test" }]);
  return { ...env, BACKENDS, CANARY_URL: "https://api.test", CANARY_KEY: key, ALERT_WEBHOOK_URL: HOOK, ...change };
}

async function turns(count: number, ports: CanaryPorts, change: Partial<Env> = {}): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await runCanary(settings(change), ports);
    nowMs += MINUTE_MS;
  }
}

const status = async () => {
  forgetServices();
  return (await api.call("/status.json")).body;
};

describe("a canary", () => {
  test("embeds with the first model that is no reranker, served or not", async () => {
    const [reranker, down] = ["owner/reranker", "owner/down"];
    const asked: string[] = [];
    const BACKENDS = [reranker, down, MODEL].map((model) => ({ model, origin: "https://backend.test" }));
    const fetch: CanaryPorts["fetch"] = async (url, init) => {
      if (url.endsWith("/v1/models"))
        return Response.json({
          data: [
            { id: reranker, status: "live", kind: "reranker" },
            { id: down, status: "unavailable", kind: "embedding" },
            { id: MODEL, status: "live", kind: "embedding" },
          ],
        });
      if (url !== HOOK) asked.push((await new Response(init.body).json<{ model: string }>()).model);
      return new Response("", { status: 503 });
    };
    await turns(1, { now: () => nowMs, fetch }, { BACKENDS: JSON.stringify(BACKENDS) });
    expect(asked).toEqual([down]);
    await turns(1, { now: () => nowMs, fetch }, { BACKENDS: JSON.stringify(BACKENDS), CANARY_MODEL: MODEL });
    expect(asked).toEqual([down, MODEL]);
  });

  test("that gets its vector is counted, shown, and silent", async () => {
    await turns(3, portsOf());
    const day = new Date(nowMs - MINUTE_MS).toISOString().slice(0, 10);
    expect(await status()).toMatchObject({
      status: "operational",
      canary: { status: "served", reason: null, history: expect.arrayContaining([expect.objectContaining({ day })]) },
    });
    expect(alerts).toEqual([]);
    expect(lines).toEqual([]);
    expect(api.backend.embeds.length).toBeGreaterThanOrEqual(3);
  });

  test("whose backend refuses the secret, with /health 200, is logged, shown, told once, and told when it is over", async () => {
    api.backend.behaviour = { kind: "refuses the secret", status: 401, where: "everywhere" };
    await turns(1, portsOf());
    expect(alerts).toEqual([]);
    await turns(2, portsOf());
    expect(alerts).toEqual(["https://api.test: embeddings fail: 503 model_not_ready (2 in a row)."]);
    expect(lines.filter(({ event }) => event === "canary_failed")).toHaveLength(3);
    expect(lines.at(-1)).toMatchObject({
      message: "503 model_not_ready",
      request_id: expect.stringMatching(/^req_/) as string,
    });
    expect((await api.call("/health")).status).toBe(200);
    expect(await status()).toMatchObject({
      status: "down",
      canary: { status: "failing", reason: "503 model_not_ready" },
    });
    api.backend.behaviour = { kind: "well" };
    forgetServices();
    await turns(1, portsOf());
    expect(alerts.at(-1)).toMatch(
      /^https:\/\/api\.test: embeddings are served again \(\d+ ms\), after 3 failures in a row\.$/,
    );
  });

  test("that goes on failing is told again every hour, not every minute", async () => {
    await turns(
      130,
      portsOf(() => new Response("", { status: 500 })),
    );
    expect(alerts.map((text) => /\((\d+) in a row\)/.exec(text)?.[1])).toEqual(["2", "62", "122"]);
  });

  test.each<[string, () => Response | Promise<Response>, string]>([
    ["a page of some proxy", () => new Response("<h1>hello</h1>"), "an answer without a vector"],
    ["a vector of zeros", () => answerOf([0, 0]), "a vector that is not of unit length"],
    [
      "two vectors",
      () => Response.json({ data: [{ embedding: [1] }, { embedding: [1] }] }),
      "an answer without a vector",
    ],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "/" } }), "status 302"],
    [
      "our own fault",
      () => Response.json({ error: { code: "insufficient_credit" } }, { status: 402 }),
      "402 insufficient_credit",
    ],
    ["another's fault", () => Response.json({ error: { code: "<script>" } }, { status: 502 }), "status 502"],
    ["no connection", () => Promise.reject(new TypeError("refused 10.1.2.3")), "no connection"],
    ["nothing in time", () => Promise.reject(new DOMException("late", "TimeoutError")), "no answer within 30 s"],
  ])("that meets %s fails by that name", async (_, answer, reason) => {
    await turns(1, portsOf(answer));
    expect(lines).toMatchObject([{ event: "canary_failed", message: reason }]);
    expect(await status()).toMatchObject({ status: "degraded", canary: { reason } });
  });

  test("whose vector is no longer the published one is told at once, and is well again with it", async () => {
    await env.DIRECTORY.prepare("DELETE FROM canaries").run();
    expect((await api.call(`/v1/models/${MODEL}/canaries`)).status).toBe(200);
    await turns(CANARIES.length, portsOf());
    expect([alerts, lines]).toEqual([[], []]);
    // One text alone means something else, as with a damaged tokenizer.
    api.backend.vectorOf = (text, revision) => vectorOf(text === CANARIES[3]?.input ? "other" : text, revision);
    await turns(CANARIES.length, portsOf());
    api.backend.vectorOf = vectorOf;
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatch(
      /^https:\/\/api\.test: embeddings differ: the vector of canary 3 is 0\.\d+ \(1 - cos\) from the published one\.$/,
    );
    expect(lines).toMatchObject([{ event: "canary_failed", message: expect.stringContaining("canary 3") as string }]);
    await turns(CANARIES.length, portsOf());
    expect(alerts).toHaveLength(1);
    await env.DIRECTORY.prepare("DELETE FROM canaries").run();
  });

  test("keeps ninety days, and says when it has not called lately", async () => {
    nowMs -= 100 * 86_400_000;
    for (let day = 0; day < 100; day += 1) {
      await turns(
        1,
        portsOf(() => answerOf([1, 0])),
      );
      nowMs += 86_400_000 - MINUTE_MS;
    }
    const { canary } = await status();
    expect(canary).toMatchObject({ status: "silent" });
    const { history } = canary as { history: { day: string }[] };
    expect(history.length).toBeGreaterThanOrEqual(88);
    expect(history.length).toBeLessThanOrEqual(90);
    expect(history.map(({ day }) => day)).toEqual(history.map(({ day }) => day).toSorted());
  });

  test("of a directory that is gone is an alert too, once an hour", async () => {
    const broken = { batch: () => Promise.reject(new Error("D1_ERROR: gone")), prepare: () => ({ bind: () => ({}) }) };
    const DIRECTORY = broken as unknown as Env["DIRECTORY"];
    await turns(
      60,
      portsOf(() => answerOf([1, 0])),
      { DIRECTORY },
    );
    expect(alerts).toEqual(["https://api.test: the directory does not answer; an embedding: served."]);
    expect(lines[0]).toMatchObject({
      event: "canary_unrecorded",
      error: expect.stringContaining("D1_ERROR") as string,
    });
  });

  test("without its settings, or with half of them, makes no call; without those of the Worker it says so", async () => {
    const never = portsOf(() => Promise.reject(new Error("called")));
    await turns(1, never, { CANARY_KEY: "" });
    await turns(1, never, { CANARY_URL: "" });
    expect(lines).toEqual([]);
    await turns(1, never, { KEY_PEPPER: "" });
    expect(lines).toMatchObject([{ event: "canary_failed", message: expect.stringContaining("KEY_PEPPER") as string }]);
  });

  test("whose alert is not taken says so in the log", async () => {
    const closed: CanaryPorts = {
      now: () => nowMs,
      fetch: (url) => Promise.resolve(new Response("", { status: url === HOOK ? 404 : 500 })),
    };
    await turns(2, closed);
    expect(lines.at(-1)).toMatchObject({ event: "alert_undelivered", status: 404 });
  });
});

describe("the status page", () => {
  test("shows each day's mark and the last call, and no script", async () => {
    await turns(
      1,
      portsOf(() => answerOf([1, 0])),
    );
    forgetServices();
    const { status: code, headers, text } = await api.call("/status");
    expect([code, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(text).toContain("All is well");
    expect(text).toMatch(/<li class="well" title="\d{4}-\d\d-\d\d: 1 of 1 served">/);
    expect(text).not.toMatch(/style="/);
  });
});

describe("GET /metrics", () => {
  test("counts each fault of our own by its code, and says state, canary and settings", async () => {
    await turns(
      2,
      portsOf(() => new Response("", { status: 500 })),
    );
    forgetServices();
    api.backend.behaviour = { kind: "answers", status: 200, body: "garbage" };
    const body = { model: MODEL, input: "a" };
    expect((await api.call("/v1/embeddings", { key, body })).status).toBe(503);
    const metrics = () => api.call("/metrics", { key: METRICS_KEY });
    await expect
      .poll(async () => (await metrics()).text, { timeout: 5000 })
      .toContain('edge_faults_total{code="backend_unavailable"} 1');
    const { text } = await metrics();
    expect(text).toContain(`edge_model_state{model="${MODEL}",state="ready"} 1`);
    expect(text).toContain(`edge_model_state{model="${MODEL}",state="secret_refused"} 0`);
    expect(text).toContain("edge_canary_failures_in_row 2");
    expect(text).toMatch(/^edge_canary_age_seconds -?\d+(\.\d+)?$/m);
    expect(text).toContain("edge_problems 0");
  });

  test("takes no other key, and does not exist without one", async () => {
    expect((await api.call("/metrics")).status).toBe(401);
    expect((await api.call("/metrics", { key })).status).toBe(401);
    expect((await api.admin("/metrics")).status).toBe(401);
    forgetServices();
    const without = new Api();
    expect((await without.call("/metrics", { key: METRICS_KEY })).status).toBe(404);
    forgetServices();
  });
});

function answerOf(embedding: number[]): Response {
  return Response.json({ data: [{ embedding }], model: MODEL, usage: { prompt_tokens: 2 } });
}
