// A crash at any point of a batch, before or after an operation took effect: every line is delivered once and charged
// once, and nothing that was stored is computed again. A crashed instance hangs for ever at the operation; the next one
// begins from what is durable.

import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { BatchStore } from "../../../edge/batch/batch-store.ts";
import { BatchWork } from "../../../edge/batch/batch-work.ts";
import { newBatch } from "../../../edge/batch/snapshot.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { tokensOf } from "../support/fake-backends.ts";
import { embeddingLine } from "./support.ts";
import type { Crash } from "./world.ts";
import { World, stored } from "./world.ts";

const LINES = 5;
const TEXTS = Array.from({ length: LINES }, (_, index) => `line ${"x".repeat(index)}`);
const COST = TEXTS.reduce((sum, text) => sum + tokensOf(text) * 4, 0);

const open = (credit: number): Promise<World> =>
  World.open(
    credit,
    TEXTS.map((text, index) => embeddingLine(`${index}`, text)),
  );

/** Expects that every line was delivered once, in order, and charged once. */
async function expectExactlyOnce(world: World): Promise<void> {
  expect(world.ended).toMatchObject({ status: "completed", counts: { total: LINES, completed: LINES, failed: 0 } });
  expect(world.ended?.usage.costNanoUsd).toBe(COST);
  const output = await world.lines(world.ended?.outputFileId);
  expect(output.map((line) => line.custom_id)).toEqual(TEXTS.map((_, index) => `${index}`));
  expect(await world.account.stub.getAccount()).toMatchObject({ chargedNanoUsd: COST, heldNanoUsd: 0 });
}

/** The operations of a slice: reserve, embed, store, charge. */
const BEFORE_CHARGE: Crash = { at: 3, when: "before" };

test("without a crash every line is computed and charged once", async () => {
  const world = await open(1_000_000);
  await world.run([undefined]);
  await expectExactlyOnce(world);
  expect([...world.computed.values()]).toEqual(TEXTS.map(() => 1));
});

test("a crash before or after any operation delivers and charges every line once, and computes at most one slice again", async () => {
  const operations = await (await open(1_000_000)).run([undefined]);
  expect(operations).toBeGreaterThanOrEqual(10);
  for (let at = 0; at < operations; at += 1) {
    for (const when of ["before", "after"] as const) {
      const world = await open(1_000_000);
      await world.run([{ at, when }, undefined]);
      await expectExactlyOnce(world);
      const again = [...world.computed.values()].reduce((sum, times) => sum + times - 1, 0);
      expect(again).toBeLessThanOrEqual(4);
      expect(Math.max(...world.computed.values())).toBeLessThanOrEqual(2);
    }
  }
});

test("after crashes at every operation in turn, every line is still delivered and charged once", async () => {
  const world = await open(1_000_000);
  // Each instance gets a little further: to the first operation, the second, …
  const crashes: Crash[] = Array.from({ length: 24 }, (_, index) => ({
    at: Math.floor(index / 2),
    when: index % 2 === 0 ? "before" : "after",
  }));
  await world.run([...crashes, undefined]);
  await expectExactlyOnce(world);
});

test("stored results that the credit no longer covers are not delivered", async () => {
  const world = await open(COST);
  const stub = env.BATCH.get(env.BATCH.idFromName(world.order.id));
  await runInDurableObject(stub, async (_, state) => {
    new BatchStore(state.storage).put({ ...newBatch(world.order), shrink: 9 });
    const done = { count: 0, crashed: (): void => undefined };
    const crashed = new Promise<void>((resolve) => {
      done.crashed = resolve;
    });
    const work = new BatchWork(stored(state.storage), new BatchStore(state.storage), world.ports(BEFORE_CHARGE, done));
    const living = (async () => {
      for (;;) await work.step();
    })();
    await Promise.race([living, crashed]);
    expect(stored(state.storage).pending).toBeDefined();
    await world.account.stub.takeBack({ id: "all", kind: "refund", amountNanoUsd: nanoUsd(COST) }, "test");
    await world.account.stub.setStatus("active", "test");
    const next = new BatchWork(
      stored(state.storage),
      new BatchStore(state.storage),
      world.ports(undefined, { count: 0, crashed: () => undefined }),
    );
    for (let steps = 0; (await next.step()).kind !== "ended"; steps += 1) {
      if (steps > 100) throw new Error("the batch does not end");
      world.nowMs += 60_000;
    }
  });
  const account = await world.account.stub.getAccount();
  expect(account).toMatchObject({ balanceNanoUsd: 0 });
  const output = await world.lines(world.ended?.outputFileId);
  // Exactly the delivered lines were charged, to the nano-dollar.
  const delivered = output.reduce((sum, line) => sum + tokensOf(TEXTS[Number(line.custom_id)] ?? "") * 4, 0);
  expect(account?.chargedNanoUsd).toBe(delivered);
  expect(output.length + (await world.lines(world.ended?.errorFileId)).length).toBe(LINES);
});

test("at the end of its window a batch delivers and charges finished lines, and marks the others as expired", async () => {
  const world = await open(1_000_000);
  world.failures = 3;
  const stub = env.BATCH.get(env.BATCH.idFromName(world.order.id));
  await runInDurableObject(stub, async (_, state) => {
    const store = new BatchStore(state.storage);
    store.put({ ...newBatch(world.order), shrink: 9 });
    const work = new BatchWork(
      stored(state.storage),
      store,
      world.ports(undefined, { count: 0, crashed: () => undefined }),
    );
    while (work.state.completed < 3) await work.step();
    world.nowMs = world.order.expiresAtMs;
    for (let steps = 0; (await work.step()).kind !== "ended"; steps += 1) if (steps > 50) throw new Error("no end");
  });
  const { ended } = world;
  expect(ended?.status).toBe("expired");
  const completed = ended?.counts.completed ?? 0;
  expect(ended?.counts).toEqual({ total: LINES, completed, failed: LINES - completed });
  expect((await world.lines(ended?.outputFileId)).map((line) => line.custom_id)).toEqual(
    TEXTS.slice(0, completed).map((_, index) => `${index}`),
  );
  const errors = await world.lines(ended?.errorFileId);
  expect(errors.map(({ response, error }) => [response, error?.code])).toEqual(
    TEXTS.slice(completed).map(() => [null, "batch_expired"]),
  );
  const paid = TEXTS.slice(0, completed).reduce((sum, text) => sum + tokensOf(text) * 4, 0);
  expect(await world.account.stub.getAccount()).toMatchObject({ chargedNanoUsd: paid, heldNanoUsd: 0 });
});

test("a batch that never read its file expires too", async () => {
  const world = await open(1_000_000);
  world.nowMs = world.order.expiresAtMs;
  await world.run([undefined]);
  expect(world.ended).toMatchObject({ status: "expired", counts: { total: 0, completed: 0, failed: 0 } });
  expect(world.files.size).toBe(0);
});
