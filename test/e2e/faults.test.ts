// What a customer gets when a backend or a cache misbehaves: the right answer or a clear error in time, nothing charged
// wrong, and no hand needed afterwards. The real Worker and its ledger, backends that break on request.
import { createConnection } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { float16BitsToFloat32 } from "../../shared/float16.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import type { Answer } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeUnderTest } from "../support/edge-server.ts";
import type { AccountUnderTest, EdgeUnderTest } from "../support/edge-server.ts";
import { fakeVector } from "../support/fake-backend-server.ts";
import type { Fault } from "../support/fake-backend-server.ts";

const folder = temporaryFolder();
const DIMENSIONS = 64;
let edge: EdgeUnderTest;
let count = 0;

beforeAll(async () => {
  edge = await startEdgeUnderTest(folder, 2, { dimensions: DIMENSIONS });
});
afterAll(async () => {
  await edge.stop();
  removeFolder(folder);
});
beforeEach(() => {
  for (const backend of edge.backends) backend.calls = 0;
});
afterEach(async () => {
  for (const backend of edge.backends) {
    backend.fault = "none";
    backend.delayMs = 0;
    await backend.stop();
    await backend.start();
  }
});

/** A text that nobody has asked for. */
function freshText(): string {
  count += 1;
  return `text number ${count}`;
}

function embed(
  input: string | string[],
  headers: Record<string, string> = {},
  apiKey: string = edge.apiKey,
): Promise<Answer> {
  return call(edge.url, apiKey, "/v1/embeddings", { model: FAKE_MODEL, input }, headers);
}

function vectorsOf(answer: Answer): number[][] {
  const data = answer.body["data"] as { embedding: number[] }[];
  return data.map(({ embedding }) => embedding);
}

function expectRight(answer: Answer, texts: readonly string[], revision = "1".repeat(16)): void {
  expect(answer.body["error"]).toBeUndefined();
  expect(answer.status).toBe(200);
  for (const [index, text] of texts.entries()) {
    const expected = float16BitsToFloat32(fakeVector(text, revision, DIMENSIONS));
    const got = vectorsOf(answer)[index] ?? [];
    expect(got.length).toBe(DIMENSIONS);
    for (const [component, value] of got.entries()) expect(value).toBeCloseTo(expected[component] ?? 0, 3);
  }
}

const codeOf = (answer: Answer): unknown => (answer.body["error"] as Record<string, unknown> | undefined)?.["code"];

/**
 * The books must come to `nanoUsd`. What was charged before in this isolate is reported with what comes after it, so a
 * sum that is reached by a last good call holds no charge for the failed ones before.
 */
async function expectCharged(account: AccountUnderTest, nanoUsd: number): Promise<void> {
  await expect.poll(() => account.charged(), { timeout: 15_000, interval: 200 }).toBe(nanoUsd);
}

/** A letter is a token, the ending token is one more, a token costs 8 nano-USD. */
function priceOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + (text.length + 1) * 8, 0);
}

/** Resolves when both backends get calls: what the tests before did to them is over. */
async function bothServe(): Promise<void> {
  const idle = (): boolean => edge.backends.some(({ calls }) => calls === 0);
  for (let tries = 0; idle() && tries < 100; tries += 1) {
    await Promise.all([embed(freshText()), embed(freshText())]);
    if (idle()) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const backend of edge.backends) backend.calls = 0;
}

async function everyBackend(fault: Fault): Promise<void> {
  for (const backend of edge.backends) backend.fault = fault;
}

describe("one of two backends", () => {
  test("that is killed in the middle of a call is replaced by the other one", async () => {
    await bothServe();
    for (const backend of edge.backends) backend.delayMs = 300;
    const texts = [freshText(), freshText(), freshText(), freshText()];
    const answers = texts.map((text) => embed(text));
    const [first] = edge.backends;
    await expect.poll(() => (first?.calls ?? 0) > 0, { timeout: 5000 }).toBe(true);
    await first?.stop();
    for (const [index, answer] of (await Promise.all(answers)).entries()) expectRight(answer, [texts[index] ?? ""]);
  });

  test("that hangs without a word, /ready too, is given up in seconds", async () => {
    await bothServe();
    const [first, second] = edge.backends;
    if (first !== undefined) first.fault = "hangs, /ready too";
    const started = performance.now();
    const texts = Array.from({ length: 4 }, freshText);
    const answers = await Promise.all(texts.map((text) => embed(text)));
    for (const [index, answer] of answers.entries()) expectRight(answer, [texts[index] ?? ""]);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(first?.calls).toBeGreaterThan(0);
    expect(second?.calls).toBeGreaterThan(0);
  });

  test.each(["resets", "garbage", "wrong count", "wrong revision", "half a frame", "damaged frame", "503"] as const)(
    "that answers with %s costs a retry elsewhere, not the customer's call",
    async (fault) => {
      const [first] = edge.backends;
      if (first !== undefined) first.fault = fault;
      for (let round = 0; round < 6; round += 1) {
        const text = freshText();
        expectRight(await embed(text), [text]);
      }
    },
  );
});

