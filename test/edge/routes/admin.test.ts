// The operator's routes, with the real directory (D1) and real account objects: accounts, the audit log, models.
import { env } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import type { Env } from "../../../edge/bindings.ts";
import { createAccount } from "../../../edge/account/create-account.ts";
import { loadModelSettings } from "../../../edge/directory/model-settings.ts";
import { newId } from "../../../shared/ids.ts";
import { stubOf } from "../account/support.ts";
import type { ApiAnswer } from "../support/api.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();

/** A directory whose every statement fails, as a database that is down. */
const BROKEN_DIRECTORY = {
  prepare: () => {
    throw new Error("D1_ERROR: no connection to a database at secret.internal");
  },
} as unknown as D1Database;

const rows = (answer: ApiAnswer) => answer.body["data"] as Record<string, unknown>[];

describe("accounts", () => {
  test("are listed newest first, page by page, each once, behind opaque cursors", async () => {
    const made: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      made.push(String((await api.admin("/admin/accounts", { name: `List ${index}` })).body["id"]));
    }
    const seen: string[] = [];
    let cursor = "";
    do {
      const page: ApiAnswer = await api.admin(`/admin/accounts?limit=2${cursor}`);
      seen.push(...rows(page).map((row) => String(row["id"])));
      cursor = page.body["has_more"] === true ? `&cursor=${String(page.body["next_cursor"])}` : "";
    } while (cursor !== "");
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => made.includes(id)).toSorted()).toEqual(made.toSorted());
  });

  test("show their name, address, age and status, and a suspension is reflected", async () => {
    const { id } = (await api.admin("/admin/accounts", { name: "Ada", email: "ada@example.com" })).body;
    const rowOf = async () => rows(await api.admin("/admin/accounts?limit=100")).find((row) => row["id"] === id);
    expect(await rowOf()).toMatchObject({ object: "account", name: "Ada", email: "ada@example.com", status: "active" });
    await api.admin(`/admin/accounts/${String(id)}`, { status: "suspended" }, "PATCH");
    expect(await rowOf()).toMatchObject({ status: "suspended" });
    await api.admin(`/admin/accounts/${String(id)}`, { status: "active" }, "PATCH");
    expect(await rowOf()).toMatchObject({ status: "active" });
  });

  test("a cursor that is none of ours is refused, an empty one is none", async () => {
    expect((await api.admin("/admin/accounts?cursor=&limit=1")).status).toBe(200);
    for (const cursor of ["x", btoa("[1]"), btoa("{}"), "a".repeat(500)]) {
      expect(await api.admin(`/admin/accounts?cursor=${cursor}`)).toMatchObject({
        status: 400,
        body: { error: { code: "invalid_value", param: "cursor" } },
      });
    }
  });

  test("a row that differs from its account follows it when somebody looks at the books", async () => {
    const { id } = (await api.admin("/admin/accounts", { name: "Differs" })).body;
    await env.DIRECTORY.prepare("UPDATE accounts SET status = 'suspended' WHERE id = ?").bind(id).run();
    await api.admin(`/admin/accounts/${String(id)}`);
    const row = rows(await api.admin("/admin/accounts?limit=100")).find((one) => one["id"] === id);
    expect(row).toMatchObject({ status: "active", charged_nano_usd: 0 });
  });
});

describe("while the directory is down", () => {
  const down = new Api({ DIRECTORY: BROKEN_DIRECTORY });

  test("an account's creation fails cleanly and makes nothing", async () => {
    const before = rows(await api.admin("/admin/accounts?limit=100")).length;
    const answer = await down.admin("/admin/accounts", { name: "Half" });
    expect(answer).toMatchObject({ status: 503, body: { error: { code: "directory_unavailable" } } });
    expect(answer.text).not.toContain("secret.internal");
    expect(rows(await api.admin("/admin/accounts?limit=100"))).toHaveLength(before);
  });

  test("an operator's act is refused before it is done", async () => {
    const { id } = await api.newAccount();
    const grant = await down.admin(`/admin/accounts/${id}/grants`, { amount_usd: 1, kind: "promo" });
    expect(grant.status).toBe(503);
    expect((await api.admin(`/admin/accounts/${id}`)).body["granted_usd"]).toBe("5");
  });

  test("books are still shown", async () => {
    const { id } = await api.newAccount();
    expect(await down.admin(`/admin/accounts/${id}`)).toMatchObject({ status: 200, body: { id } });
  });
});

