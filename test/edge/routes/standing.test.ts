// Where a caller stands, as the headers of its answers say, and what its usage counts: the account's figures, never a
// lease's. And an account whose object sleeps between any two calls.

import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { AccountCore } from "../../../edge/ledger/account-core.ts";
import { DEFAULT_SETTINGS } from "../../../edge/ledger/settings.ts";
import { SqliteStorage } from "../../../edge/account/sqlite-storage.ts";
import { must } from "../../../shared/assert.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { openAccount } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";
import type { ApiAnswer } from "../support/api.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const CREDIT = 5_000_000_000;
/** A lease's life and the object's margin, and a minute of drain. */
const RESTED_MS = 96_000;

const api = new Api();

function embed(account: TestAccount, body: object = {}): Promise<ApiAnswer> {
  return api.call("/v1/embeddings", { key: account.created.key, body: { model: MODEL, input: "hello", ...body } });
}

const usd = (amount: number): string => (amount / 1e9).toFixed(9).replace(/\.?0+$/, "");
const header = (answer: ApiAnswer, name: string): string => answer.headers.get(name) ?? "absent";

test("the credit that a call is told is the balance less what was charged, whatever leases hold", async () => {
  const account = await openAccount(CREDIT);
  let left = CREDIT;
  for (let call = 0; call < 5; call += 1) {
    const answer = await embed(account);
    left -= Number(header(answer, "x-cost-usd")) * 1e9;
    expect(header(answer, "x-credit-remaining-usd")).toBe(usd(Math.round(left)));
    expect(header(answer, "x-ratelimit-limit-tokens")).toBe("1000000");
    expect(Number(header(answer, "x-ratelimit-remaining-tokens"))).toBeGreaterThanOrEqual(1_000_000 - 6 * (call + 1));
    expect(Number(header(answer, "x-ratelimit-remaining-requests"))).toBeGreaterThanOrEqual(600 - (call + 1));
    expect(Number(header(answer, "x-ratelimit-remaining-requests"))).toBeLessThan(600);
  }
});

test("a 402 and a 429 carry the state that refused", async () => {
  const poor = await openAccount(0);
  const unpaid = await embed(poor);
  expect(unpaid).toMatchObject({ status: 402, body: { error: { code: "insufficient_credit" } } });
  // Told by its bound: with no credit at all it is not counted.
  expect(unpaid.body).toMatchObject({
    error: { message: expect.stringContaining("needs up to $0.000000064; the account can spend $0.") as string },
  });
  // Where bad texts fail alone, all of them might, and cost nothing: counted.
  const perItem = await embed(poor, { on_error: "per_item" });
  expect(perItem).toMatchObject({
    status: 402,
    body: { error: { message: expect.stringContaining("This call needs $") as string } },
  });
  expect(header(unpaid, "x-credit-remaining-usd")).toBe("0");
  expect(header(unpaid, "x-ratelimit-remaining-requests")).toBe("600");
  const slow = await openAccount(CREDIT);
  await slow.stub.setLimits({ requestsPerMinute: 1 }, "test");
  expect((await embed(slow)).status).toBe(200);
  const hasty = await embed(slow);
  expect(hasty).toMatchObject({ status: 429, body: { error: { code: "rate_limit_exceeded" } } });
  expect(header(hasty, "x-ratelimit-limit-requests")).toBe("1");
  expect(header(hasty, "x-ratelimit-remaining-requests")).toBe("0");
  expect(header(hasty, "x-ratelimit-reset-requests")).toMatch(/^(5\d(\.\d+)?s|1m0s)$/);
  expect(Number(header(hasty, "retry-after"))).toBeGreaterThan(50);
});

