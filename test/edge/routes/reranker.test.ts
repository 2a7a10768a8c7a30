// /v1/rerank with a reranker: pairs scored by the model itself, charged, cached and refused as texts are.

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BackendFault } from "../../../shared/wire.ts";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1, scoreOf } from "../support/fake-backends.ts";

const api = new Api();
const { backend } = api;
backend.reranker = { instruction: "Judge well.", templateTokens: 2, queryTokensMax: 4096 };
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

beforeEach(() => {
  backend.behaviour = { kind: "well" };
  backend.answersScores = undefined;
});

const QUERY = "which one?";
const DOCUMENTS = ["zebra crossing", "which one?", "a", "another document"];

interface Item {
  readonly index: number;
  readonly relevance_score: number;
  readonly document?: object;
}

let calls = 0;

/** A call of an account's first time: `fresh` makes its query another one than any before. */
async function rerank(change: object, { path = "/v1/rerank", headers = {}, own = key } = {}) {
  const body = { model: MODEL, query: QUERY, documents: DOCUMENTS, ...change };
  const answer = await api.call(path, { key: own, headers, body });
  return { ...answer, results: answer.body["results"] as readonly Item[] };
}

const fresh = () => `query ${(calls += 1)}`;
const scored = () => backend.scores.reduce((sum, { documents }) => sum + documents.length, 0);

describe("a reranker", () => {
  test("scores and charges the good documents though others are at fault, where the call says so", async () => {
    backend.faulty.set("long", { code: "context_length_exceeded", facts: { tokens: 9, maxTokens: 8, counted: 1 } });
    const query = fresh();
    const documents = ["long", "one", "", "three"];
    const answer = await rerank({ query, documents, on_error: "per_item", truncate: "none" });
    backend.faulty.clear();
    expect(answer.results.map(({ index }) => index).toSorted()).toEqual([1, 3]);
    const errors = answer.body["errors"] as readonly { index: number; error: { code: string; param: string } }[];
    expect(errors.map(({ index, error }) => [index, error.code, error.param])).toEqual([
      [0, "context_length_exceeded", "documents[0]"],
      [2, "empty_input", "documents[2]"],
    ]);
    const tokens = `${query}|one`.length + `${query}|three`.length + 2;
    expect(answer.body["usage"]).toMatchObject({ prompt_tokens: tokens, failed_items: 2 });
    const alone = await rerank({ query, documents: ["three"] });
    expect(alone.headers.get("x-cache")).toBe("hit");
    expect(alone.results[0]?.relevance_score).toBe(answer.results.find(({ index }) => index === 3)?.relevance_score);
  });

  test("orders documents by its scores, best first, and the answer says that it judged", async () => {
    const { status, results, body } = await rerank({});
    expect(status).toBe(200);
    const expected = DOCUMENTS.map((document, index) => ({
      index,
      relevance_score: scoreOf(`${QUERY}|${document}`, REVISION_1),
    })).toSorted((a, b) => b.relevance_score - a.relevance_score);
    expect(results).toEqual(expected);
    const tokens = DOCUMENTS.reduce((sum, document) => sum + `${QUERY}|${document}`.length + 1, 0);
    expect(body).toMatchObject({
      method: "reranker",
      data: expected,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
      meta: { api_version: { version: "1" }, billed_units: { input_tokens: tokens } },
    });
    expect(backend.scores.at(-1)).toMatchObject({ query: QUERY, instruction: null, truncate: "end" });
    expect((await rerank({}, { path: "/v2/rerank" })).results).toEqual(expected);
  });

  test("reads the caller's instruction with each pair", async () => {
    const { results } = await rerank({ instruction: "Be kind.", documents: ["a"] });
    expect(results[0]?.relevance_score).toBe(scoreOf(`Be kind.${QUERY}|a`, REVISION_1));
    expect(backend.scores.at(-1)).toMatchObject({ instruction: "Be kind.", truncate: "end" });
  });

  test("reads the fields that `rank_fields` names, in their order, and gives the documents back as they came", async () => {
    const documents = [
      { title: "b", body: "c", year: 7 },
      { body: "d", title: null },
      "e",
      { title: "f", text: "not read" },
    ];
    const query = fresh();
    const { results } = await rerank({ query, documents, rank_fields: ["title", "body"], return_documents: true });
    expect(backend.scores.at(-1)?.documents).toEqual(["b\nc", "d", "e", "f"]);
    expect(results.toSorted((a, b) => a.index - b.index).map(({ document }) => document)).toEqual([
      { title: "b", body: "c", year: 7, text: "b\nc" },
      { body: "d", title: null, text: "d" },
      { text: "e" },
      { title: "f", text: "not read" },
    ]);
  });

  test("answers the best few, and equal documents in the order sent, computed once", async () => {
    const query = fresh();
    const { results, body } = await rerank({ query, documents: ["same", "same", "same"], top_n: 2 });
    expect(results.map(({ index }) => index)).toEqual([0, 1]);
    expect(backend.scores.at(-1)?.documents).toEqual(["same"]);
    const tokens = `${query}|same`.length + 1;
    expect(body["usage"]).toMatchObject({
      prompt_tokens: 3 * tokens,
      prompt_tokens_details: { cached_tokens: 2 * tokens },
    });
  });

  test("scores a thousand documents", async () => {
    const documents = Array.from({ length: 1000 }, (_, place) => `document ${place}`);
    const query = fresh();
    const { results } = await rerank({ query, documents });
    expect(results).toHaveLength(1000);
    for (const { index, relevance_score } of results) {
      expect(relevance_score).toBe(scoreOf(`${query}|document ${index}`, REVISION_1));
    }
  });
});