describe("the audit log", () => {
  test("has every act of the operator, with who, what, when, target and outcome", async () => {
    const id = String((await api.admin("/admin/accounts", { name: "audited" })).body["id"]);
    await api.admin(`/admin/accounts/${id}`, { limits: { requests_per_minute: 7 } }, "PATCH");
    await api.admin(`/admin/accounts/${id}/grants`, { amount_usd: 5, kind: "promo" });
    await api.admin(`/admin/accounts/${id}/keys`, {});
    await api.admin(`/admin/accounts/${id}/grants`, { amount_nano_usd: 7, kind: "paid", id: "own-id" });
    const entries = rows(await api.admin("/admin/audit?limit=5"));
    expect(entries.map(({ action, target, outcome }) => [action, target, outcome])).toEqual([
      ["grant", id, "done"],
      ["key.create", id, "done"],
      ["grant", id, "done"],
      ["account.patch", id, "done"],
      ["account.create", id, "done"],
    ]);
    expect(entries[0]).toMatchObject({ actor: "operator from 127.0.0.1", facts: { amountNanoUsd: 7, id: "own-id" } });
    expect(Number(entries[0]?.["at"])).toBeGreaterThan(1_700_000_000);
  });

  test("names the fault of an act that was refused", async () => {
    const unknown = `acct_${"0".repeat(14)}`;
    await api.admin(`/admin/accounts/${unknown}/grants`, { amount_usd: 1, kind: "promo" });
    const [entry] = rows(await api.admin("/admin/audit?limit=1"));
    expect(entry).toMatchObject({ action: "grant", target: unknown, outcome: "object_not_found" });
  });

  test("holds no key", async () => {
    const { key } = await api.newAccount(); // its key is made by the operator's route
    const log = await api.admin("/admin/audit?limit=200");
    expect(log.text).not.toContain(key);
    expect(log.text).not.toContain(key.slice(20, 40));
  });

  test("is paged by its cursor without a gap", async () => {
    const all = rows(await api.admin("/admin/audit?limit=200")).map((row) => row["id"]);
    const first = await api.admin("/admin/audit?limit=3");
    const second = await api.admin(`/admin/audit?limit=3&cursor=${String(first.body["next_cursor"])}`);
    expect([...rows(first), ...rows(second)].map((row) => row["id"])).toEqual(all.slice(0, 6));
  });
});

describe("the operator's key", () => {
  test("a customer's key, a wrong one and none are refused on every route", async () => {
    const { key } = await api.newAccount();
    for (const path of ["/admin/accounts", "/admin/audit"]) {
      const headers = (address: string) => ({ "cf-connecting-ip": address });
      expect((await api.call(path, { key, headers: headers("198.51.100.1") })).status).toBe(401);
      expect((await api.call(path, { headers: headers("198.51.100.1") })).status).toBe(401);
    }
  });

  test("an address that keeps sending wrong keys is refused for a while, others are not", async () => {
    const from = (address: string, key: string) =>
      api.call("/admin/accounts", { key, headers: { "cf-connecting-ip": address } });
    const tries: number[] = [];
    for (let index = 0; index < 12; index += 1) tries.push((await from("198.51.100.7", "wrong")).status);
    expect(tries).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    const limited = await from("198.51.100.7", "wrong");
    expect(Number(limited.headers.get("retry-after"))).toBeLessThanOrEqual(6);
    expect((await from("198.51.100.8", "wrong")).status).toBe(401);
  });
});

describe("making an account is two writes in two places", () => {
  const rowsOf = async (id: string) =>
    (await env.DIRECTORY.prepare("SELECT status FROM accounts WHERE id = ?").bind(id).all()).results;

  test("the account is in the directory and its object is set up", async () => {
    const id = await createAccount(env, { name: "Ada" }, "operator");
    expect(await rowsOf(id)).toEqual([{ status: "active" }]);
    expect(await stubOf(id).getAccount()).toMatchObject({ name: "Ada", balanceNanoUsd: 0 });
  });

  test("an object that fails leaves no row behind", async () => {
    const id = newId("account");
    const broken = {
      idFromName: (name: string) => env.ACCOUNT.idFromName(name),
      get: () => ({ setUp: () => Promise.reject(new Error("overloaded")) }),
    } as unknown as Env["ACCOUNT"];
    await expect(
      createAccount({ ACCOUNT: broken, DIRECTORY: env.DIRECTORY }, { name: "Half" }, "operator", { id }),
    ).rejects.toThrow("overloaded");
    expect(await rowsOf(id)).toEqual([]);
  });

  test("made again under its id, it stays as it is, also when its object does not answer", async () => {
    const id = await createAccount(env, { name: "Once" }, "operator");
    const broken = {
      idFromName: (name: string) => env.ACCOUNT.idFromName(name),
      get: () => ({ setUp: () => Promise.reject(new Error("overloaded")) }),
    } as unknown as Env["ACCOUNT"];
    const again = { ACCOUNT: broken, DIRECTORY: env.DIRECTORY };
    await expect(createAccount(again, { name: "Twice" }, "operator", { id })).rejects.toThrow("overloaded");
    await createAccount(env, { name: "Twice" }, "operator", { id });
    expect(await rowsOf(id)).toEqual([{ status: "active" }]);
    expect((await stubOf(id).getAccount())?.name).toBe("Once");
  });

  test("a directory that fails leaves no object behind", async () => {
    const id = newId("account");
    await expect(
      createAccount({ ACCOUNT: env.ACCOUNT, DIRECTORY: BROKEN_DIRECTORY }, { name: "Half" }, "operator", { id }),
    ).rejects.toMatchObject({ fault: { code: "directory_unavailable" } });
    expect(await stubOf(id).getAccount()).toBeUndefined();
  });
});

