// The canaries of an isolate's models: published once for each revision that is served, by the cron or by the first who
// asks for them, and read from the directory ever after.

import type { Pool } from "../backend/pool.ts";
import type { Directory } from "../directory/directory.ts";
import { describeError, writeLog } from "../lib/log.ts";
import { kindOf } from "../models/kind.ts";
import type { SigningKey } from "../signing/signing-key.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import type { BackendReady } from "../../shared/wire.ts";
import { computeCanaries } from "./compute.ts";
import type { ChainEntry } from "./store.ts";
import { appendCanaries, readChain, readVectors } from "./store.ts";

/** Between two tries for a model: whoever asks meanwhile sees what is there. */
const TRY_AGAIN_MS = 60_000;

export interface CanaryBookPorts {
  readonly directory: Directory;
  readonly pool: Pick<Pool, "announced" | "served" | "embed">;
  readonly signingKey: SigningKey;
  readonly now: () => number;
}

type WaitUntil = (work: Promise<unknown>) => void;

export interface PublishedCanaries {
  readonly chain: readonly ChainEntry[];
  /** Of each revision that is served and published. `vectors`: the text of CanaryVectors. */
  readonly revisions: readonly { readonly revision: string; readonly vectors: string }[];
}

export class CanaryBook {
  readonly #ports: CanaryBookPorts;
  readonly #triedAtMs = new Map<string, number>();

  constructor(ports: CanaryBookPorts) {
    this.#ports = ports;
  }

  /** Publishes what is missing of `models`. Never throws: failures are logged. */
  async keep(models: readonly CatalogModel[], waitUntil: WaitUntil): Promise<void> {
    for (const model of models) {
      try {
        await this.#chainOf(model, waitUntil);
      } catch (error) {
        noteFailure(model, error);
      }
    }
  }

  /** Throws `directory_unavailable`. */
  async read(model: CatalogModel, waitUntil: WaitUntil): Promise<PublishedCanaries> {
    const { directory } = this.#ports;
    const { chain, served } = await this.#chainOf(model, waitUntil);
    const revisions = await Promise.all(
      served.map(async ({ revision }) => ({ revision, vectors: await readVectors(directory, model.id, revision) })),
    );
    return {
      chain: chain.map(({ entry, kid, signature }) => ({ entry, kid, signature })),
      revisions: revisions.flatMap(({ revision, vectors }) => (vectors === null ? [] : [{ revision, vectors }])),
    };
  }

  /** The chain, with entries for all revisions that are served, as far as they could be made. */
  async #chainOf(model: CatalogModel, waitUntil: WaitUntil) {
    const { pool, directory, signingKey, now } = this.#ports;
    const announced = await pool.announced(model.id, waitUntil);
    const served: readonly BackendReady[] = kindOf(model, announced) === "reranker" ? [] : pool.served(model.id);
    let chain = await readChain(directory, model.id);
    for (const ready of served) {
      if (chain.some(({ revision }) => revision === ready.revision)) continue;
      const nowMs = now();
      if (nowMs - (this.#triedAtMs.get(model.id) ?? Number.NEGATIVE_INFINITY) < TRY_AGAIN_MS) break;
      this.#triedAtMs.set(model.id, nowMs);
      try {
        const vectors = await computeCanaries({ pool, waitUntil }, model, ready);
        await appendCanaries(directory, signingKey, chain, {
          model: model.id,
          revision: ready.revision,
          vectors,
          nowMs,
        });
        this.#triedAtMs.delete(model.id);
        chain = await readChain(directory, model.id);
      } catch (error) {
        noteFailure(model, error);
      }
    }
    return { chain, served };
  }
}

function noteFailure({ id }: CatalogModel, error: unknown): void {
  writeLog({ level: "error", event: "canaries_unpublished", model: id, ...describeError(error) });
}
