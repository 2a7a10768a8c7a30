// A slice of a batch is charged once, by the attempt that holds its reservation, whatever arrives late or twice.

import { abortAllDurableObjects } from "cloudflare:test";
import { expect, test } from "vitest";
import type { BatchAttempt, BatchCharge, BatchReservation } from "../../../edge/ledger/batch-charge.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { MODEL, openAccount } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";

const CREDIT = 1_000_000;

function attemptOf(account: TestAccount, slice: number, attempt: number, batchId = "batch_1"): BatchReservation {
  const uses = { scopes: ["batches", "embeddings"], models: [MODEL] } as const;
  return { batchId, slice, attempt, keyId: account.created.id, uses };
}

function chargeOf(attempt: BatchAttempt, cost: number): BatchCharge {
  const line = {
    model: MODEL,
    tier: "batch" as const,
    minute: Math.floor(Date.now() / 60_000),
    requests: 3,
    tokens: 100,
    cachedTokens: 0,
    costNanoUsd: nanoUsd(cost),
    savedNanoUsd: nanoUsd(0),
    errors4xx: 0,
    errors5xx: 0,
    latency: {},
  };
  return { ...attempt, costNanoUsd: nanoUsd(cost), lines: [line], receipt: `attempt ${attempt.attempt}` };
}

const books = (account: TestAccount) => account.stub.getAccount();

test("a slice holds its bound, is charged its cost, and returns the rest", async () => {
  const account = await openAccount(CREDIT);
  const attempt = attemptOf(account, 0, 1);
  expect(await account.stub.reserveBatch(attempt, nanoUsd(5000))).toEqual({ kind: "reserved" });
  expect(await books(account)).toMatchObject({ heldNanoUsd: 5000, chargedNanoUsd: 0 });
  expect(await account.stub.chargeBatch(chargeOf(attempt, 400))).toEqual({ kind: "charged", receipt: "attempt 1" });
  expect(await books(account)).toMatchObject({ heldNanoUsd: 0, chargedNanoUsd: 400, balanceNanoUsd: CREDIT - 400 });
});

test("a repeated charge, or a later attempt, gets the first receipt and charges nothing", async () => {
  const account = await openAccount(CREDIT);
  const attempt = attemptOf(account, 0, 1);
  await account.stub.reserveBatch(attempt, nanoUsd(5000));
  await account.stub.chargeBatch(chargeOf(attempt, 400));
  await abortAllDurableObjects();
  expect(await account.stub.chargeBatch(chargeOf(attempt, 400))).toEqual({ kind: "charged", receipt: "attempt 1" });
  const later = attemptOf(account, 0, 2);
  expect(await account.stub.reserveBatch(later, nanoUsd(5000))).toEqual({ kind: "charged", receipt: "attempt 1" });
  expect(await account.stub.chargeBatch(chargeOf(later, 500))).toEqual({ kind: "charged", receipt: "attempt 1" });
  expect(await books(account)).toMatchObject({ chargedNanoUsd: 400, heldNanoUsd: 0 });
});

test("a late charge of an abandoned attempt charges nothing", async () => {
  const account = await openAccount(CREDIT);
  const first = attemptOf(account, 0, 1);
  const second = attemptOf(account, 0, 2);
  await account.stub.reserveBatch(first, nanoUsd(5000));
  await account.stub.reserveBatch(second, nanoUsd(5000));
  expect(await books(account)).toMatchObject({ heldNanoUsd: 5000 });
  expect(await account.stub.chargeBatch(chargeOf(first, 400))).toEqual({ kind: "lapsed" });
  expect(await account.stub.chargeBatch(chargeOf(second, 300))).toMatchObject({ kind: "charged" });
  expect(await books(account)).toMatchObject({ chargedNanoUsd: 300, heldNanoUsd: 0 });
});

test("a reservation outlives a crash of the account, and is charged once", async () => {
  const account = await openAccount(CREDIT);
  const attempt = attemptOf(account, 0, 1);
  await account.stub.reserveBatch(attempt, nanoUsd(5000));
  await abortAllDurableObjects();
  expect((await books(account))?.heldNanoUsd).toBe(5000);
  expect(await account.stub.chargeBatch(chargeOf(attempt, 400))).toMatchObject({ kind: "charged" });
  await abortAllDurableObjects();
  const next = attemptOf(account, 0, 2);
  expect(await account.stub.reserveBatch(next, nanoUsd(5000))).toMatchObject({ kind: "charged" });
  expect(await books(account)).toMatchObject({ chargedNanoUsd: 400, heldNanoUsd: 0 });
});

test("missing credit, held credit and missing rights are refused with their reason", async () => {
  const account = await openAccount(10_000);
  const stub = account.stub;
  expect(await stub.reserveBatch(attemptOf(account, 0, 1), nanoUsd(10_001))).toMatchObject({
    refusal: { kind: "insufficient_credit", which: "account", spendableNanoUsd: 10_000 },
  });
  await stub.reserveBatch(attemptOf(account, 0, 1), nanoUsd(6000));
  expect(await stub.reserveBatch(attemptOf(account, 0, 1, "batch_2"), nanoUsd(6000))).toMatchObject({
    refusal: { kind: "credit_held" },
  });
  await stub.releaseBatch("batch_1");
  expect(await stub.reserveBatch(attemptOf(account, 0, 2, "batch_2"), nanoUsd(6000))).toEqual({ kind: "reserved" });
  await stub.setStatus("suspended", "test");
  expect(await stub.reserveBatch(attemptOf(account, 1, 3, "batch_2"), nanoUsd(1))).toMatchObject({
    refusal: { kind: "suspended" },
  });
  await stub.setStatus("active", "test");
  await stub.revokeKey(account.created.id, "test");
  expect(await stub.reserveBatch(attemptOf(account, 1, 4, "batch_2"), nanoUsd(1))).toMatchObject({
    refusal: { kind: "revoked" },
  });
});

test("a key's cap and the account's usage count batches", async () => {
  const account = await openAccount(CREDIT, { capNanoUsd: nanoUsd(1000) });
  await account.stub.reserveBatch(attemptOf(account, 0, 1), nanoUsd(900));
  await account.stub.chargeBatch(chargeOf(attemptOf(account, 0, 1), 900));
  expect(await account.stub.reserveBatch(attemptOf(account, 1, 2), nanoUsd(101))).toMatchObject({
    refusal: { kind: "insufficient_credit", which: "key_cap", spendableNanoUsd: 100 },
  });
  const nowMs = Date.now();
  const usage = await account.stub.usage({
    startMs: nowMs - 3_600_000,
    endMs: nowMs + 60_000,
    width: "1d",
    groupBy: ["tier"],
    limit: 2,
  });
  const results = usage?.buckets.flatMap((bucket) => bucket.results) ?? [];
  expect(results).toMatchObject([{ tier: "batch", requests: 3, tokens: 100, costNanoUsd: 900 }]);
});

test("a slice costs the account's object three rows: the reservation, the charge and the receipt", async () => {
  const account = await openAccount(CREDIT);
  await account.stub.reserveBatch(attemptOf(account, 0, 1), nanoUsd(900)); // creates the tables
  const before = (await account.stub.operations()).rowsWritten;
  await account.stub.reserveBatch(attemptOf(account, 1, 2), nanoUsd(900));
  await account.stub.chargeBatch(chargeOf(attemptOf(account, 1, 2), 900));
  expect((await account.stub.operations()).rowsWritten - before).toBe(3);
});
