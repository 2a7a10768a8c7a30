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
let hanging: Promise<Hanging>;
let count = 0;

beforeAll(async () => {
  hanging = hangingScenario();
  // Its failure is the test's that waits for it.
  hanging.catch(() => undefined);
  edge = await startEdgeUnderTest(folder, 2, { dimensions: DIMENSIONS });
});
afterAll(async () => {
  await hanging.catch(() => undefined);
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
  server: EdgeUnderTest = edge,
): Promise<Answer> {
  return call(server.url, apiKey, "/v1/embeddings", { model: FAKE_MODEL, input }, headers);
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

/** Resolves when both backends of `server` get calls: what was done to them before is over. */
async function bothServe(server: EdgeUnderTest = edge): Promise<void> {
  const idle = (): boolean => server.backends.some(({ calls }) => calls === 0);
  for (let tries = 0; idle() && tries < 100; tries += 1) {
    await Promise.all([embed(freshText(), {}, server.apiKey, server), embed(freshText(), {}, server.apiKey, server)]);
    if (idle()) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const backend of server.backends) backend.calls = 0;
}

/** Nobody hears of a hung backend but by waiting: it takes seconds, so it has an edge of its own, beside the other tests. */
async function hangingScenario(): Promise<Hanging> {
  const dir = temporaryFolder();
  const own = await startEdgeUnderTest(dir, 2, { dimensions: DIMENSIONS });
  await bothServe(own);
  const [first] = own.backends;
  if (first !== undefined) first.fault = "hangs, /ready too";
  const started = performance.now();
  const texts = Array.from({ length: 4 }, freshText);
  const answers = await Promise.all(
    texts.map(async (text) => ({ text, answer: await embed(text, {}, own.apiKey, own) })),
  );
  const ms = performance.now() - started;
  const calls = own.backends.map((backend) => backend.calls);
  await own.stop();
  removeFolder(dir);
  return { answers, calls, ms };
}

interface Hanging {
  readonly answers: readonly { readonly text: string; readonly answer: Answer }[];
  readonly calls: readonly number[];
  readonly ms: number;
}

/** Over both backends. */
function total(what: "calls" | "abandoned"): number {
  return edge.backends.reduce((sum, backend) => sum + backend[what], 0);
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
  test("answering with garbage, a wrong count, half a frame or 503 end in clear errors that cost nothing, and work again by themselves", async () => {
    const account = await edge.newAccount();
    const served: string[] = [];
    for (const [fault, status, code] of [
      ["garbage", 503, "backend_unavailable"],
      ["wrong count", 503, "backend_unavailable"],
      ["half a frame", 503, undefined],
      ["503", 503, "overloaded"],
    ] as const) {
      await everyBackend(fault);
      const answer = await embed(freshText(), { prefer: "wait=1" }, account.apiKey);
      expect(answer.status).toBe(status);
      if (code !== undefined) expect(codeOf(answer)).toBe(code);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      await everyBackend("none");
      const text = freshText();
      expectRight(await embed(text, {}, account.apiKey), [text]);
      served.push(text);
    }
    await expectCharged(account, priceOf(served));
  });

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

describe("a client", () => {
  test("that leaves stops the work, and is not charged", async () => {
    const account = await edge.newAccount();
    const abandonedBefore = total("abandoned");
    for (const backend of edge.backends) backend.fault = "hangs";
    const body = JSON.stringify({ model: FAKE_MODEL, input: freshText() });
    const { hostname, port } = new URL(edge.url);
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.on("error", () => undefined);
    socket.write(
      `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${account.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => total("calls"), { timeout: 5000 }).toBe(1);
    socket.resetAndDestroy();
    await expect.poll(() => total("abandoned"), { timeout: 5000 }).toBe(abandonedBefore + 1);
    await everyBackend("none");
    const text = freshText();
    expectRight(await embed(text, {}, account.apiKey), [text]);
    await expectCharged(account, priceOf([text]));
  });
});

describe("an account", () => {
  test("that is suspended loses the work that runs, also where another call's report brings the news", async () => {
    const account = await edge.newAccount();
    const known = freshText();
    expectRight(await embed(known, {}, account.apiKey), [known]);
    const abandonedBefore = total("abandoned");
    await everyBackend("hangs");
    const started = performance.now();
    const running = embed(freshText(), {}, account.apiKey);
    await expect.poll(() => total("calls"), { timeout: 5000 }).toBe(2);
    await fetch(`${edge.url}/admin/accounts/${account.accountId}`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${edge.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ status: "suspended" }),
    });
    // Hits need no backend; what they cost is reported within a second or two, by them and not by the call that runs.
    let ended: Answer | undefined;
    while (ended === undefined && performance.now() - started < 20_000) {
      const answer = await embed(known, {}, account.apiKey);
      if (answer.status === 200) expectRight(answer, [known]);
      else expect([answer.status, codeOf(answer)]).toEqual([403, "account_suspended"]);
      const pause = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 200));
      ended = await Promise.race([running, pause]);
    }
    expect([ended?.status, ended && codeOf(ended)]).toEqual([503, "ledger_unavailable"]);
    expect(performance.now() - started).toBeLessThan(4500); // before the call itself asks for a renewal
    await expect.poll(() => total("abandoned"), { timeout: 5000 }).toBe(abandonedBefore + 1);
  });
});

describe("a backend", () => {
  test("that hangs without a word, /ready too, is given up in seconds", async () => {
    const { answers, calls, ms } = await hanging;
    for (const { text, answer } of answers) expectRight(answer, [text]);
    expect(ms).toBeLessThan(20_000);
    expect(Math.min(...calls)).toBeGreaterThan(0);
  });
});
