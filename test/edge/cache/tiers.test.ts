import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { admissionInputs } from "../../../edge/cache/admission.ts";
import type { CacheEntry } from "../../../edge/cache/entry.ts";
import { EntryCodec } from "../../../edge/cache/entry.ts";
import type { CacheUse, Named } from "../../../edge/cache/tiers.ts";
import { MemoryTier } from "../../../edge/cache/memory-tier.ts";
import { DataCentreTier, KvTier } from "../../../edge/cache/shared-tiers.ts";
import type { KvStore, LocalCache } from "../../../edge/cache/shared-tiers.ts";
import { Tiers } from "../../../edge/cache/tiers.ts";
import { DEFAULT_PRICES } from "../../../shared/catalog.ts";
import { idFromBytes } from "../../../shared/ids.ts";
import { ManualClock } from "../support/fake-backends.ts";

const ACCOUNT = idFromBytes("account", new Uint8Array(10).fill(1));
const OTHER = idFromBytes("account", new Uint8Array(10).fill(2));
const LONG = 4000;

let clock: ManualClock;
let kv: CountingKv;
let cache: MapCache;
let held: Promise<unknown>[];
let nameCount = 0;

/** Workers KV as the test's runtime has it, counted, and broken on request. */
class CountingKv implements KvStore {
  gets = 0;
  puts = 0;
  broken: "no" | "fails" | "hangs" = "no";
  get(names: string[], type: "text"): Promise<Map<string, string | null>> {
    this.gets += names.length;
    if (this.broken === "fails") return Promise.reject(new Error("KV GET failed: 500"));
    if (this.broken === "hangs") return new Promise(() => undefined);
    return env.EMBEDDING_CACHE.get(names, type);
  }
  put(name: string, value: string, options: { expirationTtl: number }): Promise<void> {
    this.puts += 1;
    if (this.broken !== "no") return Promise.reject(new Error("KV PUT failed: 500"));
    return env.EMBEDDING_CACHE.put(name, value, options);
  }
}

class MapCache implements LocalCache {
  readonly entries = new Map<string, ArrayBuffer>();
  matches = 0;
  async match(url: string): Promise<Response | undefined> {
    this.matches += 1;
    const bytes = this.entries.get(url);
    return bytes === undefined ? undefined : new Response(bytes);
  }
  async put(url: string, response: Response): Promise<void> {
    this.entries.set(url, await response.arrayBuffer());
  }
}

beforeEach(() => {
  clock = new ManualClock();
  clock.stands = true;
  kv = new CountingKv();
  cache = new MapCache();
  held = [];
});

/** Another isolate over the same shared tiers. */
function isolate(): Tiers {
  const ports = { codec: new EntryCodec("secret"), now: clock.now, sleep: clock.sleep };
  const memory = new MemoryTier(1_000_000);
  return new Tiers({
    memory,
    dataCentre: new DataCentreTier(
      () => Promise.resolve(cache),
      () => "https://api.test",
      ports,
    ),
    kv: new KvTier(kv, ports),
    memoryBytesMax: () => memory.bytesMax,
  });
}

const use = (mode: CacheUse["mode"] = "standard", accountId = ACCOUNT): CacheUse => ({
  accountId,
  mode,
  admission: admissionInputs(DEFAULT_PRICES),
  waitUntil: (work) => held.push(work),
  sharedNames: (names) => Promise.resolve(names),
});

function freshName(): string {
  nameCount += 1;
  return crypto.randomUUID().replaceAll("-", "").padEnd(60, "0") + String(nameCount).padStart(4, "0");
}

function entryOf(tokens: number, accountId = ACCOUNT): CacheEntry {
  return { accountId, tokens, vector: Uint16Array.from({ length: 8 }, (_, index) => tokens + index) };
}

/** One request for one text: looked up, and stored if it was not there. */
async function ask(tiers: Tiers, name: string, tokens: number, how: CacheUse = use()): Promise<"hit" | "miss"> {
  const named: Named = { name, tokensAbout: tokens };
  const found = await tiers.lookUp([named], how);
  if (!found.has(name)) tiers.store(new Map([[name, entryOf(tokens, how.accountId)]]), how);
  await Promise.all(held.splice(0));
  return found.has(name) ? "hit" : "miss";
}

describe("memory", () => {
  it("answers without any I/O", async () => {
    const tiers = isolate();
    const name = freshName();
    await ask(tiers, name, 10);
    const before = cache.matches;
    expect(await ask(tiers, name, 10)).toBe("hit");
    expect([cache.matches, kv.gets]).toEqual([before, 0]);
  });

  it("keeps a copy, so that an entry does not keep its frame alive, and gives way when told", async () => {
    const memory = new MemoryTier(10_000);
    const frame = new Uint16Array(1000);
    memory.put("n", { accountId: ACCOUNT, tokens: 1, vector: frame.subarray(0, 8) });
    frame.fill(9);
    expect(memory.get("n", ACCOUNT)?.vector).toEqual(new Uint16Array(8));
    expect(memory.get("n", ACCOUNT)?.vector.buffer.byteLength).toBe(16);
    memory.shrinkTo(0);
    expect([memory.bytes, memory.get("n", ACCOUNT)]).toEqual([0, undefined]);
  });

  it("is not flushed by one request of many texts", async () => {
    const tiers = isolate();
    const name = freshName();
    await ask(tiers, name, 10);
    const scan = new Map(Array.from({ length: 5000 }, () => [freshName(), entryOf(10)]));
    tiers.store(scan, use());
    expect(await ask(tiers, name, 10)).toBe("hit");
  });
});