describe("PUT /admin/models", () => {
  const put = (model: string, body: unknown) => api.admin(`/admin/models/${model}`, body, "PUT");

  test("prices are shown by /v1/models and charged by the next call", async () => {
    const set = await put(MODEL, {
      price_nano_usd_per_million_tokens: 20_000_000,
      hit_price_nano_usd_per_million_tokens: 10_000_000,
      batch_price_nano_usd_per_million_tokens: 8_000_000,
      batch_hit_price_nano_usd_per_million_tokens: 1_000_000,
      minimum_charge_nano_usd: 500,
    });
    const pricing = {
      price_nano_usd_per_million_tokens: 20_000_000,
      hit_price_nano_usd_per_million_tokens: 10_000_000,
      batch_price_nano_usd_per_million_tokens: 8_000_000,
      batch_hit_price_nano_usd_per_million_tokens: 1_000_000,
      minimum_charge_nano_usd: 500,
    };
    expect(set).toMatchObject({ status: 200, body: { id: MODEL, operator_status: "live", pricing } });
    expect((await api.call(`/v1/models/${MODEL}`)).body).toMatchObject({ pricing });
    const { key } = await api.newAccount();
    const call = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello" } });
    expect(call.headers.get("x-cost-usd")).toBe("0.0000005");
  });

  test("a field that is not named stays as it is", async () => {
    await put(MODEL, { price_nano_usd_per_million_tokens: 9_000_000, minimum_charge_nano_usd: 0 });
    const { body } = await put(MODEL, { status: "coming_soon" });
    expect(body).toMatchObject({
      status: "coming_soon",
      operator_status: "coming_soon",
      pricing: { price_nano_usd_per_million_tokens: 9_000_000, batch_price_nano_usd_per_million_tokens: 8_000_000 },
    });
    expect((await put(MODEL, { status: "live" })).body).toMatchObject({ operator_status: "live" });
  });

  test("a model that is not offered yet is refused at once, and nothing is charged", async () => {
    await put(MODEL, { status: "coming_soon" });
    const { id, key } = await api.newAccount();
    const call = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello" } });
    expect(call).toMatchObject({ status: 503, body: { error: { code: "model_not_ready", param: "model" } } });
    await put(MODEL, { status: "live" });
    expect((await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello" } })).status).toBe(200);
    expect(Number((await api.admin(`/admin/accounts/${id}`)).body["charged_nano_usd"])).toBeLessThanOrEqual(500);
  });

  test("the copy in KV serves isolates that start while the directory is down", async () => {
    await put(MODEL, { price_nano_usd_per_million_tokens: 7_000_000 });
    const [settings] = await loadModelSettings({ directory: BROKEN_DIRECTORY, kv: env.EMBEDDING_CACHE });
    expect(settings).toMatchObject({ id: MODEL, prices: { priceNanoUsdPerMillion: 7_000_000 } });
  });

  describe("refuses", () => {
    test("an unknown model, and a price that is no whole number of nano-USD in range", async () => {
      expect(await put("owner/none", { status: "live" })).toMatchObject({
        status: 404,
        body: { error: { code: "model_not_found" } },
      });
      for (const price of [-1, 0.5, "8", 2 ** 50]) {
        expect(await put(MODEL, { price_nano_usd_per_million_tokens: price })).toMatchObject({
          status: 400,
          body: { error: { param: "price_nano_usd_per_million_tokens" } },
        });
      }
      expect(await put(MODEL, { price: 1 })).toMatchObject({ status: 400, body: { error: { code: "unknown_field" } } });
    });

    test("whoever is not the operator", async () => {
      const { key } = await api.newAccount();
      expect((await api.call(`/admin/models/${MODEL}`, { method: "PUT", key, body: { status: "live" } })).status).toBe(
        401,
      );
    });
  });
});
