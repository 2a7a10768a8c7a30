// An account's export and its end: everything that is kept is in the one, nothing is left by the other. And the end of a
// key that leaked.
import { env, runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import type { AccountObject } from "../../../edge/account/account.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { TestIsolate, admissionOf, openAccount, parsed, settlement, stubOf } from "../account/support.ts";
import { embeddingLine, startBatch } from "../batch/support.ts";
import type { ApiAnswer } from "../support/api.ts";
import { Api } from "../support/api.ts";

const api = new Api();
const rows = (answer: ApiAnswer, name = "data") => answer.body[name] as Record<string, unknown>[];
const remove = (key: string, confirm?: string) =>
  api.call(`/v1/account${confirm === undefined ? "" : `?confirm=${confirm}`}`, { key, method: "DELETE" });

/** The operator's row of an account. */
async function rowOf(id: string): Promise<Record<string, unknown> | undefined> {
  return rows(await api.admin("/admin/accounts?limit=100")).find((row) => row["id"] === id);
}

describe("GET /v1/account/export", () => {
  test("holds keys, alerts, webhooks, transactions, usage and acts, and no secret", async () => {
    const account = await openAccount(1_000_000_000);
    const { key } = account.created;
    await api.call("/v1/alerts", { key, body: { kind: "daily_spend", threshold_usd: 1 } });
    const hook = await api.call("/v1/webhooks", { key, body: { url: "https://example.com/a" } });
    const isolate = new TestIsolate();
    admissionOf(await isolate.admit(account, 100)).settle(settlement(61));
    await isolate.report();
    const exported = await api.call("/v1/account/export", { key });
    expect(exported.status).toBe(200);
    expect(exported.headers.get("content-disposition")).toContain(`${account.id}.json`);
    expect(exported.body).toMatchObject({
      object: "account.export",
      account: { id: account.id, charged_nano_usd: 488 },
      keys: [{ id: account.created.id }],
      alerts: [{ kind: "daily_spend" }],
      webhooks: [{ url: "https://example.com/a" }],
    });
    expect(rows(exported, "transactions").map(({ kind }) => kind)).toEqual(["charge", "grant"]);
    expect(rows(exported, "usage")).toMatchObject([{ model: "owner/model", input_tokens: 61, cost_nano_usd: 488 }]);
    expect(rows(exported, "audit").map(({ action }) => action)).toContain("webhook.create");
    expect(exported.text).not.toContain(key);
    expect(exported.text).not.toContain(String(hook.body["secret"]));
    expect(exported.text).not.toContain("whsec_");
  });

  test("a HEAD of it has the headers and reads nothing", async () => {
    const { key } = (await openAccount(1000)).created;
    const head = await api.call("/v1/account/export", { key, method: "HEAD" });
    expect([head.status, head.text]).toEqual([200, ""]);
    expect(head.headers.get("content-disposition")).toContain("attachment");
  });

  test("goes through all pages of a long history", async () => {
    const account = await openAccount(1_000_000);
    await runInDurableObject(account.stub, (instance) => {
      const object = instance as AccountObject;
      for (let index = 0; index < 1203; index += 1) {
        object.grant({ id: `g${index}`, kind: "promo", amountNanoUsd: nanoUsd(1) }, "test");
      }
    });
    const exported = await api.call("/v1/account/export", { key: account.created.key });
    expect(rows(exported, "transactions")).toHaveLength(1204);
    expect(new Set(rows(exported, "transactions").map(({ id }) => id)).size).toBe(1204);
    expect(rows(exported, "audit").length).toBeGreaterThanOrEqual(1204);
  });

  test("needs account:write", async () => {
    const account = await openAccount(1000, { scopes: ["usage:read", "keys:write"] });
    expect((await api.call("/v1/account/export", { key: account.created.key })).status).toBe(403);
    expect((await api.call("/v1/account/export")).status).toBe(401);
  });
});

describe("DELETE /v1/account", () => {
  test("without the account's own id as confirmation says what would go, and does nothing", async () => {
    const { id, key } = await api.newAccount();
    const other = await api.newAccount();
    for (const confirm of [undefined, "yes", other.id]) {
      const answer = await remove(key, confirm);
      expect(answer).toMatchObject({ status: 400, body: { error: { code: "invalid_value", param: "confirm" } } });
      expect(answer.text).toContain("credit of $5");
      expect(answer.text).toContain(id);
    }
    expect((await api.call("/v1/account", { key })).status).toBe(200);
    expect((await api.call("/v1/account", { key: other.key })).status).toBe(200);
  });

  test("revokes every key at once, names the credit that is forfeited, and leaves a tombstone without a name", async () => {
    const { id, key } = await api.newAccount();
    const second = String((await api.call("/v1/keys", { key, body: { name: "second" } })).body["key"]);
    const isolate = new TestIsolate();
    const account = { key: await parsed(key) };
    const work = admissionOf(await isolate.wallet.admit(isolate.request(account as never, 10)));
    expect(await remove(key, id)).toMatchObject({
      status: 200,
      body: { id, deleted: true, forfeited_usd: "5", forfeited_nano_usd: 5_000_000_000 },
    });
    for (const text of [key, second]) {
      expect(
        await new TestIsolate().wallet.admit(isolate.request({ key: await parsed(text) } as never, 1)),
      ).toMatchObject({ refusal: { kind: "unknown_key" } });
    }
    // A lease that was out: its work is stopped when it is renewed, and nothing is made again by its report.
    work.settle(settlement(10));
    await isolate.report();
    expect(await stubOf(id as AccountId).getAccount()).toBeUndefined();
    const tables = await runInDurableObject(stubOf(id as AccountId), (_object, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('hot', 'keys', 'outbox')").toArray(),
    );
    expect(tables).toEqual([]);
    expect(await rowOf(id)).toMatchObject({ status: "deleted", name: "", email: null });
    expect(await rowOf(id)).not.toMatchObject({ deleted_at: null });
    const log = rows(await api.admin("/admin/audit?limit=5")).find(({ action }) => action === "account.delete");
    expect(log).toMatchObject({ target: id, outcome: "done", facts: { balanceNanoUsd: 5_000_000_000 } });
    expect((await api.admin(`/admin/accounts/${id}`)).status).toBe(404);
  });

  test("is a 401 afterwards, also where an isolate still holds the key's rights", async () => {
    const { id, key } = await api.newAccount();
    await remove(key, id);
    for (const path of [
      "/v1/account",
      "/v1/key",
      "/v1/keys",
      "/v1/usage",
      "/v1/transactions",
      "/v1/alerts",
      "/v1/webhooks",
    ]) {
      expect(await api.call(path, { key })).toMatchObject({
        status: 401,
        body: { error: { code: "invalid_api_key" } },
      });
    }
  });

  test("in the middle of traffic leaves nothing that a late message could bring back", async () => {
    const { id, key } = await api.newAccount();
    const stub = stubOf(id as AccountId);
    const account = { key: await parsed(key) };
    const isolates = Array.from({ length: 8 }, () => new TestIsolate());
    const traffic = isolates.map(async (isolate) => {
      for (let index = 0; index < 5; index += 1) {
        const result = await isolate.wallet.admit(isolate.request(account as never, 10));
        if (result.kind === "admitted") result.admission.settle(settlement(10));
        await isolate.report();
      }
    });
    await stub.deleteAccount();
    await Promise.all(traffic);
    expect(await stub.getAccount()).toBeUndefined();
  });

  test("ends a batch that runs and deletes its files", async () => {
    const { id, key } = await api.newAccount();
    const batch = await startBatch(api, key, [embeddingLine("a", "text")]);
    expect((await env.FILES.list()).objects.length).toBeGreaterThan(0);
    const others = await env.FILES.list();
    expect((await remove(key, id)).status).toBe(200);
    expect((await env.FILES.list()).objects.length).toBeLessThan(others.objects.length);
    const view = await env.BATCH.get(env.BATCH.idFromName(batch)).view();
    expect(view).toBeUndefined();
  });

  test("while the directory is down nothing is deleted", async () => {
    const down = new Api({
      DIRECTORY: {
        prepare: () => {
          throw new Error("down");
        },
      } as unknown as D1Database,
    });
    const { id, key } = await api.newAccount();
    expect(await down.call(`/v1/account?confirm=${id}`, { key, method: "DELETE" })).toMatchObject({
      status: 503,
      body: { error: { code: "directory_unavailable" } },
    });
    expect((await api.call("/v1/account", { key })).status).toBe(200);
  });

  test("that was cut off is finished by asking again", async () => {
    const { id, key } = await api.newAccount();
    await env.DIRECTORY.prepare("UPDATE accounts SET status = 'deleting' WHERE id = ?").bind(id).run();
    expect((await remove(key, id)).status).toBe(200);
    expect(await rowOf(id)).toMatchObject({ status: "deleted" });
  });

  test("needs account:write", async () => {
    const { id, key } = await api.newAccount({ scopes: ["embeddings", "usage:read", "keys:write"] });
    expect((await remove(key, id)).status).toBe(403);
  });
});

test("the operator's stats count accounts and sum what they reported, deleted ones included", async () => {
  const before = (await api.admin("/admin/stats")).body;
  const account = await api.newAccount();
  const isolate = new TestIsolate();
  admissionOf(await isolate.wallet.admit(isolate.request({ key: await parsed(account.key) } as never, 100))).settle(
    settlement(50),
  );
  await isolate.report();
  await remove(account.key, account.id);
  await env.DIRECTORY.prepare("INSERT INTO wants (model, person, at_ms) VALUES ('owner/new', 'p', 1)").run();
  const after = (await api.admin("/admin/stats")).body;
  const deleted = (stats: Record<string, unknown>) => (stats["accounts"] as { deleted: number }).deleted;
  expect(deleted(after)).toBe(deleted(before) + 1);
  expect(Number(after["charged_nano_usd"])).toBe(Number(before["charged_nano_usd"]) + 400);
  expect(after["wants"]).toEqual([{ model: "owner/new", count: 1 }]);
  expect((await api.call("/admin/stats", { key: account.key })).status).toBe(401);
});

describe("POST /v1/keys/report-leak", () => {
  const report = (body: unknown, address = "203.0.113.9") =>
    api.call("/v1/keys/report-leak", { body, headers: { "cf-connecting-ip": address } });

  test("the key is dead afterwards, nobody had to log in, and the account's log says so", async () => {
    const account = await openAccount(1000);
    const answer = await report({ key: account.created.key });
    expect(answer).toMatchObject({ status: 202, body: { object: "leak_report", received: true } });
    expect(await new TestIsolate().admit(account, 1)).toMatchObject({ refusal: { kind: "revoked" } });
    const [entry] = await account.stub.auditLog(undefined, 1);
    expect(entry).toMatchObject({ actor: "leak report", action: "key.revoke" });
  });

  test("a revoked, a forged and a foreign key get the same answer", async () => {
    const account = await openAccount(1000);
    const { key } = account.created;
    const first = await report({ key });
    const forged = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
    for (const other of [key, forged, "sk-someone-elses", ` ${key} `]) {
      const answer = await report({ key: other });
      expect([answer.status, answer.text]).toEqual([first.status, first.text]);
    }
  });

  test("of a rotated key the old secret alone is revoked, and its holder cannot end the new one", async () => {
    const account = await openAccount(1000);
    const rotated = await account.stub.rotateKey(account.id, account.created.id, 60_000, "test");
    if (typeof rotated !== "object" || !("key" in rotated)) throw new Error("not rotated");
    const fresh = { ...account, key: await parsed(rotated.key) };
    await report({ key: account.created.key });
    await report({ key: account.created.key });
    expect(await new TestIsolate().admit(account, 1)).toMatchObject({ kind: "refused" });
    expect(await new TestIsolate().admit(fresh, 1)).toMatchObject({ kind: "admitted" });
  });

  test("a body without a key is refused, browsers may call", async () => {
    expect(await report({})).toMatchObject({ status: 400, body: { error: { code: "missing_field", param: "key" } } });
    expect((await report({ key: "x" })).headers.get("access-control-allow-origin")).toBe("*");
  });

  test("one address may report thirty keys a minute, another is not held up by it", async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 31; index += 1) statuses.push((await report({ key: "x" }, "198.51.100.20")).status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(30);
    expect(statuses.at(-1)).toBe(429);
    expect((await report({ key: "x" }, "198.51.100.21")).status).toBe(202);
  });
});
