// Everything of an account is there at once after a restore and gone at once after a deletion, within one instance of
// the object. A failed turn leaves nothing, not even in memory. What is stored about a key is deleted with it, however
// it ends.

import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { must } from "../../../shared/assert.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { hashesOf, openAccount, parsed, stubOf } from "./support.ts";

const session = { via: "github", name: "octocat", expiresAtMs: Date.UTC(2099, 0) } as const;
const alert = { kind: "balance_below", thresholdNanoUsd: nanoUsd(5) } as const;
const once = { route: "POST /v1/alerts", key: "once", bodyHash: "a" };

async function signIn(id: AccountId) {
  const begun = must(await stubOf(id).beginOwnSession(id, session, "github"), "a session");
  if (begun === "too_many_keys") throw new Error(begun);
  return begun;
}

async function seen(id: AccountId): Promise<object> {
  const stub = stubOf(id);
  return {
    account: await stub.getAccount(),
    keys: await stub.listKeys(),
    alerts: await stub.listAlerts(),
    webhooks: await stub.listWebhooks(),
    sessions: await stub.listSessions(),
    billing: await stub.billing(),
  };
}

async function tableOf(id: AccountId, table: string): Promise<readonly unknown[]> {
  const dump = must(await stubOf(id).dump(), "a dump");
  const { tables } = JSON.parse(dump) as { tables: { name: string; rows: unknown[] }[] };
  return tables.find(({ name }) => name === table)?.rows ?? [];
}

test("everything in a backup is there at once after a restore", async () => {
  const { id, key } = await openAccount(1000);
  const stub = stubOf(id);
  await signIn(id);
  const made = await stub.createAlert(alert, "test", once);
  await stub.createWebhook({ url: "https://example.com/a" }, "test");
  await stub.noteRefusal(await hashesOf(key), "insufficient_credit");
  const before = await seen(id);
  const dump = must(await stub.dump(), "a dump");

  await stub.deleteAccount();
  expect(new Set(Object.values(await seen(id)))).toEqual(new Set([undefined]));
  expect(await stub.restore(dump)).toBe("restored");
  expect(await seen(id)).toEqual(before);
  expect(await stub.createAlert(alert, "test", once)).toEqual({ again: made, secret: null });
  expect(await stub.restore(dump)).toBe("exists");
});

const usd = (count: number) => nanoUsd(count * 1_000_000_000);

test.each([
  ["an alert", (id: AccountId) => stubOf(id).createAlert(alert, "test", once)],
  ["a webhook", (id: AccountId) => stubOf(id).createWebhook({ url: "https://example.com/a" }, "test")],
  ["a session", signIn],
  [
    "automatic top-ups",
    (id: AccountId) =>
      stubOf(id).setAutoTopUp({ thresholdNanoUsd: usd(1), targetNanoUsd: usd(5), monthlyCapNanoUsd: usd(9) }, "test"),
  ],
  ["a grant", (id: AccountId) => stubOf(id).grant({ id: "more", kind: "free", amountNanoUsd: usd(1) }, "test")],
] as const)("a first turn that creates %s and fails at its end changes nothing", async (_, act) => {
  const { id } = await openAccount(1000);
  const before = await seen(id);
  const guard = (statement: string) =>
    runInDurableObject(stubOf(id), (_object, { storage }) => void storage.sql.exec(statement));
  // The row in the audit log is an act's last write.
  await guard("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
  await expect(Promise.resolve(act(id))).rejects.toThrow("the disk is full");
  expect(await seen(id)).toEqual(before);
  await guard("DROP TRIGGER full");
  await act(id);
  expect(await seen(id)).not.toEqual(before);
});

test.each(["revoked", "reported as leaked", "signed out", "signed out everywhere"])(
  "a key's last refusal is deleted when the key is %s",
  async (end) => {
    const { id } = await openAccount(1000);
    const stub = stubOf(id);
    const { session: begun, key } = await signIn(id);
    const { secret } = await parsed(key);
    await stub.noteRefusal(await hashesOf(await parsed(key)), "insufficient_credit");
    expect(await tableOf(id, "refusals")).toHaveLength(1);
    if (end === "revoked") expect(await stub.revokeKey(begun.keyId, "test")).toBe("revoked");
    if (end === "reported as leaked") expect(await stub.reportLeak(secret, "test")).toBe("revoked");
    if (end === "signed out") expect(await stub.endSessions(begun.id, "test")).toBe(1);
    if (end === "signed out everywhere") expect(await stub.endSessions(undefined, "test")).toBe(1);
    expect(await tableOf(id, "refusals")).toEqual([]);
  },
);
