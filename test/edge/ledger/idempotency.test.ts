// `Idempotency-Key`: one lease for one call, the charge and the stored answer in one transaction, replays from storage.

import { expect, test } from "vitest";
import type { StrictAdmission, StrictRequest, StrictResult } from "../../../edge/wallet/wallet-types.ts";
import { FRAME_REPLAYS_MAX, STREAM_ROUTE, frameKey, storedFrame } from "../../../edge/ledger/stream-frames.ts";
import { IDEMPOTENCY_BYTES_MAX } from "../../../edge/ledger/types.ts";
import { TestIsolate, openAccount, settlement } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";

const CREDIT = 1_000_000_000;
const ROUTE = "/v1/embeddings";

function ask(
  isolate: TestIsolate,
  account: TestAccount,
  key: string,
  more: Partial<StrictRequest> = {},
): Promise<StrictResult> {
  return isolate.wallet.admitStrict({
    ...isolate.request(account, 100),
    idempotency: { route: ROUTE, key, bodyHash: "body" },
    ...more,
  });
}

function strictly(result: StrictResult): StrictAdmission {
  if (result.kind !== "admitted") throw new Error(JSON.stringify(result));
  return result.admission;
}

const ANSWER = { meta: '{"model":"owner/model"}', vectors: new Uint8Array([1, 2, 3, 4]) };

test("the first answer is replayed, and charged once", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  expect(await strictly(await ask(isolate, account, "k")).commit(settlement(50), ANSWER)).toBe("charged");
  expect(await account.stub.getAccount()).toMatchObject({ chargedNanoUsd: 400, heldNanoUsd: 0 });
  const again = await ask(new TestIsolate(), account, "k");
  expect(again).toMatchObject({ kind: "replay", stored: { meta: ANSWER.meta } });
  if (again.kind === "replay") expect([...again.stored.vectors]).toEqual([1, 2, 3, 4]);
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(400);
});

test("a late copy of the first call's own first message does not begin it again", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  await strictly(await ask(isolate, account, "k")).commit(settlement(50), ANSWER);
  const [first] = isolate.sent;
  if (first === undefined) throw new Error("nothing was sent");
  expect(await account.stub.sync(first)).toMatchObject({ granted: { nanoUsd: 0 }, idempotency: { kind: "replay" } });
  expect(await ask(isolate, account, "k")).toMatchObject({ kind: "replay" });
  expect(await account.stub.getAccount()).toMatchObject({ chargedNanoUsd: 400, heldNanoUsd: 0 });
});

test("a repeat with another body, or while the first call runs, is answered so", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const admission = strictly(await ask(isolate, account, "k"));
  expect(await ask(isolate, account, "k")).toEqual({ kind: "running" });
  expect(await ask(isolate, account, "k", { idempotency: { route: ROUTE, key: "k", bodyHash: "other" } })).toEqual({
    kind: "reused",
  });
  expect(
    await ask(isolate, account, "k", { idempotency: { route: "/v1/rerank", key: "k", bodyHash: "other" } }),
  ).toMatchObject({ kind: "admitted" });
  admission.release({ status: 500 });
});

test("a failed call does not occupy its key", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  strictly(await ask(isolate, account, "k")).release({ status: 503 });
  await Promise.all(isolate.background.splice(0));
  expect(await account.stub.getAccount()).toMatchObject({ chargedNanoUsd: 0, heldNanoUsd: 0 });
  expect(await ask(isolate, account, "k")).toMatchObject({ kind: "admitted" });
});

test("one of 20 concurrent repeats runs, and one charge is made", async () => {
  const account = await openAccount(CREDIT);
  const isolates = [new TestIsolate(), new TestIsolate()];
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, index) => ask(isolates[index % 2] ?? new TestIsolate(), account, "k")),
  );
  const admitted = results.filter(({ kind }) => kind === "admitted");
  expect(admitted).toHaveLength(1);
  expect(results.filter(({ kind }) => kind === "running")).toHaveLength(19);
  for (const result of admitted) await strictly(result).commit(settlement(50), ANSWER);
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(400);
});