test("a 429 for credit that other calls hold says to try again in a second, and when it is back at the latest", async () => {
  const account = await openAccount(CREDIT);
  const attempt = { batchId: "batch", slice: 0, attempt: 1, keyId: account.created.id };
  const uses = { scopes: [], models: [MODEL] };
  expect(await account.stub.reserveBatch({ ...attempt, uses }, nanoUsd(CREDIT))).toEqual({ kind: "reserved" });
  const answer = await embed(account);
  expect(answer).toMatchObject({ status: 429, body: { error: { code: "credit_held", retry_after_s: 1 } } });
  expect(header(answer, "retry-after")).toBe("1");
  expect(header(answer, "retry-after-ms")).toBe("1000");
  expect(answer.text).toMatch(/held for other calls, for [1-9]\d? s at most\./);
});

test("a call over the whole limit of a minute is a 400 that names the limit and its size", async () => {
  const account = await openAccount(CREDIT);
  await account.stub.setLimits({ tokensPerMinute: 5 }, "test");
  const answer = await embed(account, { input: "seven letters or so" });
  expect(answer).toMatchObject({ status: 400, body: { error: { code: "limit_exceeded" } } });
  expect(String((answer.body["error"] as { message: string }).message)).toMatch(
    /takes \d+ tokens, .* limit of 5 tokens/,
  );
  expect(answer.headers.get("retry-after")).toBeNull();
});

test("usage counts served calls as requests, and every refused one as an error", async () => {
  const account = await openAccount(CREDIT);
  const { key } = account.created;
  for (let call = 0; call < 5; call += 1) expect((await embed(account)).status).toBe(200);
  const refused: ApiAnswer[] = [
    await embed(account, { input: "" }),
    await embed(account, { dimensions: 0 }),
    await embed(account, { colour: "red" }),
    await embed(account, { model: "nobody/nothing" }),
    await api.call("/v1/embeddings", { key, body: "{", method: "POST" }),
    await api.call("/v1/rerank", { key, body: { model: MODEL, query: "q" } }),
    await api.call("/v1/similarity", { key, body: { model: MODEL } }),
    await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "x" }, headers: { "x-max-cost": "0" } }),
  ];
  expect(refused.every(({ status }) => status >= 400 && status < 500)).toBe(true);
  await api.settled();
  const usage = await api.call("/v1/usage?group_by=key", { key });
  const results = (usage.body["data"] as { results: { requests: number; errors: Record<string, number> }[] }[]).flatMap(
    (bucket) => bucket.results,
  );
  expect(results.reduce((sum, { requests }) => sum + requests, 0)).toBe(5);
  expect(results.reduce((sum, { errors }) => sum + (errors["4xx"] ?? 0), 0)).toBe(8);
});

test("an account whose object sleeps between any two calls is served every time, and holds nothing at the end", async () => {
  const account = await openAccount(CREDIT);
  let charged = 0;
  for (let call = 0; call < 100; call += 1) {
    const answer = call % 10 === 9 ? await api.call("/v1/usage", { key: account.created.key }) : await embed(account);
    expect(answer.status).toBe(200);
    charged += Math.round(Number(answer.headers.get("x-cost-usd") ?? 0) * 1e9);
    await abortAllDurableObjects();
  }
  await api.settled();
  const rested = await runInDurableObject(account.stub, (_object, state) => {
    const nowMs = Date.now() + RESTED_MS;
    const core = new AccountCore(
      new SqliteStorage(state.storage, () => undefined),
      DEFAULT_SETTINGS,
      () => "another life",
    );
    return core.turn(nowMs, (ledger) => {
      ledger.tick(nowMs);
      const { requestsPerMinute, tokensPerMinute } = ledger.limits;
      return {
        held: ledger.leases.total,
        used: [
          requestsPerMinute - ledger.requests.available(requestsPerMinute),
          tokensPerMinute - ledger.tokens.available(tokensPerMinute),
        ],
        charged: ledger.books.totals.chargedNanoUsd,
      };
    });
  });
  expect(must(rested, "the account")).toEqual({ held: { nanoUsd: 0, requests: 0, tokens: 0 }, used: [0, 0], charged });
});
