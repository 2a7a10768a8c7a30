// Accounts, keys, usage and money from outside: the operator's routes, an owner's routes, and a credit that many calls
// want at once.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PRODUCTION_MODEL_ID } from "../../shared/catalog.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeUnderTest } from "../support/edge-server.ts";
import type { EdgeUnderTest } from "../support/edge-server.ts";

const DIMENSIONS = 64;
const dataDir = temporaryFolder();
let server: EdgeUnderTest;

beforeAll(async () => {
  server = await startEdgeUnderTest(dataDir, 1, { dimensions: DIMENSIONS });
});
afterAll(async () => {
  await server.stop();
  removeFolder(dataDir);
});

const admin = (path: string, body?: unknown) => call(server.url, server.adminKey, path, body);
const embed = (key: string, input: string | string[], headers: Record<string, string> = {}) =>
  call(server.url, key, "/v1/embeddings", { model: FAKE_MODEL, input }, { "cache-control": "no-store", ...headers });

interface Account {
  readonly id: string;
  readonly key: string;
}

async function newAccount(nanoUsd: number, key: object = {}): Promise<Account> {
  const id = String((await admin("/admin/accounts", { name: "Test" })).body["id"]);
  await admin(`/admin/accounts/${id}/grants`, { amount_nano_usd: nanoUsd, kind: "promo", id: "first" });
  return { id, key: String((await admin(`/admin/accounts/${id}/keys`, key)).body["key"]) };
}

describe("money", () => {
  test("of 400 calls at once on credit for exactly 50, exactly 50 succeed and nothing is left or held", async () => {
    const one = await embed(server.apiKey, "hello");
    const cost = Number((one.body["usage"] as { prompt_tokens: number }).prompt_tokens) * 8;
    const account = await newAccount(cost * 50);
    const answers = await Promise.all(Array.from({ length: 400 }, () => embedUntilDecided(account.key)));
    expect(answers.filter((status) => status === 200)).toHaveLength(50);
    expect(new Set(answers)).toEqual(new Set([200, 402]));
    await expect
      .poll(async () => (await admin(`/admin/accounts/${account.id}`)).body, { timeout: 10_000 })
      .toMatchObject({ balance_nano_usd: 0, charged_nano_usd: cost * 50, held_nano_usd: 0, written_off_nano_usd: 0 });
  });

  test("usage adds up to the ledger to the nano-dollar", async () => {
    const account = await newAccount(1_000_000);
    const costs = await Promise.all(
      ["a", "some words", "a longer text of several words"].map((text) => embed(account.key, text)),
    );
    const charged = costs.reduce(
      (sum, { body }) => sum + (body["usage"] as { prompt_tokens: number }).prompt_tokens * 8,
      0,
    );
    await expect
      .poll(async () => (await admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"], { timeout: 10_000 })
      .toBe(charged);
    const usage = await call(server.url, account.key, "/v1/usage?bucket_width=1d&group_by=model,tier");
    const results = (usage.body["data"] as { results: Record<string, unknown>[] }[]).flatMap(
      (bucket) => bucket.results,
    );
    expect(results).toHaveLength(1);
    expect(results[0]).toMatchObject({
      model: FAKE_MODEL,
      tier: "interactive",
      requests: 3,
      cost_nano_usd: charged,
      errors: { "4xx": 0, "5xx": 0 },
    });
    const ledger = await call(server.url, account.key, "/v1/transactions");
    const lines = ledger.body["data"] as { kind: string; amount_nano_usd: number; balance_after_nano_usd: number }[];
    expect(lines.map((line) => [line.kind, line.amount_nano_usd])).toEqual([
      ["charge", -charged],
      ["grant", 1_000_000],
    ]);
    expect(lines[0]?.balance_after_nano_usd).toBe(1_000_000 - charged);
  });

  test("the same grant id grants once", async () => {
    const { id } = await newAccount(1000);
    const again = await admin(`/admin/accounts/${id}/grants`, { amount_nano_usd: 1000, kind: "promo", id: "first" });
    expect(again).toMatchObject({ status: 200, body: { granted: false } });
    expect((await admin(`/admin/accounts/${id}`)).body).toMatchObject({
      granted_nano_usd: 1000,
      balance_nano_usd: 1000,
    });
  });

  test("a quote over X-Max-Cost is refused before any work, by the exact count", async () => {
    const account = await newAccount(1_000_000);
    const text = "the quick brown fox jumps over the lazy dog";
    const free = await embed(account.key, text);
    const cost = Number(free.headers.get("x-cost-usd"));
    expect((await embed(account.key, text, { "x-max-cost": cost.toFixed(9) })).status).toBe(200);
    expect(await embed(account.key, text, { "x-max-cost": (cost - 1e-9).toFixed(9) })).toMatchObject({
      status: 400,
      body: { error: { code: "max_cost_exceeded" } },
    });
    expect(await embed(account.key, text, { "x-max-cost": "1e" })).toMatchObject({
      status: 400,
      body: { error: { code: "invalid_header", param: "X-Max-Cost" } },
    });
  });
});

/**
 * The status that decides, as a client that retries sees it: 429 for credit that other calls hold, and 503, say to try
 * again. The runtime closes a connection that was idle for five seconds; a call that meets the closing was not taken (a
 * taken one would be charged and miss in the count), and is sent again, as SDKs do.
 */
async function embedUntilDecided(key: string): Promise<number> {
  for (;;) {
    const answer = await embed(key, "hello").catch((error: unknown) => {
      if (isClosedWhileIdle(error)) return undefined;
      throw error;
    });
    if (answer === undefined) continue;
    const code = (answer.body["error"] as { code: string } | undefined)?.code;
    if (code !== "credit_held" && answer.status !== 503) return answer.status;
    await new Promise((done) => setTimeout(done, Number(answer.headers.get("retry-after-ms"))));
  }
}

function isClosedWhileIdle(error: unknown): boolean {
  return error instanceof TypeError && error.cause instanceof Error && error.cause.message === "other side closed";
}

describe("keys", () => {
  test("a key is shown once, listed without its secret, works, and is dead after its revocation", async () => {
    const account = await newAccount(1_000_000);
    const created = await call(server.url, account.key, "/v1/keys", { name: "CI", scopes: ["embeddings"] });
    const key = String(created.body["key"]);
    expect(created).toMatchObject({ status: 201, body: { name: "CI", scopes: ["embeddings"] } });
    expect((await embed(key, "a")).status).toBe(200);
    const listed = JSON.stringify((await call(server.url, account.key, "/v1/keys")).body);
    expect(listed).toContain(String(created.body["id"]));
    expect(listed).not.toContain(key);
    const gone = await fetch(`${server.url}/v1/keys/${String(created.body["id"])}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${account.key}` },
    });
    expect(gone.status).toBe(200);
    // In force everywhere within the lease TTL; asked of the object itself at once.
    await expect
      .poll(async () => (await call(server.url, key, "/v1/key")).status, { timeout: 35_000, interval: 500 })
      .toBe(401);
  });

  test("a key's scope, model and address lists are kept", async () => {
    const account = await newAccount(1_000_000);
    const keyWith = async (terms: object) =>
      String((await call(server.url, account.key, "/v1/keys", terms)).body["key"]);
    expect(await embed(await keyWith({ scopes: ["usage:read"] }), "a")).toMatchObject({
      status: 403,
      body: { error: { code: "insufficient_scope" } },
    });
    expect(await embed(await keyWith({ models: [PRODUCTION_MODEL_ID] }), "a")).toMatchObject({
      status: 403,
      body: { error: { code: "model_not_allowed", param: "model" } },
    });
    expect(await embed(await keyWith({ ip_allow: ["203.0.113.0/24"] }), "a")).toMatchObject({
      status: 403,
      body: { error: { code: "address_not_allowed" } },
    });
  });

  test("another account's key is unknown", async () => {
    const [one, two] = [await newAccount(1000), await newAccount(1000)];
    const own = await call(server.url, one.key, "/v1/key");
    expect(await call(server.url, two.key, `/v1/keys/${String(own.body["id"])}`)).toMatchObject({
      status: 404,
      body: { error: { code: "object_not_found" } },
    });
  });
});

