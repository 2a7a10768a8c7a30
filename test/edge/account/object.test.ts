// The account's object through its own methods: set-up, grants, keys, statement, usage, audit, housekeeping.

import { env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { TestIsolate, admissionOf, hashesOf, openAccount, parsed, settlement } from "./support.ts";

const CREDIT = 1_000_000_000;

test("an object that was never set up writes nothing and knows no key", async () => {
  const id = newId("account");
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName(id));
  const stranger = await openAccount(CREDIT);
  const message = {
    session: "s",
    seq: 1,
    secret: await hashesOf(stranger.key),
    spent: { nanoUsd: nanoUsd(0), requests: 0, tokens: 0 },
    lines: [],
    keep: { nanoUsd: nanoUsd(0), requests: 0, tokens: 0 },
    runningNanoUsd: nanoUsd(0),
    waitingNanoUsd: nanoUsd(0),
    want: {
      min: { nanoUsd: nanoUsd(8), requests: 1, tokens: 1 },
      least: { nanoUsd: nanoUsd(8), requests: 1, tokens: 1 },
      target: { nanoUsd: nanoUsd(8), requests: 1, tokens: 1 },
      unit: { nanoUsd: nanoUsd(8), requests: 1, tokens: 1 },
    },
  };
  expect(await stub.sync(message)).toEqual({ kind: "ended", seq: 1, refusal: { kind: "unknown_key" } });
  expect(await stub.getAccount()).toBeUndefined();
  expect(await stub.grant({ id: "g", kind: "free", amountNanoUsd: nanoUsd(5) }, "operator")).toBeUndefined();
  const tables = await runInDurableObject(stub, (_object, state) =>
    state.storage.sql.exec("SELECT count(*) AS n FROM sqlite_master WHERE name NOT LIKE '\\_%' ESCAPE '\\'").one(),
  );
  expect(tables).toEqual({ n: 0 });
});

test("an account is set up once, and its first grant is granted once", async () => {
  const account = await openAccount(CREDIT);
  const grant = { id: "first", kind: "free" as const, amountNanoUsd: nanoUsd(CREDIT) };
  expect(await account.stub.setUp({ accountId: account.id, name: "Again" }, grant, "test")).toBe(false);
  expect(await account.stub.grant(grant, "test")).toBe("repeated");
  expect(await account.stub.getAccount()).toMatchObject({
    name: "Test",
    balanceNanoUsd: CREDIT,
    grantedNanoUsd: CREDIT,
  });
});

test("the statement lists grants, charges by hour, key and model, and refunds, each with its balance", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  for (let call = 0; call < 3; call += 1) admissionOf(await isolate.admit(account, 100)).settle(settlement(100));
  await isolate.report();
  await account.stub.grant({ id: "top", kind: "paid", amountNanoUsd: nanoUsd(500) }, "operator");
  await account.stub.takeBack({ id: "back", kind: "refund", amountNanoUsd: nanoUsd(200) }, "operator");
  expect(await account.stub.takeBack({ id: "back", kind: "refund", amountNanoUsd: nanoUsd(200) }, "operator")).toBe(
    "repeated",
  );
  const page = await account.stub.transactions(undefined, 10);
  expect(
    page?.lines.map(({ kind, amountNanoUsd, balanceAfterNanoUsd }) => [kind, amountNanoUsd, balanceAfterNanoUsd]),
  ).toEqual([
    ["charge", -2400, CREDIT - 2400 + 300],
    ["refund", -200, CREDIT + 300],
    ["topup", 500, CREDIT + 500],
    ["grant", CREDIT, CREDIT],
  ]);
  const first = await account.stub.transactions(undefined, 3);
  expect(first?.lines).toHaveLength(3);
  const second = await account.stub.transactions(first?.before, 3);
  expect(second?.lines.map(({ kind }) => kind)).toEqual(["grant"]);
  expect(second?.before).toBeUndefined();
});

test("a dispute above the balance takes what is there, records the rest and suspends", async () => {
  const account = await openAccount(1000);
  await account.stub.takeBack({ id: "d", kind: "dispute", amountNanoUsd: nanoUsd(5000) }, "operator");
  expect(await account.stub.getAccount()).toMatchObject({
    status: "suspended",
    balanceNanoUsd: 0,
    refundedNanoUsd: 1000,
    receivableNanoUsd: 4000,
  });
  expect(await new TestIsolate().admit(account, 1)).toMatchObject({ refusal: { kind: "suspended" } });
});

test("only a hash of a key's secret is stored", async () => {
  const account = await openAccount(CREDIT);
  const dump = await runInDurableObject(account.stub, (_object, state) =>
    JSON.stringify([
      ...state.storage.sql.exec("SELECT * FROM keys"),
      ...state.storage.sql.exec("SELECT * FROM hot"),
      ...state.storage.sql.exec("SELECT * FROM audit"),
    ]),
  );
  expect(dump).not.toContain(account.created.key);
  expect(dump).not.toContain(account.created.key.slice(20, 40));
  expect(JSON.stringify(await account.stub.listKeys())).not.toContain("hash");
});

test("after a rotation both secrets work until the overlap ends", async () => {
  const account = await openAccount(CREDIT);
  const rotated = await account.stub.rotateKey(account.id, account.created.id, 60_000, "test");
  if (typeof rotated !== "object" || !("key" in rotated)) throw new Error("not rotated");
  const fresh = { ...account, key: await parsed(rotated.key) };
  expect(rotated.id).toBe(account.created.id);
  expect(await new TestIsolate().admit(account, 10)).toMatchObject({ kind: "admitted" });
  expect(await new TestIsolate().admit(fresh, 10)).toMatchObject({ kind: "admitted" });
  await account.stub.rotateKey(account.id, account.created.id, 0, "test");
  expect(await new TestIsolate().admit(account, 10)).toMatchObject({ refusal: { kind: "unknown_key" } });
  expect(await new TestIsolate().admit(fresh, 10)).toMatchObject({ refusal: { kind: "revoked" } });
});

