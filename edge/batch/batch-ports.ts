// What a batch reaches outside its own storage: the isolate's services, R2, the account's ledger and its library.

import type { AccountObject } from "../account/account.ts";
import { accountStub } from "../account/account-stub.ts";
import type { Env } from "../bindings.ts";
import type { ChunkStore } from "../files/chunk-store.ts";
import { chunkStoreOf, deleteChunks } from "../files/chunk-store.ts";
import type { LibraryObject } from "../files/library.ts";
import { libraryStub } from "../files/library-stub.ts";
import type { FilePlace } from "../files/types.ts";
import type { Services } from "../services.ts";
import { servicesOf } from "../services.ts";
import type { AccountId } from "../../shared/ids.ts";
import type { BatchSnapshot } from "../files/batch-types.ts";

export interface BatchPorts {
  readonly services: Pick<Services, "pool" | "embedTexts" | "memory" | "models">;
  readonly chunks: ChunkStore;
  /** A new stub each time: one that saw its object crash is broken for good. */
  readonly account: () => Pick<DurableObjectStub<AccountObject>, "reserveBatch" | "chargeBatch" | "releaseBatch">;
  readonly library: () => Pick<DurableObjectStub<LibraryObject>, "addFile"> & {
    /** Hands the ended batch to the library, then announces it to the account's webhooks. */
    endBatch(view: BatchSnapshot): Promise<void>;
  };
  readonly deleteChunks: (place: FilePlace) => Promise<void>;
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly nowMs: () => number;
}

export function batchPorts(env: Env, accountId: AccountId, waitUntil: BatchPorts["waitUntil"]): BatchPorts {
  return {
    services: servicesOf(env),
    chunks: chunkStoreOf(env),
    account: () => accountStub(env, accountId),
    library: () => {
      const library = libraryStub(env, accountId);
      return {
        addFile: (record) => library.addFile(record),
        endBatch: async (view) => {
          await library.endBatch(view);
          await accountStub(env, accountId).announceBatch(view.id, view.status);
        },
      };
    },
    deleteChunks: (place) => deleteChunks(env.FILES, place),
    waitUntil,
    nowMs: () => Date.now(),
  };
}
