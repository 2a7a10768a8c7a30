// Every route against every caller, over the Worker's own tables: what a route says of its rights is what happens. What a
// caller may not do is refused before anything is looked up, so that the refusals are the same whatever an id names.

import { beforeAll, describe, expect, test } from "vitest";
import { SCOPES } from "../../../edge/ledger/types.ts";
import type { Route } from "../../../edge/routes/route.ts";
import { ROUTES } from "../../../edge/routes/table.ts";
import { must } from "../../../shared/assert.ts";
import { newId, parseId } from "../../../shared/ids.ts";
import { stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { FakeBackend, MODEL, REVISION_1, REVISION_2 } from "../support/fake-backends.ts";

const KINDS = {
  keys: "key",
  alerts: "alert",
  webhooks: "webhook",
  files: "file",
  batches: "batch",
  sessions: "session",
} as const;
const OF_KEYS = ROUTES.filter((route) => route.auth === "key" || route.auth === "call");
/** What calls models rests on the lease, which a revocation ends within its life. */
const ASKING = OF_KEYS.filter(({ auth }) => auth === "key");
const OF_THE_OPERATOR = ROUTES.filter(({ auth }) => auth === "operator");

const OTHER = "https://other.test";
const BACKENDS = JSON.stringify(["https://backend.test", OTHER].map((origin) => ({ model: MODEL, origin })));
/** Two revisions are served: a comparison of them is read before its rights are asked for, like any call of a model. */
const api = new Api({ BACKENDS });
api.backends.push(Object.assign(new FakeBackend(OTHER), { revision: REVISION_2 }));
const REVISIONS = { from: REVISION_1, to: REVISION_2 };
let addresses = 0;
let owner: { readonly id: string; readonly key: string };

beforeAll(async () => {
  owner = await api.newAccount();
});

const nameOf = ({ method, path }: Route): string => `${method.toUpperCase()} ${path}`;
const named = (routes: readonly Route[]) => routes.map((route) => [nameOf(route), route] as const);

/** Calls the route; ids in it are of the right kind, and nobody's. */
function ask(route: Route, headers: Record<string, string> = {}, prefix = ""): Promise<ApiAnswer> {
  const { auth, path, body } = route;
  const example = { ...(body?.example as object) };
  const collection = /^\/v1\/([a-z]+)\/\{id\}/.exec(path)?.[1] ?? "";
  const kind = Object.entries(KINDS).find(([known]) => known === collection)?.[1] ?? "account";
  const model = path.replace("{owner}/{name}", MODEL);
  const url = prefix + model.replace("{id}", newId(kind)).replaceAll(/\{\w+\}/g, "a");
  addresses += 1;
  const address = `198.51.${Math.floor(addresses / 250)}.${addresses % 250}`;
  return api.call(url, {
    method: route.method.toUpperCase(),
    headers: { "cf-connecting-ip": address, ...headers },
    // A call of a model is read before its rights are asked for. The backend here has few dimensions; null is absent.
    ...(auth === "call" && {
      body: {
        ...example,
        ...("model" in example && { model: MODEL, dimensions: null }),
        ...("from" in example && REVISIONS),
      },
    }),
  });
}

interface OfAnError {
  readonly code?: unknown;
  readonly details?: readonly { readonly reason: unknown }[];
}

/** Where our own errors have it, or those in another vendor's form. */
function codeOf({ body }: ApiAnswer): unknown {
  const { error, code, error_type: type } = body as Record<string, OfAnError | string>;
  if (typeof error !== "object") return code ?? type;
  return error.details?.[0]?.reason ?? error.code;
}

const withKey = (route: Route, key: string, more: Record<string, string> = {}) =>
  ask(route, { authorization: `Bearer ${key}`, ...more });

async function make(terms: object): Promise<{ id: string; key: string }> {
  const { body } = await api.call("/v1/keys", { key: owner.key, body: terms });
  return { id: String(body["id"]), key: String(body["key"]) };
}

describe("a route of keys", () => {
  test.each(named(OF_KEYS))("%s refuses nobody's call, a forged key and the operator's", async (_, route) => {
    const nobodys = await ask(route);
    expect([nobodys.status, codeOf(nobodys)]).toEqual([401, "missing_api_key"]);
    for (const key of ["gr-forged", `gr-${"a".repeat(52)}`, "admin-key-of-the-tests-0123456789abcdef"]) {
      const answer = await withKey(route, key);
      expect([answer.status, codeOf(answer)]).toEqual([401, "invalid_api_key"]);
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
      OF_KEYS.map(async (route) => [
        nameOf(route),
        (await withKey(route, gone.key)).status,
        (await withKey(route, expired.key)).status,
        (await withKey(route, suspended.key)).status,
        (await withKey(route, bound.key)).status,
      ]),
    );
    expect(answers).toEqual(OF_KEYS.map((route) => [nameOf(route), 401, 401, 403, 403]));
  });

  test("refuses a key that was revoked a moment ago, unless it spends what its lease still holds", async () => {
    const key = await make({ scopes: SCOPES });
    expect((await api.call("/v1/embeddings", { key: key.key, body: { model: MODEL, input: "a" } })).status).toBe(200);
    await api.call(`/v1/keys/${key.id}`, { key: owner.key, method: "DELETE" });
    const answers = await Promise.all(
      ASKING.map(async (route) => [nameOf(route), (await withKey(route, key.key)).status]),
    );
    expect(answers).toEqual(ASKING.map((route) => [nameOf(route), 401]));
  });

  test.each(SCOPES)("is open to a key with %s alone where that is its scope, and to no other", async (scope) => {
    const { key } = await make({ scopes: [scope] });
    const answers = await Promise.all(
      OF_KEYS.map(async (route) => {
        const answer = await withKey(route, key);
        const isOutOfScope = answer.status === 403 && codeOf(answer) === "insufficient_scope";
        return [nameOf(route), answer.status === 401 || isOutOfScope] as const;
      }),
    );
    expect(answers).toEqual(OF_KEYS.map((route) => [nameOf(route), route.scope !== "any" && route.scope !== scope]));
  });
});

describe("a route of the operator's", () => {
  test.each(named(OF_THE_OPERATOR))("%s refuses anybody else's key", async (_, route) => {
    expect((await ask(route)).status).toBe(401);
    expect((await withKey(route, owner.key)).status).toBe(401);
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
    const routes = OF_KEYS.filter(({ path }) => path.startsWith("/v1/"));
    for (const headers of evil) {
      const answers = await Promise.all(
        routes.map(async (route) => [nameOf(route), (await ask(route, headers, "/dashboard/api")).status]),
      );
      expect(answers).toEqual(routes.map((route) => [nameOf(route), 403]));
    }
    expect((await api.call("/dashboard/api/v1/account", { headers: { cookie } })).status).toBe(200);
  });
});
