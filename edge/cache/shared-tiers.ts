// The tiers that isolates share. Both hold packed entries (entry.ts), so they return only what this deployment stored
// under that name for that account. Neither rejects nor takes longer than its limit: it then counts as empty. A tier
// that keeps failing is left out for a while.

import type { AccountId } from "../../shared/ids.ts";
import { atOnce } from "../lib/at-once.ts";
import { Breaker } from "../backend/breaker.ts";
import type { CacheEntry, EntryCodec } from "./entry.ts";

/** Fewer than a Worker may have open at once (edge/lib/at-once.ts). */
const CONNECTIONS_AT_ONCE = 4;
/** The longest wait for a tier: the GPU takes about as long. */
const KV_TIMEOUT_MS = 250;
const DATA_CENTRE_TIMEOUT_MS = 60;
/** KV's own limit of names in one bulk get. */
const KV_BULK_MAX = 100;
/** Puts of one request: each is a subrequest, and a Worker has 1,000. */
export const KV_WRITES_MAX = 200;
export const KV_LIFE_S = 30 * 24 * 3600;
const DATA_CENTRE_LIFE_S = 24 * 3600;

export type Found = ReadonlyMap<string, CacheEntry>;

export interface SharedTier {
  get(names: readonly string[], accountId: AccountId): Promise<Found>;
  put(entries: ReadonlyMap<string, CacheEntry>): Promise<void>;
}

export interface TierPorts {
  readonly codec: EntryCodec;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/** What the KV tier needs of a KVNamespace. */
export interface KvStore {
  get(names: string[], type: "text"): Promise<Map<string, string | null>>;
  put(name: string, value: string, options: { expirationTtl: number }): Promise<void>;
}

/** Workers KV: in all data centres, for 30 days. Entries are stored as text, because KV's bulk get refuses binary. */
export class KvTier implements SharedTier {
  readonly #store: KvStore;
  readonly #ports: TierPorts;
  readonly #breaker = new Breaker();

  constructor(store: KvStore, ports: TierPorts) {
    this.#store = store;
    this.#ports = ports;
  }

  async get(names: readonly string[], accountId: AccountId): Promise<Found> {
    const { now } = this.#ports;
    if (names.length === 0 || !this.#breaker.admits(accountId, now())) return new Map();
    this.#breaker.begin(accountId, now());
    const bulks = Array.from({ length: Math.ceil(names.length / KV_BULK_MAX) }, (_, bulk) =>
      names.slice(bulk * KV_BULK_MAX, (bulk + 1) * KV_BULK_MAX),
    );
    const found = new Map<string, CacheEntry>();
    const slot = atOnce(CONNECTIONS_AT_ONCE);
    const read = Promise.all(
      bulks.map(async (bulk) => {
        for (const [name, text] of await slot(() => this.#store.get(bulk, "text"))) {
          const entry = text === null ? undefined : await this.#unpack(name, accountId, text);
          if (entry !== undefined) found.set(name, entry);
        }
      }),
    );
    const outcome = await within(read, this.#ports.sleep(KV_TIMEOUT_MS));
    if (outcome === "done") this.#breaker.success();
    else this.#breaker.failure(accountId, now());
    // What arrived within the limit counts. A copy, since what arrives later must not change a map that is in use.
    return new Map(found);
  }

  async put(entries: ReadonlyMap<string, CacheEntry>): Promise<void> {
    if (this.#breaker.state === "open") return;
    const slot = atOnce(CONNECTIONS_AT_ONCE);
    const packed = [...entries].slice(0, KV_WRITES_MAX).map(async ([name, entry]) => {
      const bytes = await this.#ports.codec.pack(name, entry);
      await slot(() => this.#store.put(name, bytes.toBase64(), { expirationTtl: KV_LIFE_S }));
    });
    await Promise.allSettled(packed);
  }

  async #unpack(name: string, accountId: AccountId, text: string): Promise<CacheEntry | undefined> {
    const bytes = fromBase64(text);
    return bytes === undefined ? undefined : this.#ports.codec.unpack(name, accountId, bytes);
  }
}

/** What the data centre's tier needs of a Cache. */
export interface LocalCache {
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
}

/** The data centre's Cache API: free of charge, but each name is a subrequest, so it is for requests of few texts. */
export class DataCentreTier implements SharedTier {
  readonly #open: () => Promise<LocalCache>;
  readonly #origin: () => string;
  readonly #ports: TierPorts;
  readonly #breaker = new Breaker();

  /**
   * `open` is called once a request: a Cache belongs to the request that opened it. `origin`: the Worker's own, as
   * `https://host`.
   */
  constructor(open: () => Promise<LocalCache>, origin: () => string, ports: TierPorts) {
    this.#open = open;
    this.#origin = origin;
    this.#ports = ports;
  }

  async get(names: readonly string[], accountId: AccountId): Promise<Found> {
    const { codec, now } = this.#ports;
    if (names.length === 0 || !this.#breaker.admits(accountId, now())) return new Map();
    this.#breaker.begin(accountId, now());
    const found = new Map<string, CacheEntry>();
    const cache = this.#open();
    const slot = atOnce(CONNECTIONS_AT_ONCE);
    const read = Promise.all(
      names.map(async (name) => {
        const response = await slot(async () => (await cache).match(this.#urlOf(name)));
        if (response === undefined) return;
        const entry = await codec.unpack(name, accountId, new Uint8Array(await response.arrayBuffer()));
        if (entry !== undefined) found.set(name, entry);
      }),
    );
    const outcome = await within(read, this.#ports.sleep(DATA_CENTRE_TIMEOUT_MS));
    if (outcome === "done") this.#breaker.success();
    else this.#breaker.failure(accountId, now());
    return new Map(found);
  }

  async put(entries: ReadonlyMap<string, CacheEntry>): Promise<void> {
    const cache = this.#open();
    const slot = atOnce(CONNECTIONS_AT_ONCE);
    const puts = [...entries].map(async ([name, entry]) => {
      const bytes = await this.#ports.codec.pack(name, entry);
      const headers = { "cache-control": `max-age=${DATA_CENTRE_LIFE_S}` };
      await slot(async () => (await cache).put(this.#urlOf(name), new Response(bytes, { headers })));
    });
    await Promise.allSettled(puts);
  }

  /** On the Worker's own host: Cloudflare caches nothing under another one. No route of the Worker has this path. */
  #urlOf(name: string): string {
    return `${this.#origin()}/embedding-cache/${name}`;
  }
}

async function within(work: Promise<unknown>, limit: Promise<void>): Promise<"done" | "failed" | "late"> {
  return Promise.race([
    work.then(
      () => "done" as const,
      () => "failed" as const,
    ),
    limit.then(() => "late" as const),
  ]);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    // Not base64, so not stored by us: counts as a miss.
    return undefined;
  }
}
