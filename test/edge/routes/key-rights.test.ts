// What a key may do to the account and to its keys: nothing once it is over, however warm the lease of the isolate that
// it called a moment ago; and no key does through another what it may not do itself.

import { beforeAll, describe, expect, test } from "vitest";
import { must } from "../../../shared/assert.ts";
import { CATALOG } from "../../../shared/catalog.ts";
import { upload, embeddingLine } from "../batch/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const OTHER_MODEL = must(CATALOG[0], "a model").id;
const DAY_S = 86_400;
const now = () => Math.floor(Date.now() / 1000);

interface Key {
  readonly id: string;
  readonly key: string;
}

function send(key: string, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  return api.call(path, { key, method, ...(body === undefined ? {} : { body }) });
}

async function make(maker: string, terms: object): Promise<Key> {
  const { status, body, text } = await send(maker, "POST", "/v1/keys", terms);
  if (status !== 201) throw new Error(text);
  return { id: String(body["id"]), key: String(body["key"]) };
}

/** Its rights are in the isolate's memory from now on. */
async function warm(key: string): Promise<void> {
  expect(await send(key, "POST", "/v1/embeddings", { model: MODEL, input: "warm" })).toMatchObject({ status: 200 });
}

const ALL = ["embeddings", "rerank", "batches", "usage:read", "keys:write", "account:write"] as const;

describe("a key that is over a moment ago, with its lease still warm", () => {
  let owner: { readonly id: string; readonly key: string };
  let file: string;
  beforeAll(async () => {
    owner = await api.newAccount();
    file = String((await upload(api, owner.key, `${embeddingLine("a", "text")}\n`)).body["id"]);
  });

  const ENDS: readonly (readonly [string, 401 | 403, (key: Key) => Promise<ApiAnswer>])[] = [
    ["revoked", 401, ({ id }) => send(owner.key, "DELETE", `/v1/keys/${id}`)],
    ["reported as leaked", 401, ({ key }) => api.call("/v1/keys/report-leak", { body: { key } })],
    ["rotated without an overlap", 401, ({ id }) => send(owner.key, "POST", `/v1/keys/${id}/rotate`, {})],
    ["cut down to one scope", 403, ({ id }) => send(owner.key, "PATCH", `/v1/keys/${id}`, { scopes: ["rerank"] })],
    [
      "bound to another address",
      403,
      ({ id }) => send(owner.key, "PATCH", `/v1/keys/${id}`, { ip_allow: ["192.0.2.1"] }),
    ],
  ];
  const ACTS: readonly (readonly [string, string, () => unknown])[] = [
    ["POST", "/v1/keys", () => ({ name: "mine for ever", scopes: ALL })],
    ["PATCH", "/v1/account", () => ({ limits: { monthly_nano_usd: null } })],
    ["POST", "/v1/webhooks", () => ({ url: "https://example.com/thief" })],
    ["POST", "/v1/alerts", () => ({ kind: "monthly_spend", threshold_usd: 1 })],
    ["PUT", "/v1/auto-top-up", () => ({ threshold_usd: 5, target_usd: 20, monthly_cap_usd: 100 })],
    ["POST", "/v1/top-ups", () => ({ amount_usd: 20 })],
    ["POST", "/v1/batches", () => ({ input_file_id: file, endpoint: "/v1/embeddings", completion_window: "24h" })],
    ["GET", "/v1/account/export", () => undefined],
    ["GET", "/v1/files", () => undefined],
    ["GET", "/v1/keys", () => undefined],
    ["GET", "/v1/transactions", () => undefined],
  ];

  describe.each(ENDS)("%s", (_how, status, end) => {
    test.each(ACTS)("cannot %s %s", async (method, path, body) => {
      const key = await make(owner.key, { scopes: ALL });
      await warm(key.key);
      expect((await end(key)).status).toBeLessThan(300);
      expect(await send(key.key, method, path, body())).toMatchObject({ status });
    });
  });

  test("uploads nothing either, nor deletes the account", async () => {
    const key = await make(owner.key, { scopes: ALL });
    await warm(key.key);
    await send(owner.key, "DELETE", `/v1/keys/${key.id}`);
    expect((await upload(api, key.key, "{}\n")).status).toBe(401);
    const late = await make(owner.key, { scopes: ALL });
    await warm(late.key);
    await send(owner.key, "DELETE", `/v1/keys/${late.id}`);
    expect((await send(late.key, "DELETE", `/v1/account?confirm=${owner.id}`)).status).toBe(401);
    expect((await send(owner.key, "GET", "/v1/account")).status).toBe(200);
  });
});

