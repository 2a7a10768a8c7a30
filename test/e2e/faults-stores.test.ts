// What a customer gets when KV or the account's own object misbehaves: the right vectors or a clear error in time, and
// nothing charged wrong. The real Worker over bindings that break on request.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { float16BitsToFloat32 } from "../../shared/float16.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import type { Answer } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeUnderTest } from "../support/edge-server.ts";
import type { AccountUnderTest, EdgeUnderTest } from "../support/edge-server.ts";
import { fakeVector } from "../support/fake-backend-server.ts";

const DIMENSIONS = 64;
const REVISION = "1".repeat(16);
/** Of more texts than the data centre's cache takes: KV is what is asked. */
const TEXTS = Array.from({ length: 20 }, (_, index) => `a text that KV has, number ${index}`);
/** Whose entries are tampered with while nobody looks. */
const TAMPERED = Array.from({ length: 4 }, (_, index) => `a text that somebody tampers with, number ${index}`);
/** A letter is a token, the ending token one more; a token costs 8 nano-USD, a hit half. */
const MISS_NANO_USD = [...TEXTS, ...TAMPERED].reduce((sum, text) => sum + (text.length + 1) * 8, 0);
const folder = temporaryFolder();
let edge: EdgeUnderTest;
let account: AccountUnderTest;
let charged = 0;
let overloaded: ReturnType<typeof overloadedCall>;

const start = (): Promise<EdgeUnderTest> =>
  startEdgeUnderTest(folder, 1, { dimensions: DIMENSIONS }, "test/edge/support/faulty-worker.ts");

beforeAll(async () => {
  // One isolate fills KV, the next one has nothing in memory.
  const first = await start();
  account = await first.newAccount("eager");
  const kv = await first.edge.miniflare.getKVNamespace("EMBEDDING_CACHE");
  const entries = async (count: number): Promise<string[]> =>
    vi.waitFor(
      async () => {
        const names = (await kv.list()).keys.map(({ name }) => name).filter((name) => /^[0-9a-f]{64}$/.test(name));
        expect(names.length).toBe(count);
        return names;
      },
      { timeout: 10_000 },
    );
  expectRight(await embed(first, TAMPERED), TAMPERED);
  const [one = "", two = "", three = "", four = ""] = await entries(TAMPERED.length);
  expectRight(await embed(first, TEXTS));
  await entries(TEXTS.length + TAMPERED.length);
  // Annotated: inferred through the destructuring, tsc 7.0.2 picks `get`'s overload differently from run to run.
  const oneValue: string | null = await kv.get(one, "text");
  const twoValue: string | null = await kv.get(two, "text");
  await kv.put(one, twoValue ?? "");
  await kv.put(two, oneValue ?? "");
  await kv.put(three, "not an entry");
  await kv.delete(four);
  // An isolate that ends takes what it had not reported along.
  await vi.waitFor(async () => expect(await account.charged()).toBe(MISS_NANO_USD), { timeout: 10_000 });
  await first.stop();
  edge = await start();
  overloaded = overloadedCall();
  // Its failure is the test's that waits for it.
  overloaded.catch(() => undefined);
});
afterAll(async () => {
  await edge.stop();
  removeFolder(folder);
});
afterEach(() => setFaults({}));

/** Of test/edge/support/faulty-worker.ts. */
async function setFaults(faults: { kv?: string; object?: { account: string; refusals: number } }): Promise<void> {
  await fetch(`${edge.url}/fault`, { method: "POST", body: JSON.stringify(faults) });
}

function embed(server: EdgeUnderTest, input: readonly string[]): Promise<Answer> {
  return call(server.url, account.apiKey, "/v1/embeddings", { model: FAKE_MODEL, input });
}

function expectRight(answer: Answer, texts: readonly string[] = TEXTS): void {
  expect(answer.body["error"]).toBeUndefined();
  expect(answer.status).toBe(200);
  const data = answer.body["data"] as { embedding: number[] }[];
  for (const [index, text] of texts.entries()) {
    const expected = float16BitsToFloat32(fakeVector(text, REVISION, DIMENSIONS));
    const got = data[index]?.embedding ?? [];
    expect(got.length).toBe(DIMENSIONS);
    for (const [component, value] of got.entries()) expect(value).toBeCloseTo(expected[component] ?? 0, 3);
  }
  charged += Math.round(Number(answer.headers.get("x-cost-usd")) * 1e9);
}

