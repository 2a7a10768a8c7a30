// /v1/alerts, /v1/webhooks and the monthly limit through the Worker: what is answered, what is refused, who may.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import type { AccountId } from "../../../shared/ids.ts";
import { openAccount, stubOf } from "../account/support.ts";
import { embeddingLine, startBatch, workThrough } from "../batch/support.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const CREDIT = 1_000_000_000;
const URL_A = "https://example.com/a?token=abc";

/** What a key may call. */
function owner(key: string) {
  return {
    get: (path: string) => api.call(path, { key }),
    post: (path: string, body: unknown) => api.call(path, { key, body }),
    patch: (path: string, body: unknown) => api.call(path, { key, body, method: "PATCH" }),
    delete: (path: string) => api.call(path, { key, method: "DELETE" }),
  };
}

describe("alerts", () => {
  test("are made, listed and deleted", async () => {
    const me = owner((await openAccount(CREDIT)).created.key);
    const made = await me.post("/v1/alerts", { kind: "monthly_spend", threshold_usd: "2.5" });
    expect(made).toMatchObject({
      status: 201,
      body: { object: "alert", kind: "monthly_spend", threshold_nano_usd: 2_500_000_000, last_triggered_at: null },
    });
    await me.post("/v1/alerts", { kind: "balance_below", threshold_nano_usd: 5 });
    const listed = await me.get("/v1/alerts");
    expect(listed.body).toMatchObject({ object: "list", email: "not_configured" });
    expect(listed.body["data"]).toHaveLength(2);
    const id = String(made.body["id"]);
    expect(await me.delete(`/v1/alerts/${id}`)).toMatchObject({ status: 200, body: { id, deleted: true } });
    expect((await me.delete(`/v1/alerts/${id}`)).status).toBe(404);
  });

  test("name what is wrong with them", async () => {
    const me = owner((await openAccount(CREDIT)).created.key);
    for (const [body, param] of [
      [{ kind: "yearly", threshold_usd: 1 }, "kind"],
      [{ kind: "daily_spend" }, "threshold_usd"],
      [{ kind: "daily_spend", threshold_usd: 0 }, "threshold_usd"],
      [{ kind: "daily_spend", threshold_usd: "1e9" }, "threshold_usd"],
      [{ kind: "daily_spend", threshold_usd: 1, threshold_nano_usd: 1 }, "threshold_usd"],
      [{ kind: "daily_spend", threshold_nano_usd: 0.5 }, "threshold_nano_usd"],
      [{ kind: "daily_spend", thresholds: 1 }, "thresholds"],
    ]) {
      expect(await me.post("/v1/alerts", body)).toMatchObject({ status: 400, body: { error: { param } } });
    }
  });
});

describe("webhooks", () => {
  test("show their secret once", async () => {
    const me = owner((await openAccount(CREDIT)).created.key);
    const made = await me.post("/v1/webhooks", { url: URL_A, events: ["alert.triggered"] });
    expect(made).toMatchObject({ status: 201, body: { object: "webhook", url: URL_A, status: "active" } });
    expect(made.body["secret"]).toMatch(/^whsec_/);
    const id = String(made.body["id"]);
    expect((await me.get(`/v1/webhooks/${id}`)).body).not.toHaveProperty("secret");
    expect((await me.get("/v1/webhooks")).text).not.toContain("whsec_");
    expect(await me.delete(`/v1/webhooks/${id}`)).toMatchObject({ status: 200, body: { deleted: true } });
    expect((await me.get(`/v1/webhooks/${id}`)).status).toBe(404);
  });

  test("go to public https names alone, this machine included", async () => {
    const me = owner((await openAccount(CREDIT)).created.key);
    for (const url of ["http://example.com", "http://127.0.0.1:1", "https://169.254.169.254/", "https://a.internal/"]) {
      expect(await me.post("/v1/webhooks", { url })).toMatchObject({
        status: 400,
        body: { error: { code: "invalid_value", param: "url" } },
      });
    }
    expect(await me.post("/v1/webhooks", { url: URL_A, events: ["nothing"] })).toMatchObject({ status: 400 });
    expect(await me.post("/v1/webhooks", { url: URL_A, events: [] })).toMatchObject({ status: 400 });
  });

  test("a test says what came of it and nothing of what the receiver said", async () => {
    const account = await openAccount(CREDIT);
    const me = owner(account.created.key);
    await runInDurableObject(account.stub, (object) => {
      (object as unknown as { send: () => unknown }).send = () =>
        Promise.resolve(new Response("root:x:0:0", { status: 302, headers: { location: "http://10.0.0.1/" } }));
    });
    const id = String((await me.post("/v1/webhooks", { url: URL_A })).body["id"]);
    const answer = await me.post(`/v1/webhooks/${id}/test`, {});
    expect(answer).toMatchObject({
      status: 200,
      body: { delivered: false, detail: "HTTP 302: redirects are not followed" },
    });
    expect(answer.text).not.toContain("root");
    expect((await me.post(`/v1/webhooks/${id}/test`, {})).status).toBe(429);
    expect((await me.get(`/v1/webhooks/${id}`)).body["last_attempt"]).toMatchObject({
      detail: "HTTP 302: redirects are not followed",
    });
  });
});

