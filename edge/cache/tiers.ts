// All tiers as one cache: the isolate's memory, the data centre, KV, nearest first. admission.ts decides what may be
// looked up in and written to KV; an `eager` key always may. What a tier finds is copied to the nearer ones. Shared
// tiers are filled after the answer.

import { LRUCache } from "lru-cache";
import type { AccountId } from "../../shared/ids.ts";
import type { AdmissionInputs } from "./admission.ts";
import { dataCentrePays, lookUpPays, tokensMin, writePays } from "./admission.ts";
import { DataCentreRecord } from "./data-centre-record.ts";
import type { CacheEntry } from "./entry.ts";
import { KvRecord } from "./kv-record.ts";
import type { MemoryTier } from "./memory-tier.ts";
import { KV_WRITES_MAX } from "./shared-tiers.ts";
import type { Found, SharedTier } from "./shared-tiers.ts";
import { Sightings } from "./sightings.ts";

/**
 * Share of the memory tier that one request may fill: a scan of 2,048 new texts must not push out what others reuse.
 */
const STORE_SHARE_MAX = 1 / 4;
/** Requests of more texts skip the data centre's tier: every name is a subrequest. */
const DATA_CENTRE_TEXTS_MAX = 16;
/** Accounts whose records an isolate keeps. */
const RECORDS_MAX = 4096;

/**
 * A key's setting. `off`: nothing is read or written; `standard`: the admission policy decides; `eager`: every tier.
 */
export type CacheMode = "off" | "standard" | "eager";

/** One call's use of the cache. */
export interface CacheUse {
  readonly accountId: AccountId;
  readonly mode: Exclude<CacheMode, "off">;
  /** The model's own prices, which decide whether the shared tiers pay. */
  readonly admission: AdmissionInputs;
  /** The names in the shared tiers of entries by their names here, in the same order. */
  readonly sharedNames: (names: readonly string[]) => Promise<readonly string[]>;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** A text to look up: its name here, and about how many tokens it has, by which the policy judges the look-up. */
export interface Named {
  readonly name: string;
  readonly tokensAbout: number;
}

export interface TiersPorts {
  readonly memory: MemoryTier;
  readonly dataCentre: SharedTier;
  readonly kv: SharedTier;
  /** Bytes that the isolate's memory leaves to the cache now (lib/memory-budget.ts). */
  readonly memoryBytesMax: () => number;
}

/** How the shared tiers have served one account. */
interface Records {
  readonly kv: KvRecord;
  readonly dataCentre: DataCentreRecord;
}

export class Tiers {
  readonly #ports: TiersPorts;
  readonly #sightings = new Sightings();
  readonly #records = new LRUCache<AccountId, Records>({ max: RECORDS_MAX });

  constructor(ports: TiersPorts) {
    this.#ports = ports;
  }

  /** The entry in this isolate's memory, if it is there; no I/O. */
  peek(name: string, accountId: AccountId): CacheEntry | undefined {
    return this.#ports.memory.get(name, accountId);
  }

  /**
   * Entries by name, from any tier that may be asked: at once where that is memory alone. Never rejects: a tier that fails
   * counts as empty.
   */
  lookUp(texts: readonly Named[], use: CacheUse): Found | Promise<Found> {
    const found = new Map<string, CacheEntry>();
    for (const { name } of texts) {
      this.#sightings.note(name);
      const entry = this.peek(name, use.accountId);
      if (entry !== undefined) found.set(name, entry);
    }
    const isSmall = texts.length <= DATA_CENTRE_TEXTS_MAX;
    const near = isSmall ? this.#nearOf(missing(texts, found), use) : [];
    return near.length === 0 ? this.#lookUpFar(texts, found, use) : this.#lookUpNear(texts, near, found, use);
  }

  async #lookUpNear(
    texts: readonly Named[],
    near: readonly Named[],
    found: Map<string, CacheEntry>,
    use: CacheUse,
  ): Promise<Found> {
    const { dataCentre: record } = this.#recordsOf(use.accountId);
    const entries = await this.#ask(this.#ports.dataCentre, near, use);
    for (const { name } of near) record.looked(entries.has(name));
    this.#keep(found, entries);
    return this.#lookUpFar(texts, found, use);
  }

