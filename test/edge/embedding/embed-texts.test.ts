import { beforeEach, describe, expect, it } from "vitest";
import type { CacheEntry } from "../../../edge/cache/entry.ts";
import { CacheKeys } from "../../../edge/cache/key.ts";
import { MemoryTier } from "../../../edge/cache/memory-tier.ts";
import { Tiers } from "../../../edge/cache/tiers.ts";
import { createEmbedTexts } from "../../../edge/embedding/embed-texts.ts";
import { isEmbedded, isFailed } from "../../../edge/embedding/types.ts";
import type { EmbedTexts, EmbedTextsRequest } from "../../../edge/embedding/types.ts";
import { sumTokens } from "../../../edge/models/pricing.ts";
import { ApiError } from "../../../shared/errors.ts";
import { idFromBytes, newId } from "../../../shared/ids.ts";
import { FakeBackend, Gate, MODEL, ManualClock, REVISION_1, REVISION_2, vectorOf } from "../support/fake-backends.ts";
import { ACCOUNT, poolOf } from "../support/pool-fixture.ts";

const OTHER_ACCOUNT = idFromBytes("account", new Uint8Array(10).fill(7));
const EMPTY_TIER = {
  get: () => Promise.resolve(new Map<string, CacheEntry>()),
  put: () => Promise.resolve(),
};

let clock: ManualClock;
let backend: FakeBackend;
let embedTexts: EmbedTexts;

beforeEach(() => {
  clock = new ManualClock();
  backend = new FakeBackend("http://a");
  embedTexts = fresh();
});

/** What an isolate builds once. */
function fresh(): EmbedTexts {
  const memory = new MemoryTier(1_000_000);
  const tiers = new Tiers({
    memory,
    dataCentre: EMPTY_TIER,
    kv: EMPTY_TIER,
    memoryBytesMax: () => memory.bytesMax,
  });
  return createEmbedTexts({
    pool: poolOf([backend], clock),
    keys: new CacheKeys("cache secret"),
    tiers,
    now: clock.now,
    sleep: clock.sleep,
  });
}

function requestOf(texts: readonly string[], change: Partial<EmbedTextsRequest> = {}): EmbedTextsRequest {
  return {
    model: MODEL,
    accountId: ACCOUNT,
    tier: "interactive",
    texts: texts.map((text) => ({ kind: "text", text })),
    prefix: "",
    truncate: "none",
    cacheMode: "standard",
    noStore: false,
    requestId: newId("request"),
    traceparent: undefined,
    deadlineMs: 60_000,
    coldHoldMs: 25_000,
    signal: new AbortController().signal,
    waitUntil: () => undefined,
    ...change,
  };
}

async function embed(texts: readonly string[], change: Partial<EmbedTextsRequest> = {}) {
  const call = embedTexts.start(requestOf(texts, change));
  const result = await call.finish();
  call.keep();
  const embedded = result.texts.filter(isEmbedded);
  sumTokens(embedded); // pays
  return {
    ...result,
    faults: result.texts.filter(isFailed).map(({ fault }) => fault),
    tokens: embedded.map(({ tokens }) => tokens),
    hits: embedded.map(({ hit }) => hit),
    vectors: embedded.map(({ vector }) => Array.from(vector)),
  };
}

const sent = (): unknown[] => backend.embeds.flatMap(({ texts }) => texts);

describe("the model's prompts", () => {
  const prompts = { query: "find: ", document: "doc: ", plain: "" };

  it("are those that the call was prepared with, or nothing is embedded", async () => {
    backend.prompts = prompts;
    await expect(embed(["a"], { prompts: { ...prompts, query: "Instruct: " } })).rejects.toMatchObject({
      fault: { code: "model_not_ready", retryAfterS: 1 },
    });
    expect(backend.embeds).toHaveLength(0);
    expect((await embed(["a"], { prompts: { ...prompts } })).texts).toHaveLength(1);
  });

  it("are not asked of a backend that does not say them", async () => {
    expect((await embed(["a"], { prompts })).texts).toHaveLength(1);
  });
});

