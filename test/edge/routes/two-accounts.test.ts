// Over every route of a key that takes an id: another account's object is unknown, in the very words for one that never
// was; and nothing happens to it.

import { beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../../shared/ids.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";

const api = new Api();
let own: Awaited<ReturnType<Api["newAccount"]>>;
let foreign: Awaited<ReturnType<Api["newAccount"]>>;
let ownKeyId: string;
let foreignKeyId: string;

beforeAll(async () => {
  [own, foreign] = [await api.newAccount(), await api.newAccount({ name: "theirs" })];
  ownKeyId = await idOf(own.key);
  foreignKeyId = await idOf(foreign.key);
});

async function idOf(key: string): Promise<string> {
  return String((await api.call("/v1/key", { key })).body["id"]);
}

interface Route {
  readonly method: string;
  /** With `{id}` in it. */
  readonly path: string;
  readonly body?: object;
}

const ROUTES: readonly Route[] = [
  { method: "GET", path: "/v1/keys/{id}" },
  { method: "PATCH", path: "/v1/keys/{id}", body: { name: "mine now" } },
  { method: "POST", path: "/v1/keys/{id}/rotate", body: { overlap_s: 60 } },
  { method: "DELETE", path: "/v1/keys/{id}" },
];

function ask({ method, path, body }: Route, key: string, id: string): Promise<ApiAnswer> {
  return api.call(path.replace("{id}", id), { method, key, ...(body === undefined ? {} : { body }) });
}

describe.each(ROUTES)("$method $path", (route) => {
  test("another account's object is unknown, as one that never was", async () => {
    const theirs = await ask(route, own.key, foreignKeyId);
    const nobodys = await ask(route, own.key, newId("key"));
    expect(theirs.status).toBe(404);
    expect(theirs.body["error"]).toMatchObject({ type: "not_found_error", code: "object_not_found" });
    expect(theirs.text.replaceAll(foreignKeyId, "{id}")).toBe(nobodys.text.replaceAll(/key_[0-9A-Za-z]+/g, "{id}"));
    expect([...theirs.headers.keys()].sort()).toEqual([...nobodys.headers.keys()].sort());
  });
});

test("nothing happened to the other account's key, and one's own is known", async () => {
  expect(await api.call(`/v1/keys/${foreignKeyId}`, { key: foreign.key })).toMatchObject({
    status: 200,
    body: { id: foreignKeyId, name: "theirs" },
  });
  expect(await idOf(foreign.key)).toBe(foreignKeyId);
  expect((await api.call(`/v1/keys/${ownKeyId}`, { key: own.key })).status).toBe(200);
});

test("lists and books hold one's own alone", async () => {
  for (const path of ["/v1/keys", "/v1/transactions", "/v1/usage?group_by=key", "/v1/account"]) {
    const { status, text } = await api.call(path, { key: own.key });
    expect(status).toBe(200);
    expect(text).not.toContain(foreignKeyId);
    expect(text).not.toContain(foreign.id);
  }
});