describe("a new key", () => {
  test("calls models and no more, unless its maker says so", async () => {
    const owner = await api.newAccount();
    expect((await send(owner.key, "POST", "/v1/keys", {})).body["scopes"]).toEqual(["embeddings", "rerank", "batches"]);
    const manager = await make(owner.key, { scopes: ["embeddings", "keys:write"] });
    expect((await send(manager.key, "POST", "/v1/keys", {})).body["scopes"]).toEqual(["embeddings"]);
    const only = await make(owner.key, { scopes: ["keys:write"] });
    expect(await send(only.key, "POST", "/v1/keys", {})).toMatchObject({ status: 403 });
  });

  test("inherits what bounds its maker", async () => {
    const owner = await api.newAccount();
    const terms = { models: [MODEL], ip_allow: ["127.0.0.0/8"], expires_at: now() + DAY_S, cache: "off" };
    const maker = await make(owner.key, { scopes: ALL, ...terms });
    expect((await send(maker.key, "POST", "/v1/keys", {})).body).toMatchObject(terms);
  });
});

describe("reach", () => {
  const LIMITS = {
    models: [MODEL],
    ip_allow: ["127.0.0.0/24", "2001:db8::/32"],
    expires_at: now() + DAY_S,
    cache: "off",
  } as const;
  const BEYOND: readonly (readonly [string, object])[] = [
    ["models", { models: [MODEL, OTHER_MODEL] }],
    ["ip_allow", { ip_allow: ["0.0.0.0/0"] }],
    ["ip_allow", { ip_allow: ["127.0.0.0/23"] }],
    ["ip_allow", { ip_allow: ["127.0.0.1", "2001:db9::1"] }],
    ["expires_at", { expires_at: LIMITS.expires_at + 1 }],
    ["cache", { cache: "standard" }],
    ["cache", { cache: "eager" }],
  ];
  let owner: { readonly id: string; readonly key: string };
  let limited: Key;
  beforeAll(async () => {
    owner = await api.newAccount();
    limited = await make(owner.key, { scopes: ["embeddings", "keys:write"], ...LIMITS });
  });

  test.each(BEYOND)("no key makes one beyond its own %s: %o", async (param, terms) => {
    const refused = { status: 403, body: { error: { code: "insufficient_scope", param } } };
    expect(await send(limited.key, "POST", "/v1/keys", terms)).toMatchObject(refused);
  });

  test.each(BEYOND)("nor changes itself or another so: %s %o", async (param, terms) => {
    const refused = { status: 403, body: { error: { code: "insufficient_scope", param } } };
    expect(await send(limited.key, "PATCH", `/v1/keys/${limited.id}`, terms)).toMatchObject(refused);
    const child = await make(limited.key, {});
    expect(await send(limited.key, "PATCH", `/v1/keys/${child.id}`, terms)).toMatchObject(refused);
  });

  test.each(["models", "ip_allow", "expires_at"])("nor takes %s away", async (term) => {
    expect(await send(limited.key, "PATCH", `/v1/keys/${limited.id}`, { [term]: null })).toMatchObject({ status: 403 });
  });

  test("within it keys are made, changed, rotated and revoked", async () => {
    const child = await make(limited.key, { ip_allow: ["127.0.0.1", "127.0.0.128/25", "2001:db8:1::/48"] });
    const path = `/v1/keys/${child.id}`;
    expect(await send(limited.key, "PATCH", path, { name: "b", cap_nano_usd: 5 })).toMatchObject({ status: 200 });
    expect(await send(limited.key, "POST", `${path}/rotate`, {})).toMatchObject({ status: 200 });
    expect(await send(limited.key, "DELETE", path)).toMatchObject({ status: 200 });
  });

  test("a stronger key is neither changed, rotated nor revoked; its own end is anybody's", async () => {
    const main = (await send(owner.key, "GET", "/v1/key")).body["id"];
    for (const [method, path, body] of [
      ["PATCH", `/v1/keys/${String(main)}`, { name: "mine" }],
      ["POST", `/v1/keys/${String(main)}/rotate`, {}],
      ["DELETE", `/v1/keys/${String(main)}`, undefined],
    ] as const) {
      expect(await send(limited.key, method, path, body)).toMatchObject({ status: 403 });
    }
    const own = await make(owner.key, { scopes: ["keys:write"], ...LIMITS });
    expect(await send(own.key, "DELETE", `/v1/keys/${own.id}`)).toMatchObject({ status: 200 });
  });

  describe("a key with a cap or rates of its own", () => {
    const BOUNDS = {
      cap_nano_usd: 1000,
      cap_reset: "month",
      requests_per_minute: 100,
      tokens_per_minute: 1000,
    } as const;
    const RAISED = [
      ["cap_nano_usd", { cap_nano_usd: 1001 }],
      ["cap_nano_usd", { cap_nano_usd: null }],
      ["cap_reset", { cap_reset: "day" }],
      ["cap_reset", { cap_reset: "week" }],
      ["requests_per_minute", { requests_per_minute: 101 }],
      ["requests_per_minute", { requests_per_minute: null }],
      ["tokens_per_minute", { tokens_per_minute: 1001 }],
      ["tokens_per_minute", { tokens_per_minute: null }],
    ] as const;
    let bounded: Key;
    beforeAll(async () => {
      bounded = await make(owner.key, { scopes: ["embeddings", "keys:write"], ...BOUNDS });
    });

    test.each(RAISED)("raises none of them: %s %o", async (param, terms) => {
      const refused = { status: 403, body: { error: { param } } };
      expect(await send(bounded.key, "PATCH", `/v1/keys/${bounded.id}`, terms)).toMatchObject(refused);
    });

    test.each([{ cap_nano_usd: 1000, cap_reset: "month" }, { requests_per_minute: 5 }, { tokens_per_minute: 5 }])(
      "makes, changes and rotates no other, since both together could do more: %o",
      async (terms) => {
        const key = await make(owner.key, { scopes: ["embeddings", "keys:write"], ...terms });
        const other = await make(owner.key, { scopes: ["embeddings"], ...terms });
        expect(await send(key.key, "POST", "/v1/keys", terms)).toMatchObject({ status: 403 });
        expect(await send(key.key, "PATCH", `/v1/keys/${other.id}`, { name: "x" })).toMatchObject({ status: 403 });
        expect(await send(key.key, "POST", `/v1/keys/${other.id}/rotate`, {})).toMatchObject({ status: 403 });
        expect(await send(key.key, "DELETE", `/v1/keys/${other.id}`)).toMatchObject({ status: 200 });
      },
    );

    test("lowers its own, and rotates itself", async () => {
      const lower = { cap_nano_usd: 10, cap_reset: null, requests_per_minute: 5, tokens_per_minute: 5 };
      const path = `/v1/keys/${bounded.id}`;
      expect(await send(bounded.key, "PATCH", path, lower)).toMatchObject({ status: 200, body: lower });
      expect(await send(bounded.key, "POST", `${path}/rotate`, {})).toMatchObject({ status: 200, body: lower });
    });
  });
});