describe("a reranker", () => {
  const takes = { instruction: null, templateTokens: 2, queryTokensMax: 99 };
  const query = { text: "q", instruction: null, takes };

  it("is not asked with a template other than the one that the call was bounded by", async () => {
    backend.reranker = { ...takes, templateTokens: 3 };
    await expect(embed(["a"], { query })).rejects.toMatchObject({ fault: { code: "model_not_ready", retryAfterS: 1 } });
    expect(backend.scores).toHaveLength(0);
    backend.reranker = takes;
    embedTexts = fresh();
    expect((await embed(["a"], { query })).dimensions).toBe(2);
  });

  it("is asked for no vectors, and an embedding model for no scores", async () => {
    await expect(embed(["a"], { query })).rejects.toMatchObject({ fault: { code: "model_not_ready" } });
    backend.reranker = takes;
    embedTexts = fresh();
    await expect(embed(["a"])).rejects.toMatchObject({ fault: { code: "model_not_ready" } });
    expect([...backend.scores, ...backend.embeds]).toEqual([]);
  });

  it("scores a pair once for calls that run at the same time, and again under another revision", async () => {
    backend.reranker = takes;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    clock.stands = true;
    const both = [embed(["a", "b"], { query }), embed(["b"], { query })];
    gate.open();
    const [first, second] = await Promise.all(both);
    expect(second?.vectors[0]).toEqual(first?.vectors[1]);
    expect(backend.scores.flatMap(({ documents }) => documents)).toEqual(["a", "b"]);
    clock.stands = false;
    backend.behaviour = { kind: "well" };
    backend.revision = REVISION_2;
    clock.advance(60_000);
    const other = await embed(["b"], { query });
    expect(other.revision).toBe(REVISION_2);
    expect(other.vectors[0]).not.toEqual(second?.vectors[0]);
  });
});

describe("a call that has faults in the places of bad texts", () => {
  const perItem = { onError: "per_item" } as const;
  const tooLong = { code: "context_length_exceeded", facts: { tokens: 9000, maxTokens: 8192, counted: 1 } } as const;

  beforeEach(() => {
    backend.faulty.set("bad", tooLong);
  });

  it("gets the vectors of the others, and a fault that names each of its places", async () => {
    const texts = ["bad", "a", "bad", "b"];
    const { faults, vectors } = await embed(texts, { ...perItem, itemOf: (index) => `documents[${index}]` });
    expect(faults.map(({ param, message }) => [param, message.split(" ")[0]])).toEqual([
      ["documents[0]", "documents[0]"],
      ["documents[2]", "documents[2]"],
    ]);
    expect(vectors).toEqual([[...vectorOf("a", REVISION_1)], [...vectorOf("b", REVISION_1)]]);
  });

  it.each([
    ["fail", "per_item"],
    ["per_item", "fail"],
    ["per_item", "per_item"],
  ] as const)("shares good texts with a call under way, and no fault: %s, then %s", async (first, second) => {
    clock.stands = true;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    const outcome = (call: ReturnType<typeof embed>) =>
      call.then(
        ({ faults, vectors }) => [faults.length, vectors.length],
        (error: unknown) => (error instanceof ApiError ? error.fault.code : error),
      );
    const running = outcome(embed(["a", "bad"], { onError: first }));
    await expect.poll(() => backend.signals.length).toBe(1);
    const waiting = outcome(embed(["bad", "a"], { onError: second }));
    gate.open();
    const expected = { fail: "context_length_exceeded", per_item: [1, 1] };
    expect(await running).toEqual(expected[first]);
    expect(await waiting).toEqual(expected[second]);
    // What is right is computed once, unless the first call failed.
    expect(sent().filter((text) => text === "a")).toHaveLength(first === "fail" ? 2 : 1);
  });
});