describe("the cache of pairs", () => {
  test("has a pair by query, document and instruction", async () => {
    const query = fresh();
    const first = await rerank({ query, documents: ["a", "b"] });
    expect(first.headers.get("x-cache")).toBe("miss");
    const before = scored();
    const again = await rerank({ query, documents: ["b", "c"] });
    expect(again.headers.get("x-cache")).toBe("partial");
    expect(again.results.find(({ index }) => index === 0)?.relevance_score).toBe(
      first.results.find(({ index }) => index === 1)?.relevance_score,
    );
    expect(scored() - before).toBe(1);
    const others = [{ query: `${query} ` }, { query, instruction: "x" }, { query: "a", documents: [query, "b"] }];
    for (const other of others) {
      expect((await rerank({ documents: ["a", "b"], ...other })).headers.get("x-cache")).toBe("miss");
    }
    expect((await rerank({ query, documents: ["a", "b", "c"] })).headers.get("x-cache")).toBe("hit");
  });

  test("has no pair whose document was cut, and none of another account", async () => {
    const query = fresh();
    backend.truncates.add("cut");
    const documents = ["cut", "whole"];
    await rerank({ query, documents });
    expect((await rerank({ query, documents })).headers.get("x-cache")).toBe("partial");
    const other = await api.newAccount();
    expect((await rerank({ query, documents }, { own: other.key })).headers.get("x-cache")).toBe("miss");
  });
});

