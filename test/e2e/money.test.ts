// Money under kills and repeats, from outside: a real Workers runtime that dies with SIGKILL in traffic, in front of a
// backend that outlives it.
import { readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { main as embedCorpus } from "../../scripts/embed/main.ts";
import { cutVector } from "../../shared/vectors.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeBefore } from "../support/edge-server.ts";
import { FakeBackendServer, fakeVector, tokensOf } from "../support/fake-backend-server.ts";

const KILLS = 3;
const CALLERS = 8;
/** Answers that callers have when the runtime is killed, in each round. */
const ANSWERS_BEFORE_KILL = 60;
const NANO_USD_PER_TOKEN = 8;
const BATCH_NANO_USD_PER_TOKEN = 4;
/** `text 99999` by the fake backend's count. */
const LONGEST_CALL_NANO_USD = tokensOf("text 99999") * NANO_USD_PER_TOKEN;

const dataDir = temporaryFolder();
const backend = new FakeBackendServer({ model: FAKE_MODEL, secret: new DataFolder(dataDir).secrets().BACKEND_SECRET });
let edge: Awaited<ReturnType<typeof startEdgeBefore>>;
let texts = 0;

beforeAll(async () => {
  await backend.start();
  edge = await startEdgeBefore(dataDir, FAKE_MODEL, [backend.origin]);
});
afterAll(async () => {
  await Promise.all([edge.edge.stop(), backend.stop()]);
  removeFolder(dataDir);
});

/** SIGKILL to the runtime, then another one over the same state. */
async function killAndRestart(): Promise<void> {
  for (const pid of childrenOf(process.pid, /workerd/)) process.kill(pid, "SIGKILL");
  await edge.edge.stop().catch(() => undefined);
  edge = await startEdgeBefore(dataDir, FAKE_MODEL, [backend.origin]);
}

const admin = (path: string, body?: unknown) => call(edge.url, edge.adminKey, path, body);
const embed = (key: string, input: string, headers: Record<string, string> = {}) =>
  call(edge.url, key, "/v1/embeddings", { model: FAKE_MODEL, input }, { "cache-control": "no-store", ...headers });

async function newAccount(): Promise<{ id: string; key: string }> {
  const id = String((await admin("/admin/accounts", { name: "Test" })).body["id"]);
  await admin(`/admin/accounts/${id}/grants`, { amount_usd: 5, kind: "promo", id: "first" });
  return { id, key: String((await admin(`/admin/accounts/${id}/keys`, {})).body["key"]) };
}

/** The books, after the isolate told them what it has charged. */
async function booksOf(account: { id: string; key: string }): Promise<Record<string, number>> {
  await call(edge.url, account.key, "/v1/account");
  return (await admin(`/admin/accounts/${account.id}`)).body as Record<string, number>;
}

/** Calls until the edge is gone; answers what the whole answers that came cost. */
async function traffic(key: string, onAnswer: () => void): Promise<number> {
  let cost = 0;
  for (;;) {
    texts += 1;
    const text = `text ${texts}`;
    try {
      const answer = await embed(key, text);
      if (answer.status !== 200) return cost;
      cost += tokensOf(text) * NANO_USD_PER_TOKEN;
      onAnswer();
    } catch {
      return cost; // the connection broke: not an answer
    }
  }
}

describe("books", () => {
  test("balance after three kills in traffic: nothing that failed is charged, nothing that was written is lost", async () => {
    const account = await newAccount();
    let answered = 0;
    let known = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      let answers = 0;
      let enough = (): void => undefined;
      const reached = new Promise<void>((resolve) => (enough = resolve));
      const callers = Array.from({ length: CALLERS }, () =>
        traffic(account.key, () => {
          answers += 1;
          if (answers === ANSWERS_BEFORE_KILL) enough();
        }),
      );
      await Promise.race([reached, Promise.all(callers)]);
      known = Number((await booksOf(account))["charged_nano_usd"]);
      expect(known).toBeGreaterThan(0);
      const [costs] = await Promise.all([Promise.all(callers), killAndRestart()]);
      answered += costs.reduce((sum, cost) => sum + cost, 0);
      expect(answers).toBeGreaterThanOrEqual(ANSWERS_BEFORE_KILL);
      const books = await booksOf(account);
      expect(books["charged_nano_usd"]).toBeGreaterThanOrEqual(known);
      // A call is charged before its first byte goes out: the kill may cut off one answer a caller.
      expect(books["charged_nano_usd"]).toBeLessThanOrEqual(answered + (kill + 1) * CALLERS * LONGEST_CALL_NANO_USD);
    }
    const books = await booksOf(account);
    const charged = Number(books["charged_nano_usd"]);
    expect(books["balance_nano_usd"]).toBe(5_000_000_000 - charged);
    expect(books["written_off_nano_usd"]).toBe(0);
    const usage = await call(edge.url, account.key, "/v1/usage?bucket_width=1d");
    const results = (usage.body["data"] as { results: { cost_nano_usd: number }[] }[]).flatMap(({ results: r }) => r);
    expect(results.reduce((sum, { cost_nano_usd }) => sum + cost_nano_usd, 0)).toBe(charged);
    const ledger = await call(edge.url, account.key, "/v1/transactions");
    const lines = ledger.body["data"] as { kind: string; amount_nano_usd: number }[];
    const sum = lines.reduce((total, { amount_nano_usd }) => total + amount_nano_usd, 0);
    expect(sum).toBe(books["balance_nano_usd"]);
  }, 120_000);
});

