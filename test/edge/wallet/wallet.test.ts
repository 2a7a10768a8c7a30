// The wallet against the real object: what is admitted, charged, refused, and how many messages it takes.

import { abortAllDurableObjects } from "cloudflare:test";
import * as fc from "fast-check";
import { expect, test, vi } from "vitest";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { TestIsolate, admissionOf, openAccount, settlement } from "../account/support.ts";

const CREDIT = 1_000_000_000;

test("a settled call is charged, once, after the answer", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const admission = admissionOf(await isolate.admit(account, 100));
  expect(admission.settle(settlement(60))).toBe("charged");
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(0);
  await isolate.report();
  const books = await account.stub.getAccount();
  expect(books?.chargedNanoUsd).toBe(480);
  expect(books?.balanceNanoUsd).toBe(CREDIT - 480);
});

test("a failed call is never charged", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 100)).release({ status: 500 });
  await isolate.report();
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(0);
});

test("whatever the rhythm of calls, all of it is reported without a call after the last one", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          gapMs: fc.constantFrom(1, 20, 200, 700, 1500),
          tokens: fc.constantFrom(10, 100, 1000),
          succeeds: fc.boolean(),
          // Its bound is above all the credit: the exact count decides.
          isCounted: fc.boolean(),
        }),
        { minLength: 1, maxLength: 16 },
      ),
      async (calls) => {
        const account = await openAccount(CREDIT);
        const isolate = new TestIsolate();
        let expected = 0;
        for (const { gapMs, tokens, succeeds, isCounted } of calls) {
          const exact = () => Promise.resolve({ tokens, nanoUsd: settlement(tokens).costNanoUsd });
          const admission = admissionOf(await isolate.admit(account, isCounted ? CREDIT : tokens, { exact }));
          if (succeeds) expected += tokens * 8;
          if (succeeds) admission.settle(settlement(tokens));
          else admission.release({ status: 503 });
          await isolate.clock.pass(gapMs);
        }
        for (let step = 0; step < 12; step += 1) await isolate.clock.pass(250);
        expect(isolate.sent.at(-1)).toMatchObject({ runningNanoUsd: 0 });
        expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(expected);
      },
    ),
    { numRuns: 25 },
  );
});

test("calls that a lease covers make no object call", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  for (let call = 0; call < 30; call += 1) admissionOf(await isolate.admit(account, 100)).settle(settlement(90));
  await isolate.report();
  const before = isolate.sent.length;
  for (let call = 0; call < 10; call += 1) admissionOf(await isolate.admit(account, 100)).settle(settlement(90));
  expect(isolate.sent.length).toBe(before);
  await isolate.report();
  expect(isolate.sent.length).toBe(before + 1);
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(40 * 720);
});

test("of 400 concurrent calls on credit for exactly 50, exactly 50 are admitted and nothing is stranded", async () => {
  const account = await openAccount(50 * 80);
  const isolate = new TestIsolate();
  const results = await Promise.all(Array.from({ length: 400 }, () => isolate.admit(account, 10)));
  const admitted = results.filter(({ kind }) => kind === "admitted");
  expect(admitted).toHaveLength(50);
  for (const result of admitted) admissionOf(result).settle(settlement(10));
  await isolate.report();
  const books = await account.stub.getAccount();
  expect(books).toMatchObject({ balanceNanoUsd: 0, heldNanoUsd: 0, chargedNanoUsd: 4000, writtenOffNanoUsd: 0 });
});

test("the same from four isolates", async () => {
  const account = await openAccount(50 * 80);
  const isolates = Array.from({ length: 4 }, () => new TestIsolate());
  const results = await Promise.all(
    isolates.flatMap((isolate) => Array.from({ length: 100 }, () => isolate.admit(account, 10))),
  );
  const admitted = results.filter(({ kind }) => kind === "admitted");
  expect(admitted).toHaveLength(50);
  for (const result of admitted) admissionOf(result).settle(settlement(10));
  for (const isolate of isolates) await isolate.report();
  expect(await account.stub.getAccount()).toMatchObject({ balanceNanoUsd: 0, heldNanoUsd: 0, chargedNanoUsd: 4000 });
});

test("before a refusal the exact count decides, not the bound", async () => {
  const account = await openAccount(10 * 8);
  const isolate = new TestIsolate();
  const exact = () => Promise.resolve({ tokens: 10, nanoUsd: settlement(10).costNanoUsd });
  const admission = admissionOf(await isolate.admit(account, 500, { exact }));
  expect(admission.settle(settlement(10))).toBe("charged");
  await isolate.report();
  const refused = await isolate.admit(account, 500, { exact });
  expect(refused).toMatchObject({
    kind: "refused",
    refusal: { kind: "insufficient_credit", which: "account", spendableNanoUsd: 0 },
  });
});