describe("money", () => {
  test("a pair costs the tokens of query and document, at the operator's price of the model", async () => {
    const { id, key: own } = await api.newAccount();
    const answer = await rerank({ query: "q", documents: ["abcd", "e"] }, { own });
    const tokens = "q|abcd".length + 1 + "q|e".length + 1;
    expect(answer.headers.get("x-cost-usd")).toBe((tokens * 8e-9).toFixed(9).replace(/0+$/, ""));
    await expect
      .poll(async () => (await api.admin(`/admin/accounts/${id}`)).body["charged_nano_usd"], { timeout: 10_000 })
      .toBe(tokens * 8);
    const usage = await api.call("/v1/usage?bucket_width=1h", { key: own });
    expect(usage.text).toContain(`"input_tokens":${tokens}`);
  });

  test("`X-Max-Cost` is judged by the exact quote, and nothing is run above it", async () => {
    const query = fresh();
    // Three bytes and one token, to the backend of this test: the bound is above the count.
    const documents = ["€".repeat(50)];
    const tokens = `${query}|${"€".repeat(50)}`.length + 1;
    const before = scored();
    const over = await rerank({ query, documents }, { headers: { "x-max-cost": usd(tokens * 8 - 1) } });
    expect(over.body["error"]).toMatchObject({ code: "max_cost_exceeded" });
    expect(scored()).toBe(before);
    const { status } = await rerank({ query, documents }, { headers: { "x-max-cost": usd(tokens * 8) } });
    expect(status).toBe(200);
  });

  test("the query counts with each document before anything is run", async () => {
    const query = `${fresh()} ${"long ".repeat(50)}`;
    const documents = ["a", "b", "c"];
    const tokens = documents.length * (`${query}|a`.length + 1);
    const { body } = await rerank({ query, documents }, { headers: { "x-max-cost": usd(tokens * 8 - 1) } });
    expect(body["error"]).toMatchObject({ code: "max_cost_exceeded" });
  });

  test("credit for the exact count is enough, a nano-dollar less is not", async () => {
    const { key: own, grant } = await poorAccount();
    const documents = ["€".repeat(50), "€€€"];
    const cost = documents.reduce((sum, document) => sum + (`q|${document}`.length + 1) * 8, 0);
    await grant(cost - 1);
    const refused = await rerank({ query: "q", documents }, { own });
    expect(refused.status).toBe(402);
    expect(refused.body["error"]).toMatchObject({ code: "insufficient_credit" });
    await grant(1);
    const { status, headers } = await rerank({ query: "q", documents }, { own });
    expect([status, headers.get("x-credit-remaining-usd")]).toEqual([200, "0"]);
  });

  test("a call under an `Idempotency-Key` is charged once and answered the same again", async () => {
    const { id, key: own } = await api.newAccount();
    const call = () => rerank({ query: "once" }, { own, headers: { "idempotency-key": "k" } });
    const first = await call();
    const second = await call();
    expect(second.text).toBe(first.text);
    expect(second.headers.get("x-idempotent-replayed")).toBe("true");
    const tokens = DOCUMENTS.reduce((sum, document) => sum + `once|${document}`.length + 1, 0);
    await expect
      .poll(async () => (await api.admin(`/admin/accounts/${id}`)).body["charged_nano_usd"], { timeout: 10_000 })
      .toBe(tokens * 8);
  });

  test.each<[string, readonly number[]]>([
    ["not a number", [Number.NaN]],
    ["infinite", [Number.POSITIVE_INFINITY]],
    ["a raw logit", [3.5]],
    ["negative", [-0.1]],
    ["one too many", [0.5, 0.5]],
  ])("a score that is %s is no answer and costs nothing", async (_, scores) => {
    const { id, key: own } = await api.newAccount();
    backend.answersScores = scores;
    const { status, body } = await rerank({ query: "q", documents: ["a"] }, { own });
    expect(status).toBe(503);
    expect(body["error"]).toMatchObject({ code: "backend_unavailable" });
    await api.settled();
    const { body: account } = await api.admin(`/admin/accounts/${id}`);
    expect(account).toMatchObject({ charged_nano_usd: 0, balance_nano_usd: 5e9 });
  });
});

describe("a fault of the backend", () => {
  const fault = (change: Partial<BackendFault>): BackendFault => ({
    code: "context_length_exceeded",
    message: "too long",
    index: null,
    facts: { tokens: 900, maxTokens: 500 },
    retryAfterS: null,
    ...change,
  });

  test("names the document", async () => {
    backend.behaviour = { kind: "fault", fault: fault({ index: 2 }) };
    const { status, body } = await rerank({ query: fresh() });
    expect(status).toBe(400);
    expect(body["error"]).toMatchObject({ code: "context_length_exceeded", param: "documents[2]" });
    expect(String(Object(body["error"]).message)).toMatch(/900 tokens.*reads at most 500 of a pair.*truncate: "end"/);
  });

  test("names the query, which is never cut", async () => {
    backend.behaviour = { kind: "fault", fault: fault({ facts: { tokens: 900, maxTokens: 500, query: 1 } }) };
    const { body } = await rerank({ query: fresh() });
    expect(body["error"]).toMatchObject({ code: "context_length_exceeded", param: "query" });
    expect(String(Object(body["error"]).message)).toMatch(/query has 900 tokens.*at most 500/);
  });

  test("of a pair that has no finite score costs nothing", async () => {
    backend.behaviour = { kind: "fault", fault: fault({ code: "vector_not_finite", index: 1, facts: {} }) };
    const { status, body } = await rerank({ query: fresh() });
    expect(status).toBe(500);
    expect(body["error"]).toMatchObject({ code: "vector_not_finite", param: "documents[1]" });
  });
});

