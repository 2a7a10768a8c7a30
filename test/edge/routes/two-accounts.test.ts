// Over every route of a key that takes an id (asked of the Worker itself, so that none is forgotten): another account's
// object is unknown, in the very words for one that never was; and nothing happens to it.

import { beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../../edge/app.ts";
import { must } from "../../../shared/assert.ts";
import { newId } from "../../../shared/ids.ts";
import type { IdKind } from "../../../shared/ids.ts";
import { embeddingLine, startBatch, upload } from "../batch/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";

/** What a collection holds. */
const KINDS: Readonly<Record<string, IdKind>> = {
  keys: "key",
  alerts: "alert",
  webhooks: "webhook",
  files: "file",
  batches: "batch",
  sessions: "session",
};
/** What a route needs in its body to get as far as its object. */
const BODIES: Readonly<Record<string, object>> = {
  "PATCH /v1/keys/:id": { name: "mine now" },
  "POST /v1/keys/:id/rotate": { overlap_s: 60 },
  "PATCH /v1/webhooks/:id": { events: null },
  "POST /v1/webhooks/:id/rotate": {},
};

interface Route {
  readonly method: string;
  readonly path: string;
  readonly kind: IdKind;
}

const ROUTES = routesWithIds();
const api = new Api();
let own: Awaited<ReturnType<Api["newAccount"]>>;
let foreign: Awaited<ReturnType<Api["newAccount"]>>;
/** The other account's object of each kind. */
const objects = new Map<IdKind, string>();

function routesWithIds(): readonly Route[] {
  const names = new Set<string>();
  return createApp().routes.flatMap(({ method, path }) => {
    const collection = /^\/v1\/([a-z]+)\/:id(\/|$)/.exec(path)?.[1];
    const name = `${method} ${path}`;
    // The lines of each account's statement are numbered from 1: an id names no other account's.
    if (collection === undefined || collection === "transactions" || method === "ALL" || names.has(name)) return [];
    names.add(name);
    return [{ method, path, kind: must(KINDS[collection], `the kind of ${collection}`) }];
  });
}

beforeAll(async () => {
  [own, foreign] = [await api.newAccount(), await api.newAccount({ name: "theirs" })];
  const { key } = foreign;
  const made = async (path: string, body: object) => String((await api.call(path, { key, body })).body["id"]);
  objects.set("key", String((await api.call("/v1/key", { key })).body["id"]));
  objects.set("alert", await made("/v1/alerts", { kind: "monthly_spend", threshold_usd: "2.5" }));
  objects.set("webhook", await made("/v1/webhooks", { url: "https://example.com/a" }));
  objects.set("file", String((await upload(api, key, "{}")).body["id"]));
  const form = { origin: "https://api.test", "content-type": "application/x-www-form-urlencoded" };
  await api.call("/dashboard/sign-in", { method: "POST", headers: form, body: `key=${key}` });
  const [session] = (await api.call("/v1/sessions", { key })).body["data"] as { id: string }[];
  objects.set("session", must(session, "the session that was begun").id);
  objects.set("batch", await startBatch(api, key, [embeddingLine("1", "a")]));
});

function theirs(kind: IdKind): string {
  return must(objects.get(kind), `the other account's ${kind}`);
}

function ask({ method, path }: Route, key: string, id: string): Promise<ApiAnswer> {
  const body = BODIES[`${method} ${path}`];
  return api.call(path.replace(":id", id), { method, key, ...(body === undefined ? {} : { body }) });
}

test("there are routes with ids, of every kind", () => {
  expect(new Set(ROUTES.map(({ kind }) => kind))).toEqual(new Set(Object.values(KINDS)));
});

describe.each(ROUTES)("$method $path", (route) => {
  test("another account's object is unknown, as one that never was", async () => {
    const id = theirs(route.kind);
    const never = newId(route.kind);
    const answer = await ask(route, own.key, id);
    const nobodys = await ask(route, own.key, never);
    expect(answer.status).toBe(404);
    expect(answer.body["error"]).toMatchObject({ type: "not_found_error", code: "object_not_found" });
    expect(answer.text.replaceAll(id, "{id}")).toBe(nobodys.text.replaceAll(never, "{id}"));
    expect([...answer.headers.keys()].sort()).toEqual([...nobodys.headers.keys()].sort());
  });
});

test("nothing happened to the other account's objects", async () => {
  const get = (path: string) => api.call(path, { key: foreign.key });
  expect(await get(`/v1/keys/${theirs("key")}`)).toMatchObject({ status: 200, body: { name: "theirs" } });
  for (const [collection, kind] of Object.entries(KINDS)) {
    if (kind !== "alert" && kind !== "session")
      expect((await get(`/v1/${collection}/${theirs(kind)}`)).status).toBe(200);
  }
  expect((await get("/v1/alerts")).text).toContain(theirs("alert"));
  expect((await get("/v1/sessions")).text).toContain(theirs("session"));
  expect((await get(`/v1/batches/${theirs("batch")}`)).body["cancelling_at"]).toBeNull();
});

test("lists and books hold one's own alone", async () => {
  const collections = Object.keys(KINDS).map((collection) => `/v1/${collection}`);
  for (const path of [...collections, "/v1/transactions", "/v1/usage?group_by=key", "/v1/account"]) {
    const { status, text } = await api.call(path, { key: own.key });
    expect(status).toBe(200);
    for (const id of [foreign.id, ...objects.values()]) expect(text).not.toContain(id);
  }
});