describe("Idempotency-Key", () => {
  test("20 repeats at once are one call and one charge, and every answer is the same", async () => {
    const account = await newAccount();
    backend.delayMs = 200;
    const before = backend.texts;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => embedUntilDecided(account.key, "once", "twenty")),
    );
    backend.delayMs = 0;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get("x-idempotent-replayed") === "true")).toHaveLength(19);
    expect(backend.texts - before).toBe(1);
    expect(await booksOf(account)).toMatchObject({ charged_nano_usd: tokensOf("once") * 8, held_nano_usd: 0 });
  });

  test("the first answer survives a kill of the runtime", async () => {
    const account = await newAccount();
    const first = await embed(account.key, "kept", { "idempotency-key": "kept" });
    await killAndRestart();
    const again = await embed(account.key, "kept", { "idempotency-key": "kept" });
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(await booksOf(account)).toMatchObject({ charged_nano_usd: tokensOf("kept") * 8 });
  });

  test("a call that ran when the runtime was killed can be repeated within ten seconds", async () => {
    const account = await newAccount();
    backend.fault = "hangs";
    const { calls } = backend;
    const cutOff = embed(account.key, "cut off", { "idempotency-key": "again" }).catch(() => undefined);
    await expect.poll(() => backend.calls, { timeout: 10_000 }).toBe(calls + 1);
    backend.fault = "none";
    await killAndRestart();
    await cutOff;
    const startedMs = performance.now();
    expect((await embedUntilDecided(account.key, "cut off", "again")).status).toBe(200);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(await booksOf(account)).toMatchObject({ charged_nano_usd: tokensOf("cut off") * 8, held_nano_usd: 0 });
  });
});

/** As a client does that is told when to try again. */
async function embedUntilDecided(key: string, input: string, idempotencyKey: string) {
  for (;;) {
    const answer = await embed(key, input, { "idempotency-key": idempotencyKey });
    if (answer.status !== 409) return answer;
    expect(answer.headers.get("retry-after")).toBe("1");
    await new Promise((done) => setTimeout(done, 50));
  }
}

test("a corpus job pays once for each text, though the runtime is killed in its middle", async () => {
  const account = await newAccount();
  const folder = temporaryFolder();
  const corpus = Array.from({ length: 600 }, (_, index) => `row ${index % 500} ${"x".repeat(index % 90)}`);
  writeFileSync(join(folder, "corpus.jsonl"), corpus.map((text) => `${JSON.stringify(text)}\n`).join(""));
  const out = join(folder, "vectors");
  const job = (pauseMsMax: number) => {
    const args = [join(folder, "corpus.jsonl"), "--out", out, "--url", edge.url, "--yes", "--concurrency", "3"];
    return embedCorpus(args, {
      say: () => undefined,
      ask: undefined,
      bar: undefined,
      sync: false,
      environment: { GIGAROUTER_API_KEY: account.key },
      clock: { now: Date.now, sleep: (ms) => new Promise((done) => setTimeout(done, Math.min(ms, pauseMsMax))) },
      onInterrupt: () => () => undefined,
    });
  };
  backend.delayMs = 100;
  const { texts: before } = backend;
  const first = job(1);
  await expect.poll(() => backend.texts, { timeout: 10_000, interval: 5 }).toBeGreaterThan(before);
  await killAndRestart();
  expect(await first).toBe(1);
  backend.delayMs = 0;
  expect(await job(500)).toBe(0);
  const tokens = [...new Set(corpus)].reduce((sum, text) => sum + tokensOf(text), 0);
  expect(await booksOf(account)).toMatchObject({ charged_nano_usd: tokens * BATCH_NANO_USD_PER_TOKEN });
  const written = readFileSync(join(out, "vectors.npy"));
  const vectors = corpus.map((text) => cutVector(fakeVector(text, backend.revision, 64), 64));
  expect(written.subarray(written.length - 600 * 256)).toEqual(
    Buffer.concat(vectors.map(({ buffer }) => Buffer.from(buffer))),
  );
  removeFolder(folder);
});

test("failed, shed and abandoned calls are not charged", async () => {
  const account = await newAccount();
  backend.fault = "damaged frame";
  expect((await embed(account.key, "fails")).status).toBe(503);
  backend.fault = "503";
  expect((await embed(account.key, "is shed")).status).toBe(503);
  backend.fault = "hangs";
  const { calls, abandoned } = backend;
  const socket = sendOver(account.key, "is abandoned");
  await expect.poll(() => backend.calls, { timeout: 10_000 }).toBe(calls + 1);
  socket.resetAndDestroy();
  await expect.poll(() => backend.abandoned, { timeout: 10_000 }).toBe(abandoned + 1);
  backend.fault = "none";
  expect((await embed(account.key, "pays")).status).toBe(200);
  expect(await booksOf(account)).toMatchObject({ charged_nano_usd: tokensOf("pays") * 8, written_off_nano_usd: 0 });
});

/** A call over a socket of its own: only a reset tells the runtime at once that its client has gone. */
function sendOver(key: string, input: string): Socket {
  const body = JSON.stringify({ model: FAKE_MODEL, input });
  const { hostname, port } = new URL(edge.url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  socket.write(
    `POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}