describe("null in a PATCH", () => {
  test("takes a term away; a cap takes its reset along", async () => {
    const owner = await api.newAccount();
    const terms = {
      models: [MODEL],
      expires_at: now() + DAY_S,
      cap_nano_usd: 5,
      cap_reset: "day",
      ip_allow: ["127.0.0.1"],
      requests_per_minute: 5,
      tokens_per_minute: 5,
    };
    const { id } = await make(owner.key, terms);
    const { cap_reset: _reset, ...named } = Object.fromEntries(Object.keys(terms).map((name) => [name, null]));
    const patched = await send(owner.key, "PATCH", `/v1/keys/${id}`, named);
    expect(patched).toMatchObject({ status: 200, body: { ...named, cap_reset: null } });
    expect((await send(owner.key, "GET", `/v1/keys/${id}`)).body).toEqual(patched.body);
  });

  test.each(["name", "scopes", "cache"])("is refused for what every key has: %s", async (term) => {
    const owner = await api.newAccount();
    const { id } = await make(owner.key, {});
    const refused = { status: 400, body: { error: { param: term } } };
    expect(await send(owner.key, "PATCH", `/v1/keys/${id}`, { [term]: null })).toMatchObject(refused);
  });

  test("is refused where an operator's PATCH has nothing to take away", async () => {
    const { id } = await api.newAccount();
    expect(await api.admin(`/admin/accounts/${id}`, { status: null }, "PATCH")).toMatchObject({ status: 400 });
    const limits = { requests_per_minute: null };
    expect(await api.admin(`/admin/accounts/${id}`, { limits }, "PATCH")).toMatchObject({ status: 400 });
  });
});