describe("a quote", () => {
  const quote = (change: object) =>
    api.call("/v1/tokenize", { key, body: { model: MODEL, query: QUERY, documents: DOCUMENTS, ...change } });

  test("of a rerank counts its pairs as the call does, and runs nothing", async () => {
    const query = fresh();
    const before = scored();
    const { status, body } = await quote({ query, top_n: 1, instruction: "i" });
    expect(status).toBe(200);
    expect(scored()).toBe(before);
    const { body: answer } = await rerank({ query, instruction: "i" });
    const { prompt_tokens: tokens } = Object(answer["usage"]);
    expect(body).toMatchObject({ total_tokens: tokens, cost_nano_usd: tokens * 8, batch_cost_nano_usd: tokens * 4 });
    const counts = DOCUMENTS.map((document) => `i${query}|${document}`.length + 1);
    expect(body["data"]).toMatchObject(counts.map((count, index) => ({ index, count, fits: true })));
  });

  test("says that a pair does not fit, whatever `truncate` says", async () => {
    backend.truncates.add("long");
    const { body } = await quote({ documents: ["long", "short"], truncate: "none" });
    expect(body).toMatchObject({ fits: false, data: [{ fits: false }, { fits: true }] });
    expect(backend.scoreTokenizes.at(-1)).toMatchObject({ truncate: "end" });
  });

  test("is of one kind", async () => {
    expect((await quote({ input: "a" })).body["error"]).toMatchObject({ code: "incompatible_options", param: "input" });
    expect((await quote({ documents: undefined })).body["error"]).toMatchObject({
      code: "missing_field",
      param: "documents",
    });
  });

  test("needs the scope of the call that it quotes", async () => {
    const other = await api.newAccount({ scopes: ["embeddings"] });
    const body = { model: MODEL, query: "q", documents: ["a"] };
    expect((await api.call("/v1/tokenize", { key: other.key, body })).body["error"]).toMatchObject({
      code: "insufficient_scope",
    });
  });
});

describe("the two kinds", () => {
  test.each<[string, object]>([
    ["/v1/embeddings", { input: "a" }],
    ["/v1/embeddings", { input: "a", dimensions: 8 }],
    ["/v1/similarity", { pairs: [["a", "b"]] }],
    ["/v1/tokenize", { input: "a" }],
  ])("%s refuses a reranker and says what would be right", async (path, body) => {
    const { status, body: answer } = await api.call(path, { key, body: { model: MODEL, ...body } });
    expect(status).toBe(400);
    expect(answer["error"]).toMatchObject({ code: "incompatible_options", param: "model" });
    expect(String(Object(answer["error"]).message)).toContain("/v1/rerank");
    expect(backend.embeds).toHaveLength(0);
  });

  test.each<[string, object]>([
    ["model", { model: `${MODEL}@8` }],
    ["input_type", { input_type: "document" }],
    ["truncate", { truncate: "start" }],
    ["rank_fields", { rank_fields: [] }],
    ["documents[1]", { documents: [{ title: "a" }, { text: "b" }], rank_fields: ["title"] }],
    ["documents[0].title", { documents: [{ title: 5 }], rank_fields: ["title"] }],
    ["documents[0].title", { documents: [{ title: "" }], rank_fields: ["title"] }],
  ])("a reranker refuses a wrong `%s`", async (param, change) => {
    const { status, body } = await rerank(change);
    expect(status).toBe(400);
    expect(body["error"]).toMatchObject({ param });
  });

  test("/v1/models tells them apart", async () => {
    const { body } = await api.call(`/v1/models/${MODEL}`);
    expect(body).toMatchObject({
      kind: "reranker",
      native_dimensions: 0,
      permitted_dimensions: { min: 0, max: 0 },
      default_query_instruction: "Judge well.",
      prompts: null,
      query_tokens_max: 4096,
    });
    expect((await api.call("/v1/models/gigarouter/demo-embedding")).body).toMatchObject({ kind: "embedding" });
    expect((await api.call("/v1/models/Qwen/Qwen3-Reranker-0.6B")).body).toMatchObject({
      kind: "reranker",
      status: "coming_soon",
      pricing: { price_nano_usd_per_million_tokens: 10_000_000 },
    });
  });
});

function usd(nanoUsd: number): string {
  return (nanoUsd / 1e9).toFixed(9);
}

/** An account without credit, and what gives it some. */
async function poorAccount() {
  const id = String((await api.admin("/admin/accounts", { name: "Poor" })).body["id"]);
  const limits = { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 };
  await api.admin(`/admin/accounts/${id}`, { limits }, "PATCH");
  const issued = await api.admin(`/admin/accounts/${id}/keys`, {});
  const grant = (amount: number) =>
    api.admin(`/admin/accounts/${id}/grants`, { amount_nano_usd: amount, kind: "promo" });
  return { key: String(issued.body["key"]), grant };
}
