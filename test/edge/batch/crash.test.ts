// A crash at any point of a batch, before or after whatever it was doing took effect: every line is delivered once and
// charged once, and nothing that was stored is computed again. A crashed life hangs for ever at the operation; the next
// one begins from what is durable. The object's own SQLite, R2 and the account's ledger are real.

import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { TierPrices } from "../../../edge/pricing.ts";
import { accountStub } from "../../../edge/account-stub.ts";
import { MemoryBudget } from "../../../edge/answer/memory-budget.ts";
import type { BatchPorts } from "../../../edge/batch/batch-ports.ts";
import { BatchStore } from "../../../edge/batch/batch-store.ts";
import { BatchWork } from "../../../edge/batch/batch-work.ts";
import { newBatch } from "../../../edge/batch/snapshot.ts";
import type { BatchOrder, BatchSnapshot, BatchState } from "../../../edge/batch/types.ts";
import type { EmbedTexts } from "../../../edge/embedding/types.ts";
import { chunkStoreOf, deleteChunks } from "../../../edge/files/chunk-store.ts";
import { contentOf } from "../../../edge/files/content.ts";
import type { FileRecord } from "../../../edge/files/types.ts";
import { listedModels } from "../../../edge/models.ts";
import { apiError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { openAccount } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";
import { MODEL, REVISION_1, tokensOf, vectorOf } from "../support/fake-backends.ts";
import { embeddingLine } from "./support.ts";
import type { OutputLine } from "./support.ts";

const LINES = 5;
const PRICES: TierPrices = { missPerMillion: 4_000_000, hitPerMillion: 2_000_000, minimumNanoUsd: nanoUsd(0) };
const TEXTS = Array.from({ length: LINES }, (_, index) => `line ${"x".repeat(index)}`);
const COST = TEXTS.reduce((sum, text) => sum + tokensOf(text) * 4, 0);
const DAY_MS = 86_400_000;

/** Where a life ends: at its `at`-th operation, before or after the operation took effect. */
interface Crash {
  readonly at: number;
  readonly when: "before" | "after";
}

/** What outlives a crash, and what the test looks at in the end. */
class World {
  readonly account: TestAccount;
  readonly order: BatchOrder;
  readonly computed = new Map<string, number>();
  readonly files = new Map<string, FileRecord>();
  nowMs = Date.now();
  ended: BatchSnapshot | undefined;
  /** Makes the backend fail so often. */
  failures = 0;

  constructor(account: TestAccount, order: BatchOrder) {
    this.account = account;
    this.order = order;
  }

  static async open(credit: number): Promise<World> {
    const account = await openAccount(credit);
    const fileId = newId("file");
    const content = new TextEncoder().encode(TEXTS.map((text, index) => embeddingLine(`${index}`, text)).join("\n"));
    const chunk = await chunkStoreOf(env).write({ accountId: account.id, fileId }, "0", content);
    const createdAtMs = Date.now();
    return new World(account, {
      id: newId("batch"),
      accountId: account.id,
      keyId: account.created.id,
      cache: "off",
      endpoint: "/v1/embeddings",
      metadata: null,
      input: { fileId, content: { format: "lines", chunks: [chunk] } },
      createdAtMs,
      expiresAtMs: createdAtMs + DAY_MS,
      outputLifeMs: DAY_MS,
      prices: { [MODEL]: PRICES },
    });
  }

  /** The ports of one life. Counts its operations in `done`. */
  ports(crash: Crash | undefined, done: { count: number; crashed: () => void }): BatchPorts {
    const step = async <Result>(work: () => Promise<Result> | Result): Promise<Result> => {
      const isLast = crash !== undefined && done.count === crash.at;
      done.count += 1;
      if (isLast && crash.when === "before") return hang(done.crashed);
      const result = await work();
      return isLast ? hang(done.crashed) : result;
    };
    const chunks = chunkStoreOf(env);
    const account = () => accountStub(env, this.account.id);
    const ports = {
      services: {
        pool: {
          models: () => [MODEL],
          announced: () => Promise.resolve({ dimensions: 8 }),
          tokenize: ({ texts }: { texts: readonly { text: string }[] }) =>
            Promise.resolve({ tokens: texts.map(({ text }) => tokensOf(text)) }),
        },
        embedTexts: this.backend(step),
        memory: new MemoryBudget({ bytes: 0, shrinkTo: () => undefined }, () => this.nowMs),
        models: listedModels([MODEL]),
      },
      chunks: {
        read: (...args: Parameters<typeof chunks.read>) => chunks.read(...args),
        write: (...args: Parameters<typeof chunks.write>) => step(() => chunks.write(...args)),
      },
      account: () => ({
        reserveBatch: (...args: Parameters<ReturnType<typeof account>["reserveBatch"]>) =>
          step(() => account().reserveBatch(...args)),
        chargeBatch: (...args: Parameters<ReturnType<typeof account>["chargeBatch"]>) =>
          step(() => account().chargeBatch(...args)),
        releaseBatch: (id: string) => account().releaseBatch(id),
      }),
      library: () => ({
        addFile: (record: FileRecord) => step(() => void this.files.set(record.fileId, record)),
        endBatch: (view: BatchSnapshot) =>
          step(() => {
            this.ended = view;
          }),
      }),
      deleteChunks: (place: Parameters<typeof deleteChunks>[1]) => deleteChunks(env.FILES, place),
      waitUntil: () => undefined,
      nowMs: () => this.nowMs,
    };
    return ports as unknown as BatchPorts;
  }

  private backend(step: <Result>(work: () => Promise<Result> | Result) => Promise<Result>): EmbedTexts {
    return {
      start: ({ texts }) => ({
        finish: () =>
          step(() => {
            if (this.failures-- > 0) throw apiError("backend_unavailable", "away", null, 1);
            const words = texts.map((text) => (text.kind === "text" ? text.text : ""));
            for (const word of words) this.computed.set(word, (this.computed.get(word) ?? 0) + 1);
            const embedded = words.map((word) => ({
              vector: vectorOf(word, REVISION_1),
              tokens: tokensOf(word),
              hit: false,
            }));
            return { revision: REVISION_1, dimensions: 8, texts: embedded, timings: {} };
          }),
      }),
    };
  }

  /** Lives of the batch one after the other, each ended by its crash, the last one by the batch's end. */
  async run(crashes: readonly (Crash | undefined)[]): Promise<number> {
    const stub = env.BATCH.get(env.BATCH.idFromName(this.order.id));
    return runInDurableObject(stub, async (_, state) => {
      new BatchStore(state.storage).write({ ...newBatch(this.order), shrink: 9 });
      let count = 0;
      for (const crash of crashes) {
        const done = { count: 0, crashed: (): void => undefined };
        const crashed = new Promise<"crashed">((resolve) => {
          done.crashed = () => resolve("crashed");
        });
        const work = new BatchWork(stored(state.storage), new BatchStore(state.storage), this.ports(crash, done));
        await Promise.race([this.live(work), crashed]);
        count = done.count;
      }
      return count;
    });
  }

  private async live(work: BatchWork): Promise<void> {
    for (let steps = 0; steps < 500; steps += 1) {
      const step = await work.step();
      if (step.kind === "ended") return;
      if (step.kind === "later") this.nowMs += step.delayMs;
    }
    throw new Error("the batch does not end");
  }

  async lines(fileId: string | undefined): Promise<OutputLine[]> {
    const record = fileId === undefined ? undefined : this.files.get(fileId);
    if (record === undefined) return [];
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of contentOf(chunkStoreOf(env), record)) text += decoder.decode(piece, { stream: true });
    expect(new TextEncoder().encode(text)).toHaveLength(record.bytes);
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as OutputLine);
  }

  /** Every line delivered once, in order, and paid for once. */
  async expectExactlyOnce(): Promise<void> {
    expect(this.ended).toMatchObject({ status: "completed", counts: { total: LINES, completed: LINES, failed: 0 } });
    expect(this.ended?.usage.costNanoUsd).toBe(COST);
    const output = await this.lines(this.ended?.outputFileId);
    expect(output.map((line) => line.custom_id)).toEqual(TEXTS.map((_, index) => `${index}`));
    expect(await this.account.stub.getAccount()).toMatchObject({ chargedNanoUsd: COST, heldNanoUsd: 0 });
  }
}