describe("the data centre's tier", () => {
  it("is left alone, but for a sample, where nothing is ever found, and used again when texts come back", async () => {
    const tiers = isolate();
    for (let request = 0; request < 200; request += 1) await ask(tiers, freshName(), 100);
    cache.matches = 0;
    cache.entries.clear();
    for (let request = 0; request < 320; request += 1) await ask(tiers, freshName(), 100);
    expect(cache.matches).toBeGreaterThan(0);
    expect(cache.matches).toBeLessThan(60);
    // What is not asked for is not written either.
    expect(cache.entries.size).toBe(cache.matches);
    const before = cache.matches;
    await ask(tiers, freshName(), 100, use("eager"));
    expect(cache.matches).toBe(before + 1);
    // Another isolate asks for the same sample: enough of it is found that all of it pays again.
    const names = Array.from({ length: 200 }, freshName);
    for (const name of names) await ask(tiers, name, 100);
    const sampled = names.filter((name) => cache.entries.has(`https://api.test/embedding-cache/${name}`));
    const other = isolate();
    for (let request = 0; request < 200; request += 1) await ask(other, freshName(), 100);
    for (const name of sampled) await other.lookUp([{ name, tokensAbout: 100 }], use());
    cache.matches = 0;
    for (let request = 0; request < 10; request += 1) await ask(other, freshName(), 100);
    expect(cache.matches).toBeGreaterThan(5);
  });

  it("serves another isolate's request of few texts, and no request of many", async () => {
    const name = freshName();
    await ask(isolate(), name, 10);
    expect(await ask(isolate(), name, 10)).toBe("hit");
    const many = [name, ...Array.from({ length: 16 }, freshName)].map((one) => ({ name: one, tokensAbout: 10 }));
    const before = cache.matches;
    expect((await isolate().lookUp(many, use())).size).toBe(0);
    expect(cache.matches).toBe(before);
  });
});

describe("KV", () => {
  it("is not asked for a short text, and never written for one", async () => {
    const tiers = isolate();
    const name = freshName();
    for (let time = 0; time < 5; time += 1) await ask(tiers, name, 200);
    expect([kv.gets, kv.puts]).toEqual([0, 0]);
  });

  it("gets a long text at its second sighting, once, and serves other places then", async () => {
    const tiers = isolate();
    const name = freshName();
    await ask(tiers, name, LONG);
    expect(kv.puts).toBe(0);
    for (let time = 0; time < 5; time += 1) await ask(tiers, name, LONG);
    expect(kv.puts).toBe(1);
    cache.entries.clear();
    expect(await ask(isolate(), name, LONG)).toBe("hit");
  });

  it("is written at once and always asked for an eager key, whatever the length", async () => {
    const name = freshName();
    await ask(isolate(), name, 10, use("eager"));
    expect(kv.puts).toBe(1);
    cache.entries.clear();
    const elsewhere = isolate();
    expect(await ask(elsewhere, name, 10, use("eager"))).toBe("hit");
    await ask(elsewhere, name, 10, use("eager"));
    expect(kv.puts).toBe(1);
  });

  it("is asked no more, but for a sample, by an account whose look-ups find nothing", async () => {
    const tiers = isolate();
    for (let text = 0; text < 1000; text += 1) await ask(tiers, freshName(), LONG);
    expect(kv.gets).toBeLessThan(250);
    const other = kv.gets;
    // Another account's record is its own.
    await ask(tiers, freshName(), LONG, use("standard", OTHER));
    expect(kv.gets).toBe(other + 1);
  });

  it.each(["fails", "hangs"] as const)("that %s costs a miss and a moment, and is then left alone", async (broken) => {
    kv.broken = broken;
    clock.stands = false;
    const tiers = isolate();
    const before = clock.nowMs;
    for (let text = 0; text < 20; text += 1) expect(await ask(tiers, freshName(), LONG)).toBe("miss");
    expect(kv.gets).toBeLessThan(10);
    expect(clock.nowMs - before).toBeLessThan(4000);
    // And used again once it works.
    kv.broken = "no";
    clock.advance(31_000);
    const name = freshName();
    await ask(tiers, name, LONG);
    await ask(tiers, name, LONG);
    cache.entries.clear();
    expect(await ask(isolate(), name, LONG)).toBe("hit");
  });

  it("that holds garbage, another entry, or another account's has nothing", async () => {
    const [name, foreign, moved] = [freshName(), freshName(), freshName()];
    await env.EMBEDDING_CACHE.put(name, "not base64 at all!");
    await ask(isolate(), foreign, LONG, use("eager", OTHER));
    const stolen = await env.EMBEDDING_CACHE.get(foreign);
    await env.EMBEDDING_CACHE.put(moved, stolen ?? "");
    cache.entries.clear();
    for (const one of [name, foreign, moved]) expect(await ask(isolate(), one, LONG, use("eager"))).toBe("miss");
  });
});