describe("the cache", () => {
  it("answers a text it has seen with the same vector and the same token count", async () => {
    const first = await embed(["a", "bc"]);
    const second = await embed(["bc", "d", "a"]);
    expect(first.hits).toEqual([false, false]);
    expect(second.hits).toEqual([true, false, true]);
    expect(second.vectors[0]).toEqual(first.vectors[1]);
    expect(second.tokens).toEqual([3, 2, 2]);
    expect(sent()).toEqual(["a", "bc", "d"]);
  });

  it("tells texts from token ids, and instructions apart", async () => {
    await embed(["1"]);
    await embed(["1"], { prefix: "Instruct: x\nQuery:" });
    await embed([], { texts: [{ kind: "ids", ids: [1] }] });
    await embed([], { texts: [{ kind: "ids", ids: [1] }] });
    expect(sent()).toEqual(["1", "1", 1]);
  });

  it("is not read nor written for a key that is off, and for no-store", async () => {
    await embed(["a"], { cacheMode: "off" });
    await embed(["a"], { noStore: true });
    expect((await embed(["a"])).hits).toEqual([false]);
    await embed(["a"], { noStore: true });
    expect(sent()).toEqual(["a", "a", "a", "a"]);
  });

  it("follows the key's setting when that is only known with the lease", async () => {
    await embed(["a"]);
    const call = embedTexts.start(requestOf(["a"]));
    expect((await call.finish("off")).texts[0]).toMatchObject({ hit: false });
    const other = embedTexts.start(requestOf(["a"]));
    expect((await other.finish("eager")).texts[0]).toMatchObject({ hit: true });
  });

  it("never keeps a vector of a text that was cut", async () => {
    backend.truncates.add("long");
    await embed(["long", "short"], { truncate: "end" });
    expect((await embed(["long", "short"])).hits).toEqual([false, true]);
  });

  it("is another one for every account", async () => {
    await embed(["a"]);
    expect((await embed(["a"], { accountId: OTHER_ACCOUNT })).hits).toEqual([false]);
  });
});

describe("identical texts", () => {
  it("are computed once in a request, and a repetition is priced as a hit", async () => {
    const result = await embed(["a", "b", "a", "a"]);
    expect(result.hits).toEqual([false, false, true, true]);
    expect(sent()).toEqual(["a", "b"]);
    expect(result.vectors[3]).toEqual([...vectorOf("a", REVISION_1)]);
    // Also where nothing may be cached.
    await embed(["c", "c"], { cacheMode: "off" });
    expect(sent()).toEqual(["a", "b", "c"]);
  });

  it("of concurrent requests are computed once", async () => {
    clock.stands = true;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    const owner = embed(["a", "b"]);
    await expect.poll(() => backend.signals.length).toBe(1);
    const others = [embed(["b", "a"]), embed(["a", "c"])];
    await expect.poll(() => backend.signals.length).toBe(2);
    gate.open();
    expect((await owner).hits).toEqual([false, false]);
    expect((await Promise.all(others)).map(({ hits }) => hits)).toEqual([
      [true, true],
      [true, false],
    ]);
    expect(sent().toSorted()).toEqual(["a", "b", "c"]);
  });

  it("are not shared between tiers, between ways of truncation, nor with a call that bypasses the cache", async () => {
    clock.stands = true;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    const all = [
      embed(["a"]),
      embed(["a"], { tier: "batch" }),
      embed(["a"], { truncate: "end" }),
      embed(["a"], { noStore: true }),
    ];
    await expect.poll(() => backend.signals.length).toBe(4);
    gate.open();
    await Promise.all(all);
  });

  it("are computed anew by those who waited when the first computation fails", async () => {
    clock.stands = true;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    const owner = embed(["a"], { deadlineMs: 60_000 }).catch(() => "failed");
    await expect.poll(() => backend.signals.length).toBe(1);
    const timers = clock.sleeping;
    const waiter = embed(["a"]).catch((error: unknown) => error);
    await expect.poll(() => clock.sleeping).toBe(timers + 1);
    backend.behaviour = {
      kind: "fault",
      fault: { code: "internal_error", message: "", index: null, facts: {}, retryAfterS: null },
    };
    gate.open();
    await expect.poll(() => backend.embeds.length).toBeGreaterThan(1);
    expect(await owner).toBe("failed");
    expect(await waiter).toMatchObject({ fault: { code: "backend_unavailable" } });
    backend.behaviour = { kind: "well" };
    expect((await embed(["a"])).hits).toEqual([false]);
  });

  it("are taken over when the first computation never ends", async () => {
    backend.behaviour = { kind: "hangs" };
    const dead = embed(["a"]).catch(() => "gone");
    await expect.poll(() => backend.signals.length).toBe(1);
    backend.behaviour = { kind: "well" };
    const before = clock.nowMs;
    const waiter = await embed(["a"]);
    expect(waiter.hits).toEqual([false]);
    expect(clock.nowMs - before).toBe(20_000);
    void dead;
  });

  it("go on for those who wait when the first client leaves, and stop when nobody does", async () => {
    clock.stands = true;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    const caller = new AbortController();
    const alone = embed(["x"], { signal: caller.signal }).catch(() => "gone");
    await expect.poll(() => backend.signals.length).toBe(1);
    const leaving = new AbortController();
    const owner = embedTexts.start(requestOf(["a"], { signal: leaving.signal })).finish();
    await expect.poll(() => backend.signals.length).toBe(2);
    const timers = clock.sleeping;
    const waiter = embed(["a"]);
    await expect.poll(() => clock.sleeping).toBe(timers + 1);
    caller.abort();
    leaving.abort();
    expect(await alone).toBe("gone");
    expect(backend.signals.map((signal) => signal?.aborted)).toEqual([true, false]);
    gate.open();
    // Nobody else pays for it.
    expect((await waiter).hits).toEqual([false]);
    await owner;
  });

  it("stop when the last of those who wait has gone too, and not before", async () => {
    clock.stands = true;
    const gate = new Gate();
    backend.behaviour = { kind: "waits", go: gate.opened };
    const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
    const owner = embed(["a"], { signal: first.signal }).catch(() => "gone");
    await expect.poll(() => backend.signals.length).toBe(1);
    const timers = clock.sleeping;
    const waiters = [second, third].map(({ signal }) => embed(["a"], { signal }).catch(() => "gone"));
    await expect.poll(() => clock.sleeping).toBe(timers + 2);
    second.abort();
    expect(await waiters[0]).toBe("gone");
    first.abort();
    expect(backend.signals[0]?.aborted).toBe(false);
    third.abort();
    expect(await waiters[1]).toBe("gone");
    expect(await owner).toBe("gone");
    expect(backend.signals.map((signal) => signal?.aborted)).toEqual([true]);
  });
});

