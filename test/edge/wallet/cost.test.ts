// What a request costs in operations, counted on the real object: the figures behind `npm run bench:cost`.

import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { AccountObject } from "../../../edge/account/account.ts";
import type { SyncAnswer, SyncMessage } from "../../../edge/ledger/types.ts";
import { must } from "../../../shared/assert.ts";
import { runScenario } from "../../bench/cost/worker/scenario.ts";
import type { Counted, Scenario } from "../../bench/cost/worker/scenario.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { TestIsolate, admissionOf, hashesOf, openAccount, settlement } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";

const CREDIT = 5_000_000_000;
/** What the first answer of a segment writes beside its own row. */
const SEGMENT_ROWS = 2;

async function counted(account: TestAccount, scenario: Scenario): Promise<Counted & { readonly rows: number }> {
  await account.stub.setLimits({ requestsPerMinute: 6000, tokensPerMinute: 100_000_000 }, "test");
  const before = (await account.stub.operations()).rowsWritten;
  const traffic = {
    time: new VirtualTime(Date.now()),
    key: account.key,
    hashes: await hashesOf(account.key),
    stub: () => account.stub,
  };
  const result = await runScenario(scenario, traffic);
  return { ...result, rows: (await account.stub.operations()).rowsWritten - before };
}

test("a busy account writes at most one row and makes one object call for ten requests", async () => {
  const result = await counted(await openAccount(CREDIT), { isolates: 1, seconds: 60, everyMs: 100, even: false });
  expect(result.requests).toBeGreaterThan(500);
  expect(result.objectCalls).toBeLessThan(result.requests / 10);
  expect(result.rows).toBeLessThan(result.requests / 10);
  expect(result.waited).toBeLessThan(result.requests / 100);
});

test("a sparse account writes one row and makes one object call a request, and waits for none but the first", async () => {
  const result = await counted(await openAccount(CREDIT), { isolates: 1, seconds: 600, everyMs: 20_000, even: true });
  expect(result.requests).toBe(30);
  expect(result.objectCalls).toBeLessThanOrEqual(31);
  expect(result.rows).toBeLessThanOrEqual(31);
  expect(result.waited).toBe(1);
});

test("a rare request writes two rows: its lease, which must outlive an eviction, and its charge", async () => {
  const result = await counted(await openAccount(CREDIT), { isolates: 1, seconds: 3600, everyMs: 300_000, even: true });
  expect(result.requests).toBe(12);
  expect(result.objectCalls).toBe(24);
  expect(result.rows).toBe(24);
});

test("a call under an `Idempotency-Key` writes two rows, and its answer goes without one", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const before = await account.stub.operations();
  for (const key of ["one", "two", "three"]) {
    const result = await isolate.wallet.admitStrict({
      ...isolate.request(account, 100),
      idempotency: { route: "/v1/embeddings", key, bodyHash: "body" },
    });
    if (result.kind !== "admitted") throw new Error(result.kind);
    await result.admission.commit(settlement(50), { meta: "{}", vectors: new Uint8Array(512) });
  }
  const after = await account.stub.operations();
  expect(after.syncs - before.syncs).toBe(6);
  // Of all three: the table of their segment and the alarm that drops it.
  expect(after.rowsWritten - before.rowsWritten).toBeLessThanOrEqual(3 * 2 + SEGMENT_ROWS);
  const answered = after.rowsWritten;
  await runInDurableObject(account.stub, (instance, state) => {
    expect(state.storage.sql.exec("DROP TABLE answers_1").rowsWritten).toBe(0);
    expect((instance as AccountObject).operations().rowsWritten).toBe(answered);
  });
});

test("syncs that arrive together share one commit and one row", async () => {
  const account = await openAccount(CREDIT);
  const isolates = Array.from({ length: 20 }, () => new TestIsolate());
  const admissions = await Promise.all(isolates.map((isolate) => isolate.admit(account, 10)));
  const before = await account.stub.operations();
  for (const admission of admissions) admissionOf(admission).settle(settlement(10));
  // Held back until all are there: "together" must not depend on how fast the machine is.
  const held: { readonly message: SyncMessage; readonly answered: (answer: SyncAnswer) => void }[] = [];
  for (const isolate of isolates) {
    isolate.intercept = (message) => new Promise((answered) => held.push({ message, answered }));
  }
  const reported = Promise.all(isolates.map((isolate) => isolate.report()));
  await expect.poll(() => held.length).toBe(20);
  const answers = await runInDurableObject(account.stub, (instance) => {
    const object = instance as AccountObject;
    return Promise.all(held.map(({ message }) => object.sync(message)));
  });
  for (const [index, { answered }] of held.entries()) answered(must(answers[index], "an answer a message"));
  await reported;
  const after = await account.stub.operations();
  expect(after.syncs - before.syncs).toBe(20);
  expect(after.commits - before.commits).toBe(1);
  expect(after.rowsWritten - before.rowsWritten).toBe(after.commits - before.commits);
});

test("a refused call writes nothing but its line in the usage, many in one row", async () => {
  const account = await openAccount(0);
  const isolate = new TestIsolate();
  const before = (await account.stub.operations()).rowsWritten;
  for (let call = 0; call < 20; call += 1) expect(await isolate.admit(account, 100)).toMatchObject({ kind: "refused" });
  await isolate.clock.pass(10_000);
  expect((await account.stub.operations()).rowsWritten).toBe(before);
});

test("refused calls that come together share messages, and write a row only for their report", async () => {
  const account = await openAccount(0);
  const isolate = new TestIsolate();
  const refuse = async (): Promise<void> => {
    const { key, model, tier, waitUntil } = isolate.request(account, 100);
    expect(await isolate.admit(account, 100)).toMatchObject({ kind: "refused" });
    await isolate.wallet.noteRefused({ key, model, tier, status: 402, waitUntil });
  };
  await refuse();
  const before = await account.stub.operations();
  // All within the window of one report: the clock stands still.
  const caller = async (turns: number): Promise<void> => {
    for (let call = 0; call < 10; call += 1) {
      await refuse();
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, turns) => caller(turns)));
  const after = await account.stub.operations();
  expect(after.syncs - before.syncs).toBeLessThanOrEqual(30);
  expect(after.rowsWritten).toBe(before.rowsWritten);
  await isolate.report();
  expect((await account.stub.operations()).rowsWritten).toBeGreaterThan(before.rowsWritten);
  const nowMs = Date.now();
  const range = { startMs: nowMs - 7_200_000, endMs: nowMs + 3_600_000, width: "1h" as const, groupBy: [], limit: 10 };
  const page = await account.stub.usage(range);
  const errors = page?.buckets.flatMap(({ results }) => results).map(({ errors4xx }) => errors4xx) ?? [];
  expect(errors.reduce((sum, count) => sum + count, 0)).toBe(81);
});