test("a call that costs more than there is even at its least is refused without being counted, until credit comes", async () => {
  const account = await openAccount(0);
  const isolate = new TestIsolate();
  const exact = vi.fn(() => Promise.resolve({ tokens: 10, nanoUsd: settlement(10).costNanoUsd }));
  for (let call = 0; call < 3; call += 1) {
    expect(await isolate.admit(account, 500, { exact })).toMatchObject({
      refusal: { kind: "insufficient_credit", neededNanoUsd: 4000, isBound: true, spendableNanoUsd: 0 },
    });
  }
  expect(exact).not.toHaveBeenCalled();
  expect(isolate.sent.length).toBe(3);
  await account.stub.grant({ id: "second", kind: "free", amountNanoUsd: nanoUsd(80) }, "test");
  admissionOf(await isolate.admit(account, 500, { exact })).settle(settlement(10));
  expect(exact).toHaveBeenCalledTimes(1);
});

test("a call that no credit covers by its exact count is refused without the object being asked again", async () => {
  const account = await openAccount(79);
  const isolate = new TestIsolate();
  const exact = () => Promise.resolve({ tokens: 10, nanoUsd: settlement(10).costNanoUsd });
  expect(await isolate.admit(account, 500, { exact })).toMatchObject({
    refusal: { kind: "insufficient_credit", neededNanoUsd: 80, spendableNanoUsd: 79 },
  });
  expect(isolate.sent.length).toBe(1);
});

test("a call whose exact count the lease covers at once reserves it once, and nothing runs when it is over", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  for (let call = 0; call < 30; call += 1) admissionOf(await isolate.admit(account, 100)).settle(settlement(100));
  await isolate.report();
  const exact = () => Promise.resolve({ tokens: 100, nanoUsd: settlement(100).costNanoUsd });
  const sent = isolate.sent.length;
  admissionOf(await isolate.admit(account, CREDIT, { exact })).settle(settlement(100));
  expect(isolate.sent.length - sent).toBe(1); // for the bound; the exact count found enough in the lease
  await isolate.report();
  expect(isolate.sent.at(-1)).toMatchObject({ runningNanoUsd: 0 });
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(31 * 800);
});

test("credit that only other calls hold is credit_held, not out of credit", async () => {
  const account = await openAccount(80);
  const [first, second] = [new TestIsolate(), new TestIsolate()];
  admissionOf(await first.admit(account, 10));
  const refused = await second.admit(account, 10);
  if (refused.kind !== "refused" || refused.refusal.kind !== "credit_held") throw new Error(refused.kind);
  // The other isolate may have died: its lease ends a TTL and a margin later.
  expect(refused.refusal.heldMs).toBeGreaterThan(30_000);
  expect(refused.refusal.heldMs).toBeLessThanOrEqual(35_000);
});

test("what was granted towards a call that is then refused goes back at once", async () => {
  const account = await openAccount(1000);
  const isolate = new TestIsolate();
  expect(await isolate.admit(account, 200)).toMatchObject({ refusal: { kind: "insufficient_credit" } });
  await isolate.clock.pass(0);
  expect(await account.stub.getAccount()).toMatchObject({ heldNanoUsd: 0, spendableNanoUsd: 1000 });
  expect(await new TestIsolate().admit(account, 125)).toMatchObject({ kind: "admitted" });
});

test("a report on demand puts all that this isolate charged to the account into its books, whatever the window", async () => {
  const [account, other] = [await openAccount(CREDIT), await openAccount(CREDIT)];
  const isolate = new TestIsolate();
  for (const one of [account, other]) admissionOf(await isolate.admit(one, 100)).settle(settlement(60));
  await isolate.wallet.report(account.id, (work) => isolate.background.push(work));
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(480);
  expect((await other.stub.getAccount())?.chargedNanoUsd).toBe(0);
  const sent = isolate.sent.length;
  await isolate.wallet.report(account.id, (work) => isolate.background.push(work));
  expect(isolate.sent).toHaveLength(sent);
});

test("a key's cap refuses and is named", async () => {
  const account = await openAccount(CREDIT, { capNanoUsd: settlement(10).costNanoUsd });
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 10)).settle(settlement(10));
  await isolate.report();
  expect(await isolate.admit(account, 10)).toMatchObject({
    refusal: { kind: "insufficient_credit", which: "key_cap" },
  });
});

test("requests stay within the limit whatever the concurrency, and the refusal names it", async () => {
  const account = await openAccount(CREDIT);
  await account.stub.setLimits({ requestsPerMinute: 20 }, "test");
  const isolates = [new TestIsolate(), new TestIsolate(), new TestIsolate()];
  const results = await Promise.all(
    isolates.flatMap((isolate) => Array.from({ length: 30 }, () => isolate.admit(account, 10))),
  );
  expect(results.filter(({ kind }) => kind === "admitted")).toHaveLength(20);
  const refusals = results.flatMap((result) => (result.kind === "refused" ? [result.refusal] : []));
  for (const refusal of refusals)
    expect(refusal).toMatchObject({ kind: "rate_limited", window: "requests", which: "account", limit: 20 });
});