describe("routes as clients meet them", () => {
  test("a wrong method says which are right, an unknown route names the near one", async () => {
    const get = await call(server.url, server.apiKey, "/v1/embeddings");
    expect(get).toMatchObject({ status: 405, body: { error: { code: "method_not_allowed" } } });
    expect(get.headers.get("allow")).toBe("POST");
    const near = await call(server.url, server.apiKey, "/v1/embedings", {});
    expect(near.status).toBe(404);
    expect(JSON.stringify(near.body)).toContain("/v1/embeddings");
    expect(JSON.stringify((await call(server.url, server.apiKey, "/v1/v1/models")).body)).toContain(
      "Did you mean `/v1/models`",
    );
  });

  test("a trailing slash is the same route, HEAD works for GET, an encoded model id is the same model", async () => {
    expect((await call(server.url, server.apiKey, "/v1/models/")).status).toBe(200);
    expect((await fetch(`${server.url}/v1/models`, { method: "HEAD" })).status).toBe(200);
    const plain = await call(server.url, server.apiKey, `/v1/models/${FAKE_MODEL}`);
    const encoded = await call(server.url, server.apiKey, `/v1/models/${encodeURIComponent(FAKE_MODEL)}`);
    expect(plain.body).toMatchObject({ id: FAKE_MODEL, status: "live", native_dimensions: DIMENSIONS });
    expect(encoded.body["id"]).toBe(FAKE_MODEL);
  });

  test("a browser's preflight needs no key, and errors carry CORS too", async () => {
    const preflight = await fetch(`${server.url}/v1/embeddings`, {
      method: "OPTIONS",
      headers: {
        origin: "https://example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization");
    const refused = await fetch(`${server.url}/v1/embeddings`, { method: "POST", body: "{}" });
    expect(refused.status).toBe(401);
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
    expect(refused.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("the operator's routes take the operator's key alone", async () => {
    expect((await call(server.url, server.apiKey, "/admin/accounts", { name: "x" })).status).toBe(401);
    expect((await admin("/admin/accounts", { name: "" })).status).toBe(400);
  });
});
