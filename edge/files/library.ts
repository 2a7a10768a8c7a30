// The library of one account: a Durable Object that knows the account's files and batches, off the hot path. Only it
// says what belongs to the account, so another account's id is simply unknown. It also deletes files that expired, were
// deleted or were never finished, even after a crash halfway.

import { DurableObject } from "cloudflare:workers";
import type { BatchSnapshot } from "./batch-types.ts";
import { BATCH_LIMITS } from "./batch-types.ts";
import type { BatchCalls } from "./batch-calls.ts";
import { ACCOUNT_DELETED, endsItself } from "../lib/ends-itself.ts";
import type { AccountId } from "../../shared/ids.ts";
import { MadeOnce } from "../lib/made-once.ts";
import type { Once, Repeat } from "../lib/made-once.ts";
import { deleteAccountChunks, deleteChunks } from "./chunk-store.ts";
import { LibraryStore } from "./library-store.ts";
import type { ListedBatch, Page, PageQuery } from "./library-store.ts";
import type { BatchId, FileFacts, FileId, FilePlace, FilePurpose, FileRecord } from "./types.ts";
import { FILE_LIMITS } from "./types.ts";

/** Files that one alarm deletes. */
const EXPIRED_MAX = 20;
const ALARM_AGAIN_MS = 1000;

export type BeginUpload = "begun" | "too_many_uploads" | "too_many_files" | "storage_full";

/** What the library needs of the Worker's bindings. */
export interface LibraryEnv {
  readonly FILES: R2Bucket;
  readonly BATCH: DurableObjectNamespace<BatchCalls>;
}

export class LibraryObject extends DurableObject<LibraryEnv> {
  private readonly store: LibraryStore;
  private readonly made: MadeOnce;

  constructor(ctx: DurableObjectState, env: LibraryEnv) {
    super(ctx, env);
    this.store = new LibraryStore(ctx.storage.sql);
    this.made = new MadeOnce(ctx.storage.sql);
  }

  /** Begins an upload. Its chunks are deleted a day later unless `finishUpload` is called. */
  async beginUpload(record: FileRecord): Promise<BeginUpload> {
    const { files, storedBytes } = this.store.totals();
    if (files >= FILE_LIMITS.filesMax) return "too_many_files";
    if (storedBytes >= FILE_LIMITS.storedBytesMax) return "storage_full";
    const nowMs = Date.now();
    if (this.store.uploadsSince(nowMs - FILE_LIMITS.uploadsWindowMs) >= FILE_LIMITS.uploadsMax)
      return "too_many_uploads";
    const untilMs = nowMs + FILE_LIMITS.uploadMsMax;
    this.store.putFile(record, "uploading", untilMs);
    await this.wakeAt(untilMs);
    return "begun";
  }

  /**
   * Completes an upload. A repeat of an earlier one is answered with the earlier file, and its own chunks are deleted.
   * False: this upload was deleted meanwhile.
   */
  async finishUpload(record: FileRecord, by: string, once?: Once): Promise<boolean | Repeat<FileFacts> | "reused"> {
    if (this.store.fileState(record.fileId) !== "uploading") return false;
    const { content: _content, ...facts } = record;
    const nowMs = Date.now();
    const before = once === undefined ? undefined : this.made.find<FileFacts>(once, by, nowMs);
    if (before !== undefined) {
      await this.deleteFile(record);
      return before === "reused" ? before : { again: before.again, secret: null };
    }
    if (once !== undefined) this.made.note(once, by, facts, undefined, nowMs);
    await this.addFile(record);
    return true;
  }

  /** Adds a file whose chunks are all stored. Repeating it has no effect. */
  async addFile(record: FileRecord): Promise<void> {
    this.store.putFile(record, "ready", record.expiresAtMs);
    await this.wakeAt(record.expiresAtMs);
  }

  getFile(id: FileId): FileRecord | undefined {
    return this.store.getFile(id, Date.now());
  }

  /** Undefined: `after` is not a file of this account. */
  listFiles(query: PageQuery & { readonly purpose?: FilePurpose }): Page<FileFacts> | undefined {
    return this.store.listFiles(query, Date.now());
  }

  /** Deletes a file or an unfinished upload. It is hidden at once; its chunks are gone when this resolves. */
  async deleteFile(place: FilePlace): Promise<"deleted" | "unknown"> {
    const state = this.store.fileState(place.fileId);
    if (state !== "ready" && state !== "uploading") return "unknown";
    const nowMs = Date.now();
    this.store.hideFile(place.fileId, nowMs);
    await this.wakeAt(nowMs + ALARM_AGAIN_MS); // finishes the deletion after a crash
    await deleteChunks(this.env.FILES, place);
    this.store.dropFile(place.fileId);
    return "deleted";
  }

  /** Records a batch that is about to begin; a repeat is answered with the first one's id. */
  beginBatch(
    view: BatchSnapshot,
    by: string,
    once?: Once,
  ): "begun" | "too_many_batches" | "reused" | { readonly again: BatchId } {
    const before = once === undefined ? undefined : this.made.find<BatchId>(once, by, Date.now());
    if (before !== undefined) return before === "reused" ? before : { again: before.again };
    if (this.store.runningBatches() >= BATCH_LIMITS.runningMax) return "too_many_batches";
    this.store.putBatch(view, false);
    this.store.trimBatches(BATCH_LIMITS.rememberedMax);
    if (once !== undefined) this.made.note(once, by, view.id, undefined, Date.now());
    return "begun";
  }

  /** Takes over an ended batch: its object deletes itself after this. Repeating it has no effect. */
  endBatch(view: BatchSnapshot): void {
    this.store.putBatch(view, true);
  }

  getBatch(id: BatchId): ListedBatch | undefined {
    return this.store.getBatch(id);
  }

  /** Undefined: `after` is not a batch of this account. */
  listBatches(query: PageQuery): Page<ListedBatch> | undefined {
    return this.store.listBatches(query);
  }

  /** Deletes the library with its account: ends running batches, uncharged work included, and deletes every file. */
  async forget(accountId: AccountId): Promise<void> {
    await Promise.all(
      this.store.runningBatchIds().map((id) => endsItself(this.env.BATCH.get(this.env.BATCH.idFromName(id)).forget())),
    );
    await deleteAccountChunks(this.env.FILES, accountId);
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    await this.ctx.storage.sync();
    this.ctx.abort(ACCOUNT_DELETED);
  }

  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    const expired = this.store.expiredFiles(nowMs, EXPIRED_MAX);
    for (const file of expired) {
      this.store.hideFile(file.fileId, nowMs);
      await deleteChunks(this.env.FILES, file);
      this.store.dropFile(file.fileId);
    }
    const nextMs = this.store.earliestExpiryMs();
    if (nextMs !== undefined) await this.ctx.storage.setAlarm(Math.max(nextMs, nowMs + ALARM_AGAIN_MS));
  }

  private async wakeAt(atMs: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > atMs) await this.ctx.storage.setAlarm(atMs);
  }
}