describe("all backends", () => {
  test.each([
    ["garbage", 503, "backend_unavailable"],
    ["wrong count", 503, "backend_unavailable"],
    ["half a frame", 503, undefined],
    ["503", 503, "overloaded"],
  ] as const)(
    "answering %s end in a clear error that costs nothing, and work again by themselves",
    async (fault, status, code) => {
      const account = await edge.newAccount();
      await everyBackend(fault);
      const answer = await embed(freshText(), { prefer: "wait=1" }, account.apiKey);
      expect(answer.status).toBe(status);
      if (code !== undefined) expect(codeOf(answer)).toBe(code);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      await everyBackend("none");
      const text = freshText();
      expectRight(await embed(text, {}, account.apiKey), [text]);
      await expectCharged(account, priceOf([text]));
    },
  );

  test("killed and back within the hold cost the customer a wait, no more", async () => {
    await Promise.all(edge.backends.map((backend) => backend.stop()));
    const text = freshText();
    const answer = embed(text);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await edge.backends[1]?.start();
    expectRight(await answer, [text]);
    await edge.backends[0]?.start();
  });

  test("killed for good end in 503 and Retry-After 30 after the hold, while what is cached is still served", async () => {
    const text = freshText();
    expectRight(await embed(text), [text]);
    await Promise.all(edge.backends.map((backend) => backend.stop()));
    const started = performance.now();
    const answer = await embed(freshText(), { prefer: "wait=2" });
    expect([answer.status, codeOf(answer), answer.headers.get("retry-after")]).toEqual([503, "model_not_ready", "30"]);
    expect(performance.now() - started).toBeLessThan(20_000);
    const cached = await embed(text);
    expectRight(cached, [text]);
    expect(cached.headers.get("x-cache")).toBe("hit");
    for (const backend of edge.backends) await backend.start();
  });
});

describe("a rolling update", () => {
  test("never serves a cached vector of the old revision once the new one is announced", async () => {
    const text = freshText();
    expectRight(await embed(text), [text]);
    for (const backend of edge.backends) backend.revision = "2".repeat(16);
    const other = freshText();
    // The isolate still believes the old revision, is refused, and begins anew.
    const answer = await embed([text, other]);
    expect(answer.headers.get("x-model-revision")).toBe("2".repeat(16));
    expect(answer.headers.get("x-cache")).toBe("miss");
    expectRight(answer, [text, other], "2".repeat(16));
    for (const backend of edge.backends) backend.revision = "1".repeat(16);
    const back = freshText();
    expectRight(await embed([back]), [back]);
  });
});

describe("a cache", () => {
  test("whose KV entries are damaged, swapped or gone is a miss with the right vector", async () => {
    const dir = temporaryFolder();
    const texts = Array.from({ length: 20 }, freshText);
    const body = { model: FAKE_MODEL, input: texts };
    const before = await startEdgeUnderTest(dir, 1, { dimensions: DIMENSIONS });
    const { apiKey } = await before.newAccount("eager");
    expectRight(await call(before.url, apiKey, "/v1/embeddings", body), texts);
    const entries = async (): Promise<string[]> => {
      const kv = await before.edge.miniflare.getKVNamespace("EMBEDDING_CACHE");
      return (await kv.list()).keys.map(({ name }) => name);
    };
    await expect.poll(async () => (await entries()).length, { timeout: 5000 }).toBe(20);
    await before.stop();
    // A new isolate, with nothing in memory, over what was kept.
    const after = await startEdgeUnderTest(dir, 1, { dimensions: DIMENSIONS });
    const kv = await after.edge.miniflare.getKVNamespace("EMBEDDING_CACHE");
    const names = (await kv.list()).keys.map(({ name }) => name);
    const [one, two, three, four] = names;
    // Annotated: inferred through the destructuring, tsc 7.0.2 picks `get`'s overload differently from run to run.
    const first: string | null = await kv.get(one ?? "", "text");
    const second: string | null = await kv.get(two ?? "", "text");
    await kv.put(one ?? "", second ?? "");
    await kv.put(two ?? "", first ?? "");
    await kv.put(three ?? "", "not an entry");
    await kv.delete(four ?? "");
    const answer = await call(after.url, apiKey, "/v1/embeddings", body);
    expectRight(answer, texts);
    expect(answer.headers.get("x-cache")).toBe("partial");
    expect(after.backends[0]?.texts).toBe(4);
    await after.stop();
    removeFolder(dir);
  });
});

describe("a client", () => {
  test("that leaves stops the work, and is not charged", async () => {
    const account = await edge.newAccount();
    const abandonedBefore = edge.backends.reduce((sum, backend) => sum + backend.abandoned, 0);
    for (const backend of edge.backends) backend.fault = "hangs";
    const body = JSON.stringify({ model: FAKE_MODEL, input: freshText() });
    const { hostname, port } = new URL(edge.url);
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.on("error", () => undefined);
    socket.write(
      `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${account.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => edge.backends.reduce((sum, { calls }) => sum + calls, 0), { timeout: 5000 }).toBe(1);
    socket.resetAndDestroy();
    await expect
      .poll(() => edge.backends.reduce((sum, { abandoned }) => sum + abandoned, 0), { timeout: 5000 })
      .toBe(abandonedBefore + 1);
    await everyBackend("none");
    const text = freshText();
    expectRight(await embed(text, {}, account.apiKey), [text]);
    await expectCharged(account, priceOf([text]));
  });
});
