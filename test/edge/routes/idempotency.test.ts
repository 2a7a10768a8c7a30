// `Idempotency-Key` as a client meets it, on every route that embeds texts.

import { abortAllDurableObjects } from "cloudflare:test";
import { beforeEach, describe, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { DIMENSIONS, MODEL } from "../support/fake-backends.ts";

const api = new Api();
let account: Awaited<ReturnType<Api["newAccount"]>>;

beforeEach(async () => {
  api.backend.behaviour = { kind: "well" };
  account = await api.newAccount();
});

const BODIES: readonly (readonly [string, object])[] = [
  ["/v1/embeddings", { input: ["one", "two", "one"], dimensions: 4 }],
  ["/v1/embeddings", { input: [["a", "b"]], encoding_format: "base64" }],
  ["/v1/similarity", { source: "a", targets: ["b", "c"] }],
  ["/v1/rerank", { query: "which?", documents: ["b", "c"], return_documents: true }],
];

function post(path: string, key: string, body: object, headers: Record<string, string> = {}): Promise<ApiAnswer> {
  return api.call(path, {
    key: account.key,
    headers: { "idempotency-key": key, ...headers },
    body: { model: MODEL, ...body },
  });
}

const embed = (key: string, input: unknown, headers?: Record<string, string>) =>
  post("/v1/embeddings", key, { input }, headers);
const charged = async () => (await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"];
const errorOf = ({ body }: ApiAnswer) => body["error"];

describe("the first answer comes again", () => {
  test.each(BODIES)("%s %j: byte for byte, charged once, computed once", async (path, body) => {
    const first = await post(path, "key", body, { "cache-control": "no-store" });
    expect(first.status).toBe(200);
    expect(first.headers.has("x-idempotent-replayed")).toBe(false);
    const cost = await charged();
    const computed = api.backend.embeds.length;
    const again = await post(path, "key", body, { "cache-control": "no-store" });
    expect(again).toMatchObject({ status: 200, text: first.text });
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    for (const name of ["x-cost-usd", "x-cache", "x-model-revision"]) {
      expect(again.headers.get(name)).toBe(first.headers.get(name));
    }
    expect(again.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect(await charged()).toBe(cost);
    expect(cost).toBeGreaterThan(0);
    expect(api.backend.embeds).toHaveLength(computed);
  });

  test("where the answer is streamed, too", async () => {
    const input = Array.from({ length: 1500 }, (_, index) => `text ${index % 700}`);
    const first = await embed("key", input);
    expect(first.text.length).toBeGreaterThan(128 * 1024);
    const again = await embed("key", input);
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(again.text === first.text).toBe(true);
  });

  test("after the account's object was restarted", async () => {
    const first = await embed("key", ["a", "b"]);
    await abortAllDurableObjects();
    expect(await embed("key", ["a", "b"])).toMatchObject({ status: 200, text: first.text });
  });

  test("under the route's other path, and with another key of the same account", async () => {
    const first = await embed("key", "a");
    const other = await api.admin(`/admin/accounts/${account.id}/keys`, { name: "other" });
    const again = await api.call("/embeddings/", {
      key: String(other.body["key"]),
      headers: { "idempotency-key": "key" },
      body: { model: MODEL, input: "a" },
    });
    expect(again).toMatchObject({ status: 200, text: first.text });
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
  });

  test("counts as a request against the limit", async () => {
    await embed("key", "a");
    await api.admin(`/admin/accounts/${account.id}`, { limits: { requests_per_minute: 2 } }, "PATCH");
    await abortAllDurableObjects(); // buckets as they were written: empty
    const answers = [];
    for (let call = 0; call < 4; call += 1) answers.push((await embed("key", "a")).status);
    expect(answers.slice(0, 2)).toEqual([200, 200]);
    expect(answers.at(-1)).toBe(429);
  });
});

describe("what is not the first answer", () => {
  test("another body under the same key is refused, and nothing is run", async () => {
    await embed("key", "a");
    const computed = api.backend.embeds.length;
    const answer = await embed("key", "b");
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({ code: "idempotency_key_reused", param: "Idempotency-Key" });
    expect(api.backend.embeds).toHaveLength(computed);
  });

  test("the same key on another route, or of another account, is another call", async () => {
    await embed("key", "a");
    expect((await post("/v1/similarity", "key", { source: "a", targets: ["b"] })).status).toBe(200);
    const first = account;
    account = await api.newAccount();
    const answer = await embed("key", "b");
    expect(answer.status).toBe(200);
    expect(answer.headers.has("x-idempotent-replayed")).toBe(false);
    account = first;
  });

  test("a call still running answers 409 and when to try again", async () => {
    let go = (): void => undefined;
    api.backend.behaviour = { kind: "waits", go: new Promise<void>((resolve) => (go = resolve)) };
    const before = api.backend.signals.length;
    const first = embed("key", "wait for it");
    await expect.poll(() => api.backend.signals.length).toBe(before + 1);
    const second = await embed("key", "wait for it");
    expect(second.status).toBe(409);
    expect(second.headers.get("retry-after")).toBe("1");
    expect(errorOf(second)).toMatchObject({ code: "idempotency_in_progress" });
    go();
    expect((await first).status).toBe(200);
    expect((await embed("key", "wait for it")).text).toBe((await first).text);
  });

  test("a failed call does not occupy its key and is not charged", async () => {
    const fault = { code: "vector_not_finite", message: "no", index: 0, facts: {}, retryAfterS: null } as const;
    api.backend.behaviour = { kind: "fault", fault };
    expect((await embed("key", "will fail")).status).toBe(500);
    api.backend.behaviour = { kind: "well" };
    await expect.poll(async () => (await embed("key", "another body")).status).toBe(200);
    expect(await charged()).toBe("another body".length * 8 + 8);
  });

  test("a call over the credit is refused with both figures, and its key stays free", async () => {
    const poor = await api.newAccount();
    await api.admin(`/admin/accounts/${poor.id}/keys`, {});
    account = { ...poor, key: await cappedKey(poor.id, 20) };
    expect(errorOf(await embed("key", "costs too much"))).toMatchObject({ code: "key_cap_reached" });
    expect((await embed("key", "a")).status).toBe(200);
  });

  test("results over 4 MB are refused before any work", async () => {
    const most = Math.floor((4 * 1024 * 1024) / (2 * DIMENSIONS));
    expect(most).toBeGreaterThan(2048); // the fake's vectors are small: the model of the catalogue is not
    const answer = await api.call("/v1/embeddings", {
      key: account.key,
      headers: { "idempotency-key": "key" },
      body: { model: "boboliu/Qwen3-Embedding-4B-W4A16-G128", input: Array.from({ length: 820 }, () => "a") },
    });
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({ code: "result_too_large", param: "Idempotency-Key" });
  });

  test.each(["", "a b", "x".repeat(256)])("the key %j is refused", async (key) => {
    expect(errorOf(await embed(key, "a"))).toMatchObject({ code: "invalid_header", param: "Idempotency-Key" });
  });
});

async function cappedKey(id: string, cap: number): Promise<string> {
  return String((await api.admin(`/admin/accounts/${id}/keys`, { cap_nano_usd: cap })).body["key"]);
}
