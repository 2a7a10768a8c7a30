// Every route against every caller, over the Worker's own list of routes: one without a row here fails. What a caller may
// not do is refused before anything is looked up, so that the refusals are the same whatever an id names.

import { beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../../edge/app.ts";
import { SCOPES } from "../../../edge/ledger/types.ts";
import type { Scope } from "../../../edge/ledger/types.ts";
import { must } from "../../../shared/assert.ts";
import { newId, parseId } from "../../../shared/ids.ts";
import { stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

type Access =
  /** Anybody. */
  | "public"
  /** The operator's key. */
  | "operator"
  /** Any key of an account. */
  | "any"
  /** A page's cookie, from a page of ours. */
  | "page"
  | Scope;

const embed = { model: MODEL, input: "a" };
const rerank = { model: MODEL, query: "a", documents: ["b"] };

/** Who may call it; and a body that gets as far as its rights are asked for. */
const ROWS: Readonly<Record<string, readonly [Access, object?]>> = {
  "GET /health": ["public"],
  "GET /ready": ["public"],
  "GET /status.json": ["public"],
  "GET /status": ["public"],
  // Not there without a token of its own.
  "GET /metrics": ["public"],
  "GET /.well-known/security.txt": ["public"],
  "GET /robots.txt": ["public"],
  "GET /terms": ["public"],
  "GET /privacy": ["public"],
  "GET /contact": ["public"],
  "GET /models/:name": ["public"],
  "GET /v1/openapi.json": ["public"],
  "GET /llms.txt": ["public"],
  "GET /docs": ["public"],
  "GET /docs/errors": ["public"],
  "GET /": ["public"],
  "GET /models": ["public"],
  "GET /models/:owner/:name": ["public"],
  "GET /playground": ["public"],
  "GET /dashboard": ["public"],
  "GET /auth/github": ["public"],
  "GET /auth/github/callback": ["public"],
  "GET /assets/:file": ["public"],
  "POST /stripe/webhook": ["public"],
  "POST /v1/keys/report-leak": ["public"],
  "POST /models/:owner/:name/want": ["page"],
  "POST /dashboard/sign-in": ["page"],
  "POST /dashboard/sign-out": ["page"],
  "GET /v1/models": ["public"],
  "GET /v1/models/:name": ["public"],
  "GET /v1/models/:owner/:name": ["public"],
  "POST /v1/embeddings": ["embeddings", embed],
  "POST /embeddings": ["embeddings", embed],
  "POST /v1/similarity": ["embeddings", { model: MODEL, source: "a", targets: ["b"] }],
  "POST /v1/tokenize": ["embeddings", embed],
  "POST /v1/rerank": ["rerank", rerank],
  "POST /v2/rerank": ["rerank", rerank],
  "POST /v1/files": ["batches"],
  "GET /v1/files": ["batches"],
  "GET /v1/files/:id": ["batches"],
  "GET /v1/files/:id/content": ["batches"],
  "DELETE /v1/files/:id": ["batches"],
  "POST /v1/batches": ["batches", {}],
  "GET /v1/batches": ["batches"],
  "GET /v1/batches/:id": ["batches"],
  "POST /v1/batches/:id/cancel": ["batches"],
  "GET /v1/account": ["any"],
  "PATCH /v1/account": ["account:write", {}],
  "DELETE /v1/account": ["account:write"],
  "GET /v1/account/export": ["account:write"],
  "GET /v1/transactions": ["usage:read"],
  "POST /v1/top-ups": ["account:write", {}],
  "GET /v1/auto-top-up": ["account:write"],
  "PUT /v1/auto-top-up": ["account:write", {}],
  "DELETE /v1/auto-top-up": ["account:write"],
  "GET /v1/usage": ["usage:read"],
  "GET /v1/organization/usage/embeddings": ["usage:read"],
  "GET /v1/organization/costs": ["usage:read"],
  "GET /v1/key": ["any"],
  "GET /v1/keys": ["keys:write"],
  "POST /v1/keys": ["keys:write", { scopes: [] }],
  "GET /v1/keys/:id": ["keys:write"],
  "PATCH /v1/keys/:id": ["keys:write", {}],
  "DELETE /v1/keys/:id": ["keys:write"],
  "POST /v1/keys/:id/rotate": ["keys:write", {}],
  "GET /v1/sessions": ["account:write"],
  "DELETE /v1/sessions": ["account:write"],
  "DELETE /v1/sessions/:id": ["account:write"],
  "GET /v1/alerts": ["usage:read"],
  "POST /v1/alerts": ["account:write", {}],
  "DELETE /v1/alerts/:id": ["account:write"],
  "GET /v1/webhooks": ["account:write"],
  "POST /v1/webhooks": ["account:write", {}],
  "GET /v1/webhooks/:id": ["account:write"],
  "PATCH /v1/webhooks/:id": ["account:write", {}],
  "DELETE /v1/webhooks/:id": ["account:write"],
  "POST /v1/webhooks/:id/rotate": ["account:write", {}],
  "POST /v1/webhooks/:id/test": ["account:write"],
  "GET /admin/accounts": ["operator"],
  "POST /admin/accounts": ["operator", {}],
  "GET /admin/accounts/:id": ["operator"],
  "PATCH /admin/accounts/:id": ["operator", {}],
  "POST /admin/accounts/:id/grants": ["operator", {}],
  "POST /admin/accounts/:id/refunds": ["operator", {}],
  "POST /admin/accounts/:id/keys": ["operator", {}],
  "PUT /admin/models/:name": ["operator", {}],
  "PUT /admin/models/:owner/:name": ["operator", {}],
  "GET /admin/stats": ["operator"],
  "GET /admin/audit": ["operator"],
  "GET /admin/backup": ["operator"],
  "POST /admin/restore": ["operator"],
  "POST /admin/reconcile": ["operator"],
};

const KINDS = {
  keys: "key",
  alerts: "alert",
  webhooks: "webhook",
  files: "file",
  batches: "batch",
  sessions: "session",
} as const;
const ROUTES = [
  ...new Set(createApp().routes.flatMap(({ method, path }) => (method === "ALL" ? [] : [`${method} ${path}`]))),
];
const OF_KEYS = ROUTES.filter((name) => !["public", "operator", "page"].includes(accessOf(name)));
/** What calls models rests on the lease, which a revocation ends within its life. */
const SPENDS = new Set([
  "POST /v1/embeddings",
  "POST /embeddings",
  "POST /v1/similarity",
  "POST /v1/tokenize",
  "POST /v1/rerank",
  "POST /v2/rerank",
]);

const api = new Api();
let addresses = 0;
let owner: { readonly id: string; readonly key: string };

beforeAll(async () => {
  owner = await api.newAccount();
});

function accessOf(name: string): Access {
  return ROWS[name]?.[0] ?? "public";
}

/** Calls the route; ids in it are of the right kind, and nobody's. */
function ask(name: string, headers: Record<string, string> = {}, prefix = ""): Promise<ApiAnswer> {
  const [method = "", path = ""] = name.split(" ");
  const collection = /^\/v1\/([a-z]+)\/:id/.exec(path)?.[1] ?? "";
  const kind = Object.entries(KINDS).find(([known]) => known === collection)?.[1] ?? "account";
  const url = prefix + path.replace(":id", newId(kind)).replace(/:\w+/g, "a");
  const body = ROWS[name]?.[1];
  addresses += 1;
  const address = `198.51.${Math.floor(addresses / 250)}.${addresses % 250}`;
  const isBodied = body !== undefined && method !== "GET";
  return api.call(url, { method, headers: { "cf-connecting-ip": address, ...headers }, ...(isBodied ? { body } : {}) });
}

const withKey = (name: string, key: string, more: Record<string, string> = {}) => {
  const query = name === "GET /account";
  return query ? ask(name, more) : ask(name, { authorization: `Bearer ${key}`, ...more });
};

async function make(terms: object): Promise<{ id: string; key: string }> {
  const { body } = await api.call("/v1/keys", { key: owner.key, body: terms });
  return { id: String(body["id"]), key: String(body["key"]) };
}

test("every route has a row, and every row a route", () => {
  const known = ROUTES.filter((name) => name !== "GET /account"); // the key is in its query: its own tests are in books.test.ts
  expect(Object.keys(ROWS).toSorted()).toEqual(known.toSorted());
});

describe("a route of keys", () => {
  test.each(OF_KEYS)("%s refuses nobody's call, a forged key and the operator's", async (name) => {
    expect(await ask(name)).toMatchObject({ status: 401, body: { error: { code: "missing_api_key" } } });
    for (const key of ["gr-forged", `gr-${"a".repeat(52)}`, "admin-key-of-the-tests-0123456789abcdef"]) {
      expect(await withKey(name, key)).toMatchObject({ status: 401, body: { error: { code: "invalid_api_key" } } });
    }
  });

  test("refuses a key that is over, of another address, of a suspended account", async () => {
    const gone = await make({ scopes: SCOPES });
    await api.call(`/v1/keys/${gone.id}`, { key: owner.key, method: "DELETE" });
    const suspended = await api.newAccount();
    await api.admin(`/admin/accounts/${suspended.id}`, { status: "suspended" }, "PATCH");
    const stub = stubOf(must(parseId("account", owner.id), "an account"));
    const base = { name: "old", scopes: SCOPES, cache: "standard" } as const;
    const expired = await stub.createKey(must(parseId("account", owner.id), "id"), { ...base, expiresAtMs: 1 }, "test");
    if (typeof expired !== "object" || !("key" in expired)) throw new Error("no key");
    const bound = await make({ scopes: SCOPES, ip_allow: ["192.0.2.1"] });
    const answers = await Promise.all(
      OF_KEYS.map(async (name) => [
        name,
        (await withKey(name, gone.key)).status,
        (await withKey(name, expired.key)).status,
        (await withKey(name, suspended.key)).status,
        (await withKey(name, bound.key)).status,
      ]),
    );
    expect(answers).toEqual(OF_KEYS.map((name) => [name, 401, 401, 403, 403]));
  });

  test("refuses a key that was revoked a moment ago, unless it spends what its lease still holds", async () => {
    const key = await make({ scopes: SCOPES });
    expect((await api.call("/v1/embeddings", { key: key.key, body: embed })).status).toBe(200);
    await api.call(`/v1/keys/${key.id}`, { key: owner.key, method: "DELETE" });
    const acts = OF_KEYS.filter((name) => !SPENDS.has(name));
    const answers = await Promise.all(acts.map(async (name) => [name, (await withKey(name, key.key)).status]));
    expect(answers).toEqual(acts.map((name) => [name, 401]));
  });

  test.each(SCOPES)("is open to a key with %s alone where that is its scope, and to no other", async (scope) => {
    const { key } = await make({ scopes: [scope] });
    const answers = await Promise.all(
      OF_KEYS.map(async (name) => {
        const { status, body } = await withKey(name, key);
        const code = (body["error"] as { code?: string } | undefined)?.code;
        return [name, status === 401 || (status === 403 && code === "insufficient_scope")] as const;
      }),
    );
    expect(answers).toEqual(OF_KEYS.map((name) => [name, accessOf(name) !== "any" && accessOf(name) !== scope]));
  });
});

describe("a route of the operator's", () => {
  test.each(ROUTES.filter((name) => accessOf(name) === "operator"))("%s refuses anybody else's key", async (name) => {
    expect((await ask(name)).status).toBe(401);
    expect((await withKey(name, owner.key)).status).toBe(401);
  });
});

describe("a session's cookie", () => {
  test("is worth nothing to another site, on any route", async () => {
    const form = { origin: "https://api.test", "content-type": "application/x-www-form-urlencoded" };
    const signedIn = await api.call("/dashboard/sign-in", { method: "POST", headers: form, body: `key=${owner.key}` });
    const cookie = signedIn.headers.get("set-cookie")?.split(";")[0] ?? "";
    const evil: readonly Record<string, string>[] = [
      { cookie, origin: "https://evil.test" },
      { cookie, origin: "null", "sec-fetch-site": "cross-site" },
      { cookie, "sec-fetch-site": "cross-site" },
      { cookie, "sec-fetch-site": "same-site", origin: "https://sub.api.test" },
    ];
    const routes = OF_KEYS.filter((name) => name.includes(" /v1/"));
    for (const headers of evil) {
      const answers = await Promise.all(
        routes.map(async (name) => [name, (await ask(name, headers, "/dashboard/api")).status]),
      );
      expect(answers).toEqual(routes.map((name) => [name, 403]));
    }
    expect((await api.call("/dashboard/api/v1/account", { headers: { cookie } })).status).toBe(200);
  });
});