test("a batch that ends is told as OpenAI tells it, once, to the webhooks that want it", async () => {
  const { id, key } = await api.newAccount();
  const sent: { type: string; data: object; id: string; object: string }[] = [];
  const stub = stubOf(id as AccountId);
  await runInDurableObject(stub, (object) => {
    (object as unknown as { send: (url: string, init: RequestInit) => unknown }).send = (_url, init) => {
      sent.push(JSON.parse(init.body as string) as (typeof sent)[0]);
      return Promise.resolve(new Response());
    };
  });
  await owner(key).post("/v1/webhooks", { url: URL_A, events: ["batch.completed"] });
  await owner(key).post("/v1/webhooks", { url: URL_A, events: ["batch.failed"] });
  const batch = await startBatch(api, key, [embeddingLine("a", "text")]);
  await workThrough(api, key, batch);
  await expect.poll(async () => [await runDurableObjectAlarm(stub), sent.length].at(1)).toBe(1);
  expect(sent[0]).toMatchObject({ object: "event", type: "batch.completed", data: { id: batch } });
  expect(sent[0]?.id).toBe(`evt_${batch.slice("batch_".length)}`);
});

describe("the hard monthly limit", () => {
  const embed = (key: string, input: string) =>
    api.call("/v1/embeddings", { key, body: { model: MODEL, input }, headers: { "cache-control": "no-store" } });

  test("refuses with 402 that names it, charges nothing, and is lifted by null", async () => {
    const account = await openAccount(CREDIT);
    const me = owner(account.created.key);
    const set = await me.patch("/v1/account", { limits: { monthly_nano_usd: 1 } });
    expect(set).toMatchObject({ status: 200, body: { limits: { monthly_nano_usd: 1 } } });
    const refused = await embed(account.created.key, "hello");
    expect(refused).toMatchObject({ status: 402, body: { error: { code: "monthly_limit_reached" } } });
    expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(0);
    expect(await me.patch("/v1/account", { limits: { monthly_nano_usd: null } })).toMatchObject({
      body: { limits: { monthly_nano_usd: null } },
    });
    const [entry] = await account.stub.auditLog(undefined, 1);
    expect(entry).toMatchObject({ actor: account.created.id, action: "limits" });
  });

  test("is an integer of nano-USD or null, and nothing else can be set", async () => {
    const me = owner((await openAccount(CREDIT)).created.key);
    for (const body of [
      {},
      { limits: {} },
      { limits: { monthly_nano_usd: -1 } },
      { limits: { monthly_nano_usd: "5" } },
      { limits: { monthly_nano_usd: 1, requests_per_minute: 1e9 } },
      { status: "active" },
    ]) {
      expect((await me.patch("/v1/account", body)).status).toBe(400);
    }
  });
});

describe("who may", () => {
  test("another account's alerts and webhooks are unknown, on every route that takes an id", async () => {
    const one = owner((await openAccount(CREDIT)).created.key);
    const two = owner((await openAccount(CREDIT)).created.key);
    const alert = String((await one.post("/v1/alerts", { kind: "daily_spend", threshold_usd: 1 })).body["id"]);
    const hook = String((await one.post("/v1/webhooks", { url: URL_A })).body["id"]);
    for (const answer of [
      await two.delete(`/v1/alerts/${alert}`),
      await two.get(`/v1/webhooks/${hook}`),
      await two.post(`/v1/webhooks/${hook}/test`, {}),
      await two.delete(`/v1/webhooks/${hook}`),
    ]) {
      expect(answer).toMatchObject({ status: 404, body: { error: { code: "object_not_found" } } });
    }
    expect((await one.get("/v1/alerts")).body["data"]).toHaveLength(1);
    expect((await one.get(`/v1/webhooks/${hook}`)).status).toBe(200);
    expect((await two.get("/v1/webhooks")).body["data"]).toEqual([]);
    expect((await two.get("/v1/alerts")).body["data"]).toEqual([]);
  });

  test("a key without account:write changes nothing, nobody does without a key", async () => {
    const account = await openAccount(CREDIT, { scopes: ["embeddings", "usage:read", "keys:write"] });
    const me = owner(account.created.key);
    for (const answer of [
      await me.post("/v1/alerts", { kind: "daily_spend", threshold_usd: 1 }),
      await me.post("/v1/webhooks", { url: URL_A }),
      await me.get("/v1/webhooks"),
      await me.patch("/v1/account", { limits: { monthly_nano_usd: 1 } }),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { error: { code: "insufficient_scope" } } });
    }
    expect((await api.call("/v1/webhooks", { body: { url: URL_A } })).status).toBe(401);
    expect((await api.call("/v1/alerts")).status).toBe(401);
  });
});
