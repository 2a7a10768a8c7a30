// Terms of a key as they are asked for and as they are stored: one that could never work is refused when it is made or
// changed, and what is stored has one spelling. Keys that are older than these checks go on, and are marked.

import { beforeAll, describe, expect, test } from "vitest";
import { must } from "../../../shared/assert.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { parseId } from "../../../shared/ids.ts";
import { stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const BARE = MODEL.slice(MODEL.indexOf("/") + 1);
let owner: { readonly id: string; readonly key: string };
let id: string;

beforeAll(async () => {
  owner = await api.newAccount();
  id = String((await create({})).body["id"]);
});

function create(terms: object): Promise<ApiAnswer> {
  return api.call("/v1/keys", { key: owner.key, body: terms });
}

function patch(terms: object, key = id): Promise<ApiAnswer> {
  return api.call(`/v1/keys/${key}`, { key: owner.key, method: "PATCH", body: terms });
}

const NEVER: readonly (readonly [param: string, terms: object])[] = [
  ["expires_at", { expires_at: 1 }],
  ["expires_at", { expires_at: Math.floor(Date.now() / 1000) - 1 }],
  ["models", { models: [] }],
  ["models[0]", { models: [""] }],
  ["models[1]", { models: [MODEL, `${MODEL}x`] }],
  ["scopes", { scopes: [] }],
  ["ip_allow", { ip_allow: [] }],
  ["cap_nano_usd", { cap_nano_usd: 0 }],
  ["cap_reset", { cap_reset: "day" }],
  ["name", { name: "   " }],
  ...[
    "127.1",
    "0177.0.0.1",
    "010.0.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "2130706433",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "10.1.2.3/8",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0 /8",
    "fe80::1%eth0",
    "fe80::%eth0/64",
    "2001:db8::1/32",
    "::ffff:010.0.0.1",
    "::ffff:0x7f.1",
    "::ffff:10.0.0.0/90",
    "localhost",
    "",
  ].map((range) => ["ip_allow[0]", { ip_allow: [range] }] as const),
];

describe("a key that could never work", () => {
  test.each(NEVER)("is not made: %s of %o", async (param, terms) => {
    expect(await create(terms)).toMatchObject({ status: 400, body: { error: { param } } });
  });

  test.each(NEVER)("nor made of one that works: %s of %o", async (param, terms) => {
    expect(await patch(terms)).toMatchObject({ status: 400, body: { error: { param } } });
  });

  test("nor by the operator", async () => {
    const answer = await api.admin(`/admin/accounts/${owner.id}/keys`, { models: ["no/such"] });
    expect(answer).toMatchObject({ status: 400, body: { error: { param: "models[0]" } } });
  });

  test("a model that is not there is told with the nearest", async () => {
    expect((await create({ models: [`${MODEL}x`] })).text).toContain(`did you mean \`${MODEL}\``);
  });
});

describe("what is stored", () => {
  test.each([
    [{ models: [BARE, MODEL] }, { models: [MODEL] }],
    [{ scopes: ["batches", "embeddings", "batches"] }, { scopes: ["embeddings", "batches"] }],
    [{ name: "  Search  " }, { name: "Search" }],
    [{ ip_allow: ["2001:DB8:0:0::1"] }, { ip_allow: ["2001:db8::1"] }],
    [{ ip_allow: ["::ffff:10.0.0.0/104", "10.0.0.0/8"] }, { ip_allow: ["10.0.0.0/8"] }],
    [
      { ip_allow: ["10.0.0.1/32", "2001:db8::/32", "0.0.0.0/0"] },
      { ip_allow: ["10.0.0.1", "2001:db8::/32", "0.0.0.0/0"] },
    ],
  ])("of %o is %o", async (terms, stored) => {
    expect(await create(terms)).toMatchObject({ status: 201, body: stored });
    expect(await patch(terms)).toMatchObject({ status: 200, body: stored });
  });
});

test("a cap may be set with its reset in one PATCH, and the reset alone once there is a cap", async () => {
  const key = String((await create({})).body["id"]);
  expect(await patch({ cap_nano_usd: 5, cap_reset: "day" }, key)).toMatchObject({ status: 200 });
  expect(await patch({ cap_reset: "week" }, key)).toMatchObject({
    status: 200,
    body: { cap_nano_usd: 5, cap_reset: "week" },
  });
});

test("older keys that can do nothing go on as they are, and are marked in the list", async () => {
  const account = await api.newAccount();
  const stub = stubOf(must(parseId("account", account.id), "an account"));
  const base = { name: "old", scopes: ["embeddings"], cache: "standard" } as const;
  const old = [
    { ...base, models: ["no/such"] },
    { ...base, models: [] },
    { ...base, scopes: [] },
    { ...base, ipAllow: [] },
    { ...base, capNanoUsd: nanoUsd(0) },
    { ...base, expiresAtMs: 1 },
    { ...base, ipAllow: ["127.1"] },
  ];
  const made = await Promise.all(
    old.map((terms) => stub.createKey(must(parseId("account", account.id), "id"), terms, "test")),
  );
  const { body } = await api.call("/v1/keys", { key: account.key });
  const listed = new Map(
    (body["data"] as { id: string; unusable_because: string | null }[]).map((key) => [key.id, key]),
  );
  const marks = made.map((key) => (typeof key === "object" && "id" in key ? listed.get(key.id)?.unusable_because : ""));
  expect(marks.map((mark) => mark !== null)).toEqual([true, true, true, true, true, true, false]);
});