  #lookUpFar(texts: readonly Named[], found: Map<string, CacheEntry>, use: CacheUse): Found | Promise<Found> {
    this.#writeKv(found, use);
    const far = this.#farOf(missing(texts, found), use);
    return far.length === 0 ? found : this.#askKv(texts, far, found, use);
  }

  async #askKv(
    texts: readonly Named[],
    far: readonly Named[],
    found: Map<string, CacheEntry>,
    use: CacheUse,
  ): Promise<Found> {
    const { kv: record } = this.#recordsOf(use.accountId);
    const entries = await this.#ask(this.#ports.kv, far, use);
    for (const { name } of far) record.looked(entries.has(name));
    for (const name of entries.keys()) this.#sightings.stored(name);
    this.#keep(found, entries);
    if (texts.length <= DATA_CENTRE_TEXTS_MAX) this.#writeDataCentre(entries, use);
    return found;
  }

  /** Stores computed vectors: in memory at once, in the shared tiers after the answer. */
  store(entries: Found, use: CacheUse): void {
    const { memory, memoryBytesMax } = this.#ports;
    const shareMax = memory.bytesMax * STORE_SHARE_MAX;
    let bytes = 0;
    for (const [name, entry] of entries) {
      bytes += entry.vector.byteLength;
      if (bytes <= shareMax) memory.put(name, entry);
    }
    memory.shrinkTo(memoryBytesMax());
    if (entries.size <= DATA_CENTRE_TEXTS_MAX) this.#writeDataCentre(entries, use);
    this.#writeKv(entries, use);
  }

  #keep(found: Map<string, CacheEntry>, entries: Found): void {
    for (const [name, entry] of entries) {
      found.set(name, entry);
      this.#ports.memory.put(name, entry);
    }
  }

  /** The texts of which the data centre's cache is asked. */
  #nearOf(texts: readonly Named[], use: CacheUse): readonly Named[] {
    if (texts.length === 0) return texts;
    const { dataCentre: record } = this.#recordsOf(use.accountId);
    return texts.filter(({ name, tokensAbout }) => mayUseDataCentre(name, tokensAbout, record, use));
  }

  /** The texts of which KV is asked. */
  #farOf(texts: readonly Named[], use: CacheUse): readonly Named[] {
    if (texts.length === 0) return texts;
    const { kv: record } = this.#recordsOf(use.accountId);
    return texts.filter(({ tokensAbout }) => mayLookUpKv(tokensAbout, record, use));
  }

  /** What `tier` has of `texts`, by their names here. */
  async #ask(tier: SharedTier, texts: readonly Named[], use: CacheUse): Promise<Found> {
    const names = texts.map(({ name }) => name);
    const shared = await use.sharedNames(names);
    const found = await tier.get(shared, use.accountId);
    const entries = new Map<string, CacheEntry>();
    for (const [index, name] of names.entries()) {
      const entry = found.get(shared[index] ?? "");
      if (entry !== undefined) entries.set(name, entry);
    }
    return entries;
  }

  async #put(tier: SharedTier, entries: Found, use: CacheUse): Promise<void> {
    const shared = await use.sharedNames([...entries.keys()]);
    await tier.put(new Map([...entries.values()].map((entry, index) => [shared[index] ?? "", entry])));
  }

  #writeDataCentre(entries: Found, use: CacheUse): void {
    if (entries.size === 0) return;
    const { dataCentre: record } = this.#recordsOf(use.accountId);
    const writes = new Map<string, CacheEntry>();
    for (const [name, entry] of entries) if (mayUseDataCentre(name, entry.tokens, record, use)) writes.set(name, entry);
    if (writes.size > 0) use.waitUntil(this.#put(this.#ports.dataCentre, writes, use));
  }

  /** Writes entries that were requested before and pay; for an `eager` key all that are not there yet. */
  #writeKv(entries: Found, use: CacheUse): void {
    if (entries.size === 0) return;
    const { kv: record } = this.#recordsOf(use.accountId);
    const writes = new Map<string, CacheEntry>();
    for (const [name, entry] of entries) {
      if (writes.size === KV_WRITES_MAX) break;
      if (!this.#mayWrite(name, entry.tokens, record, use)) continue;
      writes.set(name, entry);
      record.wrote();
      this.#sightings.stored(name);
    }
    if (writes.size > 0) use.waitUntil(this.#put(this.#ports.kv, writes, use));
  }

  #mayWrite(name: string, tokens: number, record: KvRecord, use: CacheUse): boolean {
    if (use.mode === "eager") return !this.#sightings.isStored(name);
    if (tokens < tokensMin(use.admission) || !this.#sightings.isAgain(name)) return false;
    return writePays(use.admission, tokens, record.hitsPerWrite);
  }

  #recordsOf(accountId: AccountId): Records {
    const known = this.#records.get(accountId);
    if (known !== undefined) return known;
    const records = { kv: new KvRecord(), dataCentre: new DataCentreRecord() };
    this.#records.set(accountId, records);
    return records;
  }
}

function mayUseDataCentre(name: string, tokens: number, record: DataCentreRecord, use: CacheUse): boolean {
  return use.mode === "eager" || dataCentrePays(use.admission, tokens, record.hitRate) || record.isSampled(name);
}

function mayLookUpKv(tokensAbout: number, record: KvRecord, use: CacheUse): boolean {
  if (use.mode === "eager") return true;
  if (tokensAbout < tokensMin(use.admission)) return false;
  return lookUpPays(use.admission, tokensAbout, record.hitRate) || record.explores();
}

function missing(texts: readonly Named[], found: Found): readonly Named[] {
  if (found.size === 0) return texts;
  return texts.filter(({ name }) => !found.has(name));
}