function embedOne(other: AccountUnderTest, input: string): Promise<Answer> {
  return call(edge.url, other.apiKey, "/v1/embeddings", { model: FAKE_MODEL, input });
}

/** The isolate is patient for seconds before it gives up: begun beside the tests of KV. */
async function overloadedCall(): Promise<{ answer: Answer; other: AccountUnderTest }> {
  const other = await edge.newAccount();
  await setFaults({ object: { account: other.accountId, refusals: 1000 } });
  return { answer: await embedOne(other, "never admitted"), other };
}

/** The operator's books of the account over which all of this was done. */
async function chargedNanoUsd(): Promise<number> {
  const { body } = await call(edge.url, edge.adminKey, `/admin/accounts/${account.accountId}`);
  return Number(body["charged_nano_usd"]);
}

describe("KV", () => {
  // Each with texts that this isolate has not asked for, as far as KV decides: a fault leaves nothing in memory but
  // what was computed, so each takes its own five.
  const faults = ["fails", "slow", "stale", "corrupt"] as const;
  test.each(faults)("that %s costs a computation, not the answer, and is priced as what it was", async (kv) => {
    const own = faults.indexOf(kv) * 5;
    const texts = [
      ...TEXTS.slice(own, own + 4),
      ...Array.from({ length: 13 }, (_, index) => `${kv}, a new text ${index}`),
    ];
    await setFaults({ kv });
    const begun = performance.now();
    const answer = await embed(edge, texts);
    // A tier's limit is a quarter of a second; a slow one takes five.
    expect(performance.now() - begun).toBeLessThan(4500);
    expectRight(answer, texts);
    expect(answer.headers.get("x-cache")).toBe("miss");
  });

  test("whose entries were damaged, swapped or are gone has nothing under those names", async () => {
    const texts = [...TAMPERED, ...Array.from({ length: 13 }, (_, index) => `tampered, a new text ${index}`)];
    const answer = await embed(edge, texts);
    expectRight(answer, texts);
    expect(answer.headers.get("x-cache")).toBe("miss");
  });

  test("that is back is used again", async () => {
    const known = [4, 9, 14, 19].map((index) => TEXTS[index] ?? "");
    const texts = [...known, ...Array.from({ length: 13 }, (_, index) => `back, a new text ${index}`)];
    const answer = await embed(edge, texts);
    expectRight(answer, texts);
    expect(answer.headers.get("x-cache")).toBe("partial");
    const usage = answer.body["usage"] as { prompt_tokens_details: { cached_tokens: number } };
    expect(usage.prompt_tokens_details.cached_tokens).toBe(known.reduce((sum, text) => sum + text.length + 1, 0));
  });
});

describe("the account's object", () => {
  test("that is overloaded for a moment is asked again, and the call goes through", async () => {
    // A key of its own, so that no lease is at hand.
    const other = await edge.newAccount();
    await setFaults({ object: { account: other.accountId, refusals: 2 } });
    const answer = await embedOne(other, "after two refusals");
    expect(answer.status).toBe(200);
    await expect.poll(() => other.charged(), { timeout: 10_000 }).toBe(("after two refusals".length + 1) * 8);
  });

  test("that stays overloaded is a 503 with Retry-After, nothing is charged, and it is over with it", async () => {
    const { answer, other } = await overloaded;
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((answer.body["error"] as Record<string, unknown>)["code"]).toBe("ledger_unavailable");
    await setFaults({ object: { account: other.accountId, refusals: 0 } });
    const again = await embedOne(other, "admitted");
    expect(again.status).toBe(200);
    await expect.poll(() => other.charged(), { timeout: 10_000 }).toBe(("admitted".length + 1) * 8);
  });
});

test("all of it is charged as the answers said, to the nano-dollar", async () => {
  await expect.poll(chargedNanoUsd, { timeout: 10_000 }).toBe(charged);
});
