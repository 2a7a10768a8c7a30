// A batch without its object's alarms: BatchWork over the real SQLite, R2 and ledger. The test moves the clock, the
// backend answers from memory, and an instance crashes where the test says.

import { env, runInDurableObject } from "cloudflare:test";
import { expect } from "vitest";
import type { TierPrices } from "../../../edge/models/pricing.ts";
import { accountStub } from "../../../edge/account/account-stub.ts";
import { MemoryBudget } from "../../../edge/lib/memory-budget.ts";
import type { BatchPorts } from "../../../edge/batch/batch-ports.ts";
import { BatchStore } from "../../../edge/batch/batch-store.ts";
import { BatchWork } from "../../../edge/batch/batch-work.ts";
import { newBatch } from "../../../edge/batch/snapshot.ts";
import type { BatchOrder, BatchSnapshot, BatchState } from "../../../edge/files/batch-types.ts";
import type { EmbedTexts } from "../../../edge/embedding/types.ts";
import { chunkStoreOf, deleteChunks } from "../../../edge/files/chunk-store.ts";
import { contentOf } from "../../../edge/files/content.ts";
import type { FileRecord } from "../../../edge/files/types.ts";
import { listedModels } from "../../../edge/models/models.ts";
import { apiError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { openAccount } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";
import { MODEL, REVISION_1, tokensOf, vectorOf } from "../support/fake-backends.ts";
import type { OutputLine } from "./support.ts";

const PRICES: TierPrices = { missPerMillion: 4_000_000, hitPerMillion: 2_000_000, minimumNanoUsd: nanoUsd(0) };
const DAY_MS = 86_400_000;

/** Where an instance crashes: at operation number `at`, before or after it took effect. */
export interface Crash {
  readonly at: number;
  readonly when: "before" | "after";
}

/** What survives a crash, and what the test checks in the end. */
export class World {
  readonly account: TestAccount;
  readonly order: BatchOrder;
  readonly computed = new Map<string, number>();
  readonly files = new Map<string, FileRecord>();
  nowMs = Date.now();
  /** Shrink of the first slice: 9 makes it two lines. */
  shrink = 9;
  ended: BatchSnapshot | undefined;
  /** The running instance. */
  work: BatchWork | undefined;
  /** Whether texts that were computed before are hits. */
  caches = false;
  /** The models that the operator offers now. */
  models = listedModels([MODEL]);
  /** How many more times the backend fails. */
  failures = 0;
  /** Called with the texts of each frame before it is answered; may throw a backend's error. */
  onFrame: (words: readonly string[]) => Promise<void> | void = () => undefined;

  get prices(): TierPrices {
    return this.order.prices[MODEL] ?? PRICES;
  }

  constructor(account: TestAccount, order: BatchOrder) {
    this.account = account;
    this.order = order;
  }

  /** A batch of `lines` that has not begun, on an account with `credit` nano-USD. */
  static async open(credit: number, lines: readonly string[], prices: TierPrices = PRICES): Promise<World> {
    const account = await openAccount(credit);
    const fileId = newId("file");
    const content = new TextEncoder().encode(lines.join("\n"));
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
      prices: { [MODEL]: prices },
    });
  }

  /** The ports of one instance. Counts its operations in `done`. */
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
          lastAnnounced: () => undefined,
          tokenize: ({ texts }: { texts: readonly { text: string }[] }) =>
            Promise.resolve({ tokens: texts.map(({ text }) => tokensOf(text)) }),
        },
        embedTexts: this.backend(step),
        memory: new MemoryBudget({ bytes: 0, shrinkTo: () => undefined }, () => this.nowMs),
        models: this.models,
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
          step(async () => {
            if (this.failures-- > 0) throw apiError("backend_unavailable", "away", null, 1);
            const words = texts.map((text) => (text.kind === "text" ? text.text : ""));
            await this.onFrame(words);
            const embedded = words.map((word) => {
              const hit = this.caches && this.computed.has(word);
              this.computed.set(word, (this.computed.get(word) ?? 0) + 1);
              return { vector: vectorOf(word, REVISION_1), tokens: tokensOf(word), hit };
            });
            return { revision: REVISION_1, dimensions: 8, texts: embedded, timings: {} };
          }),
        keep: () => undefined,
      }),
    };
  }

  /** Runs instances one after the other: each ends by its crash, the last one when the batch ends. */
  async run(crashes: readonly (Crash | undefined)[]): Promise<number> {
    const stub = env.BATCH.get(env.BATCH.idFromName(this.order.id));
    return runInDurableObject(stub, async (_, state) => {
      new BatchStore(state.storage).put({ ...newBatch(this.order), shrink: this.shrink });
      let count = 0;
      for (const crash of crashes) {
        const done = { count: 0, crashed: (): void => undefined };
        const crashed = new Promise<"crashed">((resolve) => {
          done.crashed = () => resolve("crashed");
        });
        const work = new BatchWork(stored(state.storage), new BatchStore(state.storage), this.ports(crash, done));
        this.work = work;
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
}

export function stored(storage: DurableObjectStorage): BatchState {
  const state = new BatchStore(storage).get();
  if (state === undefined) throw new Error("nothing is stored");
  return state;
}

/** Simulates a crash: never resolves. */
function hang(crashed: () => void): Promise<never> {
  crashed();
  return new Promise(() => undefined);
}