/** The operations of a slice: reserve, embed, store, charge. */
const BEFORE_CHARGE: Crash = { at: 3, when: "before" };

function stored(storage: DurableObjectStorage): BatchState {
  const state = new BatchStore(storage).read();
  if (state === undefined) throw new Error("nothing is stored");
  return state;
}

/** A life that ends here: it never goes on. */
function hang(crashed: () => void): Promise<never> {
  crashed();
  return new Promise(() => undefined);
}

test("without a crash every line is computed and charged once", async () => {
  const world = await World.open(1_000_000);
  await world.run([undefined]);
  await world.expectExactlyOnce();
  expect([...world.computed.values()]).toEqual(TEXTS.map(() => 1));
});

test("a crash before or after any operation delivers and charges every line once, and computes at most one slice again", async () => {
  const operations = await (await World.open(1_000_000)).run([undefined]);
  expect(operations).toBeGreaterThanOrEqual(10);
  for (let at = 0; at < operations; at += 1) {
    for (const when of ["before", "after"] as const) {
      const world = await World.open(1_000_000);
      await world.run([{ at, when }, undefined]);
      await world.expectExactlyOnce();
      const again = [...world.computed.values()].reduce((sum, times) => sum + times - 1, 0);
      expect(again).toBeLessThanOrEqual(4);
      expect(Math.max(...world.computed.values())).toBeLessThanOrEqual(2);
    }
  }
});