test("a lost answer is asked for again with the identical message, and charged once", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 100)).settle(settlement(60));
  let lost = 0;
  isolate.intercept = async (message, stub) => {
    const answer = await stub.sync(message);
    if (lost++ === 0) throw new Error("the connection broke");
    return answer;
  };
  const flushing = isolate.report();
  await isolate.clock.pass(1000);
  await isolate.clock.pass(1000);
  await flushing;
  expect(lost).toBe(2);
  expect(isolate.sent.at(-1)).toBe(isolate.sent.at(-2));
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(480);
});

test("an object that crashes in traffic loses nothing that was reported, and charges nothing twice", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  for (let round = 0; round < 3; round += 1) {
    const admission = admissionOf(await isolate.admit(account, 100));
    await abortAllDurableObjects();
    admission.settle(settlement(50));
    const reporting = isolate.report();
    for (let pause = 0; pause < 5; pause += 1) await isolate.clock.pass(200);
    await reporting;
    await isolate.report();
  }
  await isolate.report();
  expect(await account.stub.getAccount()).toMatchObject({ chargedNanoUsd: 3 * 400, writtenOffNanoUsd: 0 });
});

test("work whose renewal is refused is cancelled, and not charged", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const admission = admissionOf(await isolate.admit(account, 100));
  await account.stub.setStatus("suspended", "test");
  await isolate.clock.pass(7500);
  await isolate.clock.pass(7500);
  await isolate.clock.pass(0);
  expect(admission.signal.aborted).toBe(true);
  expect(admission.settle(settlement(50))).toBe("lapsed");
  expect(await isolate.admit(account, 100)).toMatchObject({ refusal: { kind: "suspended" } });
});

test("work longer than a lease goes on while its renewals come", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const admission = admissionOf(await isolate.admit(account, 100));
  for (let step = 0; step < 20; step += 1) await isolate.clock.pass(5000);
  expect(admission.signal.aborted).toBe(false);
  expect(admission.settle(settlement(50))).toBe("charged");
  await isolate.report();
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(400);
});

test("a revoked key is refused within one lease TTL everywhere, and from memory afterwards", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 10)).settle(settlement(10));
  await isolate.report();
  await account.stub.revokeKey(account.created.id, "test");
  await isolate.clock.pass(30_000);
  expect(await isolate.admit(account, 10)).toMatchObject({ refusal: { kind: "revoked" } });
  const sent = isolate.sent.length;
  expect(await isolate.admit(account, 10)).toMatchObject({ refusal: { kind: "revoked" } });
  expect(isolate.sent.length).toBe(sent);
});

test("scope, model and address are refused from the rights", async () => {
  const account = await openAccount(CREDIT, {
    scopes: ["embeddings"],
    models: ["owner/other"],
    ipAllow: ["203.0.113.0/24"],
  });
  const isolate = new TestIsolate();
  expect(await isolate.admit(account, 10)).toMatchObject({ refusal: { kind: "model", allowed: ["owner/other"] } });
  expect(await isolate.admit(account, 10, { scope: "rerank" })).toMatchObject({
    refusal: { kind: "scope", needed: "rerank" },
  });
  expect(await isolate.admit(account, 10, { ip: "198.51.100.1" })).toMatchObject({ refusal: { kind: "ip" } });
  expect(await isolate.admit(account, 10, { model: "owner/other", ip: "::ffff:203.0.113.9" })).toMatchObject({
    kind: "admitted",
  });
});

test("an object that does not answer is ledger_unavailable", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  isolate.intercept = () => Promise.reject(new Error("unreachable"));
  const asked = isolate.admit(account, 10);
  for (let second = 0; second < 12; second += 1) await isolate.clock.pass(1000);
  expect(await asked).toMatchObject({ refusal: { kind: "ledger_unavailable" } });
});

test("what a lease decides alone is told without the object: admitted at once, known to be spent, or neither", async () => {
  const [rich, poor] = [await openAccount(CREDIT), await openAccount(0)];
  const isolate = new TestIsolate();
  const { wallet } = isolate;
  const states = () => [rich, poor].map(({ key }) => [wallet.mayAdmitAtOnce(key), wallet.holdsNothing(key)]);
  const unknown = [false, false];
  expect(states()).toEqual([unknown, unknown]);
  expect(wallet.admitAtOnce(isolate.request(rich, 10))).toBeUndefined();

  admissionOf(await isolate.admit(rich, 100)).settle(settlement(60));
  expect(await isolate.admit(poor, 100)).toMatchObject({ kind: "refused" });
  expect(states()).toEqual([
    [true, false],
    [false, true],
  ]);
  const sent = isolate.sent.length;
  expect(wallet.admitAtOnce(isolate.request(poor, 1))).toBeUndefined();
  expect(wallet.admitAtOnce(isolate.request(rich, 1_000_000_000))).toBeUndefined();
  wallet.admitAtOnce(isolate.request(rich, 10))?.settle(settlement(10));
  expect(isolate.sent).toHaveLength(sent);
  await isolate.clock.pass(DEFAULT_SETTINGS.leaseTtlMs);
  expect(states()[1]).toEqual(unknown);
});
