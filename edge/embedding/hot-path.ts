// Puts together what the routes embed with, one of each per isolate: pool, cache tiers, shared computations, memory
// budget.

import { MemoryBudget } from "../lib/memory-budget.ts";
import type { BackendOrigin } from "../backend/pool.ts";
import { Pool } from "../backend/pool.ts";
import { sleep } from "../lib/cancel.ts";
import { EntryCodec } from "../cache/entry.ts";
import { CacheKeys } from "../cache/key.ts";
import { MemoryTier } from "../cache/memory-tier.ts";
import type { KvStore } from "../cache/shared-tiers.ts";
import { DataCentreTier, KvTier } from "../cache/shared-tiers.ts";
import { Tiers } from "../cache/tiers.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import { createEmbedTexts } from "./embed-texts.ts";
import type { EmbedTexts } from "./types.ts";

export interface HotPathOptions {
  readonly backends: readonly BackendOrigin[];
  readonly backendSecret: string;
  readonly cacheSecret: string;
  readonly kv: KvStore;
  /** The Worker's own, as `https://host`. */
  readonly ownOrigin: () => string;
  /** When a slow call is sent to a second backend (backend/pool.ts); undefined: never. */
  readonly hedgeAfterMs?: number | undefined;
  /** What the operator says of them now (backend/pool.ts). */
  readonly superseded: (model: string) => ReadonlySet<ModelRevision>;
}

export interface HotPath {
  readonly pool: Pool;
  readonly embedTexts: EmbedTexts;
  readonly memory: MemoryBudget;
}

/** A named cache of the data centre, apart from the default one, which holds what customers' browsers may see. */
const DATA_CENTRE_CACHE = "embeddings";

export function createHotPath(options: HotPathOptions): HotPath {
  const { hedgeAfterMs } = options;
  const pool = new Pool({
    backends: options.backends,
    secret: options.backendSecret,
    now,
    sleep,
    superseded: options.superseded,
    ...(hedgeAfterMs === undefined ? {} : { hedgeAfterMs }),
  });
  const memoryTier = new MemoryTier();
  const memory = new MemoryBudget(memoryTier, now);
  const ports = { codec: new EntryCodec(options.cacheSecret), now, sleep };
  const tiers = new Tiers({
    memory: memoryTier,
    dataCentre: new DataCentreTier(() => caches.open(DATA_CENTRE_CACHE), options.ownOrigin, ports),
    kv: new KvTier(options.kv, ports),
    memoryBytesMax: () => memory.cacheBytesMax,
  });
  const keys = new CacheKeys(options.cacheSecret);
  return { pool, embedTexts: createEmbedTexts({ pool, keys, tiers, now, sleep }), memory };
}

/** workerd's clock moves only at I/O, which is exact enough for timeouts and freshness. */
function now(): number {
  return Date.now();
}
