// An attack on the cache: whoever holds a key tries to learn whether another account has embedded a text, by header,
// price, count, time, or by riding on its computation. The real Worker and its ledger in front of a fake backend.
import { afterAll, beforeAll, expect, test } from "vitest";
import { must } from "../../shared/assert.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import type { Answer } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeUnderTest } from "../support/edge-server.ts";
import type { AccountUnderTest, EdgeUnderTest } from "../support/edge-server.ts";
import type { FakeBackendServer } from "../support/fake-backend-server.ts";

const folder = temporaryFolder();
const SECRET_TEXT = "the patient's name is known to the victim alone";
const PATIENCE = { timeout: 30_000 };
let edge: EdgeUnderTest;
let backend: FakeBackendServer;
let victim: AccountUnderTest;
let attacker: AccountUnderTest;

beforeAll(async () => {
  edge = await startEdgeUnderTest(folder, 1);
  backend = must(edge.backends[0], "a backend");
  victim = await edge.newAccount("eager");
  attacker = await edge.newAccount("eager");
});
afterAll(async () => {
  await edge.stop();
  removeFolder(folder);
});

function embed(account: AccountUnderTest, input: string, body: object = {}): Promise<Answer> {
  return call(edge.url, account.apiKey, "/v1/embeddings", { model: FAKE_MODEL, input, ...body });
}

/** All that an answer tells about the cache, the time aside. */
function tellsOf(answer: Answer): object {
  const usage = answer.body["usage"] as Record<string, unknown>;
  return {
    cache: answer.headers.get("x-cache"),
    cost: answer.headers.get("x-cost-usd"),
    usage,
    stages: (answer.headers.get("server-timing") ?? "").replaceAll(/[\d.]+/g, "#"),
    names: [...answer.headers.keys()].toSorted(),
  };
}

test("the victim's text looks to the attacker exactly like one that nobody has embedded", async () => {
  await embed(victim, SECRET_TEXT);
  expect((await embed(victim, SECRET_TEXT)).headers.get("x-cache")).toBe("hit");
  // Both are the attacker's first look at the text; they are of one length, so of one price.
  const guess = await embed(attacker, SECRET_TEXT);
  const control = await embed(attacker, SECRET_TEXT.replace("patient", "student"));
  expect(tellsOf(guess)).toEqual(tellsOf(control));
  expect(guess.headers.get("x-cache")).toBe("miss");
  expect((guess.body["usage"] as { prompt_tokens_details: object }).prompt_tokens_details).toEqual({
    cached_tokens: 0,
  });
});

/** What `work` gives, while the backend answers no call until the `release` that it is given. */
async function whileHeld<Result>(work: (release: () => void) => Promise<Result>): Promise<Result> {
  const release = backend.hold();
  try {
    return await work(release);
  } finally {
    release();
  }
}

test("time tells nothing either: the attacker's guess waits for the backend, however often the victim was served", async () => {
  const text = `${SECRET_TEXT}, said again`;
  for (let time = 0; time < 5; time += 1) await embed(victim, text);
  const before = backend.calls;
  await whileHeld(async (release) => {
    let answered = false;
    const guess = embed(attacker, text).finally(() => (answered = true));
    await expect.poll(() => backend.calls, PATIENCE).toBe(before + 1);
    for (let time = 0; time < 5; time += 1) expect((await embed(victim, text)).headers.get("x-cache")).toBe("hit");
    expect(answered).toBe(false);
    release();
    expect((await guess).headers.get("x-cache")).toBe("miss");
  });
  expect(backend.calls).toBe(before + 1);
});

test("nobody rides on another account's computation in flight", async () => {
  const text = `${SECRET_TEXT}, in flight`;
  const [calls, texts] = [backend.calls, backend.texts];
  await whileHeld(async (release) => {
    const all = Promise.all([embed(victim, text), embed(attacker, text), embed(victim, text)]);
    await expect.poll(() => backend.calls, PATIENCE).toBe(calls + 2);
    release();
    await all;
  });
  expect(backend.texts - texts).toBe(2);
});

test("no mixture of text and instruction names another entry of the same account", async () => {
  const instruction = "find the patient";
  await embed(victim, "Q", { instruction });
  // The same characters to the model, put together differently: an entry of its own.
  expect((await embed(victim, `Instruct: ${instruction}\nQuery:Q`)).headers.get("x-cache")).toBe("miss");
  expect((await embed(victim, "Q")).headers.get("x-cache")).toBe("miss");
  expect((await embed(victim, "Q", { instruction })).headers.get("x-cache")).toBe("hit");
});

test("names of entries tell nothing: KV holds neither texts nor account ids", async () => {
  const kv = await edge.edge.miniflare.getKVNamespace("EMBEDDING_CACHE");
  await expect.poll(async () => (await kv.list()).keys.length, { timeout: 5000 }).toBeGreaterThan(3);
  const { keys } = await kv.list();
  for (const { name } of keys) expect(name).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(keys.map(({ name }) => name)).size).toBe(keys.length);
});