test("crash after crash, at every operation in turn, still ends with every line once", async () => {
  const world = await World.open(1_000_000);
  // Each life comes a little further: at the first operation, the second, …
  const crashes: Crash[] = Array.from({ length: 24 }, (_, index) => ({
    at: Math.floor(index / 2),
    when: index % 2 === 0 ? "before" : "after",
  }));
  await world.run([...crashes, undefined]);
  await world.expectExactlyOnce();
});

test("results that were stored and not charged when the credit went are not delivered", async () => {
  const world = await World.open(COST);
  const stub = env.BATCH.get(env.BATCH.idFromName(world.order.id));
  await runInDurableObject(stub, async (_, state) => {
    new BatchStore(state.storage).write({ ...newBatch(world.order), shrink: 9 });
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
  // What was delivered is what was paid for, to the nano-dollar.
  const delivered = output.reduce((sum, line) => sum + tokensOf(TEXTS[Number(line.custom_id)] ?? "") * 4, 0);
  expect(account?.chargedNanoUsd).toBe(delivered);
  expect(output.length + (await world.lines(world.ended?.errorFileId)).length).toBe(LINES);
});

test("at the end of its window a batch delivers and bills what is done, and names the rest as expired", async () => {
  const world = await World.open(1_000_000);
  world.failures = 3;
  const stub = env.BATCH.get(env.BATCH.idFromName(world.order.id));
  await runInDurableObject(stub, async (_, state) => {
    const store = new BatchStore(state.storage);
    store.write({ ...newBatch(world.order), shrink: 9 });
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

test("a batch that never came so far as to read its file expires all the same", async () => {
  const world = await World.open(1_000_000);
  world.nowMs = world.order.expiresAtMs;
  await world.run([undefined]);
  expect(world.ended).toMatchObject({ status: "expired", counts: { total: 0, completed: 0, failed: 0 } });
  expect(world.files.size).toBe(0);
});