describe("faults", () => {
  it("name the item as it stood in the request, hits and repetitions before it included", async () => {
    await embed(["hit"]);
    backend.behaviour = {
      kind: "fault",
      fault: { code: "text_too_complex", message: "too complex", index: 1, facts: {}, retryAfterS: null },
    };
    const failed = embed(["a", "hit", "a", "b"]);
    await expect(failed).rejects.toMatchObject({ fault: { param: "input[3]" } });
    const named = embed(["a", "hit", "a", "b"], { itemOf: (index) => `documents[${index}]` });
    await expect(named).rejects.toMatchObject({ fault: { param: "documents[3]" } });
  });
});

describe("a rolling update", () => {
  it("never mixes revisions in an answer, and never serves an old vector once the new one is known", async () => {
    await embed(["a"]);
    backend.revision = REVISION_2;
    // The isolate does not know yet: it pins the old revision, is refused, and begins anew.
    const result = await embed(["a", "b"]);
    expect(result.revision).toBe(REVISION_2);
    expect(result.hits).toEqual([false, false]);
    expect(result.vectors).toEqual([[...vectorOf("a", REVISION_2)], [...vectorOf("b", REVISION_2)]]);
    expect((await embed(["a"])).hits).toEqual([true]);
  });
});

describe("a cold model", () => {
  it("is waited for, then looked up and computed", async () => {
    backend.status = "warming";
    let slept = 0;
    clock.duringSleep = (ms) => {
      slept += ms;
      if (slept > 4000) backend.status = "ready";
    };
    expect((await embed(["a"])).hits).toEqual([false]);
    expect((await embed(["a"])).hits).toEqual([true]);
  });

  it("costs nothing but the look-ups when finish is never called", async () => {
    backend.status = undefined;
    embedTexts.start(requestOf(["a"]));
    await expect.poll(() => backend.signals.length).toBe(0);
    expect(backend.embeds.length).toBe(0);
  });
});