test("a patch changes only the terms that it names, and null removes a term", async () => {
  const account = await openAccount(CREDIT, { capNanoUsd: nanoUsd(100), models: ["a/b"] });
  const patched = await account.stub.patchKey(account.created.id, { name: "renamed", models: null }, "test");
  expect(patched).toMatchObject({ name: "renamed", capNanoUsd: 100 });
  expect(patched).not.toHaveProperty("models");
});

test("an account has at most 100 live keys, and a revoked one makes room", async () => {
  const account = await openAccount(CREDIT);
  const terms = { name: "many", scopes: ["embeddings" as const], cache: "standard" as const };
  for (let key = 1; key < 100; key += 1) await account.stub.createKey(account.id, terms, "test");
  expect(await account.stub.createKey(account.id, terms, "test")).toBe("too_many_keys");
  await account.stub.revokeKey(account.created.id, "test");
  expect(await account.stub.createKey(account.id, terms, "test")).toMatchObject({ name: "many" });
});

test("a reported leak revokes the key", async () => {
  const account = await openAccount(CREDIT);
  expect(await account.stub.reportLeak(account.key.secret, "anyone")).toBe("revoked");
  expect(await account.stub.reportLeak(new Uint8Array(20), "anyone")).toBe("unknown");
  expect(await new TestIsolate().admit(account, 1)).toMatchObject({ refusal: { kind: "revoked" } });
});

test("usage by hour, model and key adds up to the ledger to the nano-dollar", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 100)).settle(settlement(61));
  admissionOf(await isolate.admit(account, 100, { model: "owner/second" })).settle({
    ...settlement(39),
    model: "owner/second",
  });
  admissionOf(await isolate.admit(account, 100)).release({ status: 504 });
  admissionOf(await isolate.admit(account, 100)).release({ status: 499 });
  await isolate.report();
  const nowMs = Date.now();
  const query = { startMs: nowMs - 7_200_000, endMs: nowMs + 3_600_000, width: "1h" as const, limit: 10 };
  const page = await account.stub.usage({ ...query, groupBy: ["model", "key"] });
  const results = page?.buckets.flatMap(({ results: found }) => found) ?? [];
  expect(
    results
      .map(({ model, tokens, requests, errors4xx, errors5xx }) => [model, tokens, requests, errors4xx, errors5xx])
      .sort(),
  ).toEqual([
    ["owner/model", 61, 1, 1, 1],
    ["owner/second", 39, 1, 0, 0],
  ]);
  expect(results.every(({ keyId }) => keyId === account.created.id)).toBe(true);
  const total =
    (await account.stub.usage({ ...query, groupBy: [] }))?.buckets.flatMap(({ results: found }) => found) ?? [];
  const books = await account.stub.getAccount();
  expect(total.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0)).toBe(books?.chargedNanoUsd);
  expect(total[0]?.latencyMs.p50).toBeGreaterThan(0);
  const paged = await account.stub.usage({ ...query, limit: 2, groupBy: [] });
  expect(paged?.buckets).toHaveLength(2);
  expect(paged?.nextPage).toBe(paged?.buckets[1]?.endMs);
});

test("every act is in the audit log, newest first", async () => {
  const account = await openAccount(CREDIT);
  await account.stub.setLimits({ requestsPerMinute: 5, monthlyNanoUsd: nanoUsd(7) }, "operator");
  await account.stub.setStatus("suspended", "operator");
  await account.stub.revokeKey(account.created.id, account.created.id);
  const rows = await account.stub.auditLog(undefined, 10);
  expect(rows.map(({ action }) => action)).toEqual([
    "key.revoke",
    "status",
    "limits",
    "key.create",
    "grant",
    "account.create",
  ]);
});

test("after a deletion the account and its key are unknown", async () => {
  const account = await openAccount(CREDIT);
  await account.stub.deleteAccount();
  expect(await account.stub.getAccount()).toBeUndefined();
  expect(await new TestIsolate().admit(account, 1)).toMatchObject({ refusal: { kind: "unknown_key" } });
});

test("an alarm folds old minutes and deletes ended receipts and stored answers", async () => {
  const account = await openAccount(CREDIT);
  const old = Date.now() - 3 * 86_400_000;
  await runInDurableObject(account.stub, (_object, state) => {
    const cells = {
      keys: [account.created.id],
      models: ["m/m"],
      cells: [[Math.floor(old / 60_000), 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, [1, 1]]],
    };
    state.storage.sql.exec(
      "INSERT INTO segments (level, start_ms, end_ms, body) VALUES (0, ?, ?, ?)",
      old,
      old + 60_000,
      JSON.stringify(cells),
    );
    state.storage.sql.exec("INSERT INTO receipts (name, until_ms, receipt) VALUES ('batch:1', ?, '{}')", old);
    return state.storage.setAlarm(Date.now() + 3_600_000);
  });
  expect(await runDurableObjectAlarm(account.stub)).toBe(true);
  const left = await runInDurableObject(account.stub, (_object, state) => [
    ...state.storage.sql.exec("SELECT level FROM segments"),
    ...state.storage.sql.exec("SELECT * FROM receipts"),
  ]);
  expect(left).toEqual([{ level: 1 }]);
});