test("an answer of 4 MB is stored whole", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const vectors = new Uint8Array(IDEMPOTENCY_BYTES_MAX).map((_, index) => index % 251);
  await strictly(await ask(isolate, account, "big")).commit(settlement(50), { meta: "{}", vectors });
  const again = await ask(isolate, account, "big");
  if (again.kind !== "replay") throw new Error(again.kind);
  expect(again.stored.vectors.byteLength).toBe(vectors.byteLength);
  expect(again.stored.vectors.every((byte, index) => byte === index % 251)).toBe(true);
});

test("a commit without an answer from the object is `unknown`; a repeat of the key finds out", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const admission = strictly(await ask(isolate, account, "k"));
  isolate.intercept = async (message, stub) => {
    await stub.sync(message);
    throw new Error("the connection broke");
  };
  const committing = admission.commit(settlement(50), ANSWER);
  for (let second = 0; second < 12; second += 1) await isolate.clock.pass(1000);
  expect(await committing).toBe("unknown");
  expect(await ask(new TestIsolate(), account, "k")).toMatchObject({ kind: "replay" });
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(400);
});

test("a commit whose answer is lost is sent again and charged once", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const admission = strictly(await ask(isolate, account, "k"));
  let lost = 0;
  isolate.intercept = async (message, stub) => {
    const answer = await stub.sync(message);
    if (lost++ === 0) throw new Error("the connection broke");
    return answer;
  };
  const committing = admission.commit(settlement(50), ANSWER);
  for (let pause = 0; pause < 5; pause += 1) await isolate.clock.pass(100);
  expect(await committing).toBe("charged");
  expect(lost).toBe(2);
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(400);
});

test("the exact count decides for strict calls too, and a refused one leaves nothing held", async () => {
  const account = await openAccount(80);
  const isolate = new TestIsolate();
  const exact = () => Promise.resolve({ tokens: 10, nanoUsd: settlement(10).costNanoUsd });
  expect(await strictly(await ask(isolate, account, "k", { exact })).commit(settlement(10), ANSWER)).toBe("charged");
  expect(await ask(isolate, account, "other", { exact })).toMatchObject({ refusal: { kind: "insufficient_credit" } });
  expect(await account.stub.getAccount()).toMatchObject({ balanceNanoUsd: 0, heldNanoUsd: 0 });
});

test("a strict call of a key without the scope is refused and frees its key", async () => {
  const account = await openAccount(CREDIT, { scopes: ["usage:read"] });
  const isolate = new TestIsolate();
  expect(await ask(isolate, account, "k")).toMatchObject({ refusal: { kind: "scope" } });
  await Promise.all(isolate.background.splice(0));
  expect(await account.stub.getAccount()).toMatchObject({ heldNanoUsd: 0 });
});

test("frames of a stream are listed with their lines, and computed again ten times for nothing", async () => {
  const account = await openAccount(CREDIT);
  const isolate = new TestIsolate();
  const frame = (first: number) => ({
    idempotency: { route: STREAM_ROUTE, key: frameKey("s", first), bodyHash: "body" },
  });
  for (const first of [0, 64, 1000]) {
    const admission = strictly(await ask(isolate, account, "", frame(first)));
    expect(await admission.commit(settlement(50), storedFrame(64))).toBe("charged");
  }
  expect(await account.stub.chargedFrames("s", 1)).toEqual([
    { first: 64, lines: 64 },
    { first: 1000, lines: 64 },
  ]);
  expect(await account.stub.chargedFrames("other", 0)).toEqual([]);
  for (let round = 0; round < FRAME_REPLAYS_MAX; round += 1) {
    expect(await ask(isolate, account, "", frame(64))).toMatchObject({ kind: "replay" });
  }
  expect(await ask(isolate, account, "", frame(64))).toEqual({ kind: "spent" });
  expect(await ask(isolate, account, "", frame(0))).toMatchObject({ kind: "replay" });
  expect((await account.stub.getAccount())?.chargedNanoUsd).toBe(3 * 400);
});

test("a charged call's standing has its own charge in it", async () => {
  const account = await openAccount(CREDIT);
  const admission = strictly(await ask(new TestIsolate(), account, "k"));
  expect(admission.standing().creditNanoUsd).toBe(CREDIT);
  await admission.commit(settlement(50), ANSWER);
  expect(admission.standing().creditNanoUsd).toBe(CREDIT - 400);
});
