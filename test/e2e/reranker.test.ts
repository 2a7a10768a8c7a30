// Rerankers from outside, in real workerd before the real backend: small random checkpoints (test/vectors/rerankers), so
// scores mean nothing, but must be those that transformers and sentence-transformers computed.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textsBound } from "../../edge/embedding/request-texts.ts";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { examineBackend } from "../../scripts/doctor/running.ts";
import { DEMO_MODEL_ID } from "../../shared/catalog.ts";
import { backendReadySchema } from "../../shared/wire.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDERS = join(ROOT, "test/vectors/rerankers");
const QWEN3 = "local/qwen3";
const BERT = "local/bert";
const TOLERANCE = 1e-5;

interface Reference {
  readonly instruction: string | null;
  readonly query: string;
  readonly documents: readonly string[];
  readonly scores: readonly number[];
}

const referencesOf = (model: string): readonly Reference[] => {
  const file = readFileSync(join(FOLDERS, model.replace("local/", ""), "expected.json"), "utf8");
  return (JSON.parse(file) as { calls: readonly Reference[] }).calls;
};

const dataDir = temporaryFolder();
let server: DevServer;

beforeAll(async () => {
  const models = [join(ROOT, "gpu-backend/demo-model"), join(FOLDERS, "qwen3"), join(FOLDERS, "bert")];
  server = await startTestServer(dataDir, {}, undefined, models);
});
afterAll(async () => {
  await server.stop();
  removeFolder(dataDir);
});

const post = (path: string, body: object, headers: Record<string, string> = {}) =>
  call(server.url, server.apiKey, path, body, headers);

async function rerank(body: object, headers: Record<string, string> = {}) {
  const answer = await post("/v1/rerank", body, headers);
  const results = answer.body["results"] as readonly { index: number; relevance_score: number }[];
  return { ...answer, results, usage: answer.body["usage"] as { prompt_tokens: number; cost: number } };
}

/** In the order of the documents. */
const scoresOf = (results: readonly { index: number; relevance_score: number }[]): readonly number[] =>
  results.toSorted((a, b) => a.index - b.index).map(({ relevance_score }) => relevance_score);

const balance = async () => Number((await call(server.url, server.apiKey, "/v1/account")).body["balance_nano_usd"]);

describe.each([QWEN3, BERT])("%s", (model) => {
  test("scores each pair as the published implementation does", async () => {
    for (const { instruction, query, documents, scores } of referencesOf(model)) {
      if (query === "") continue; // refused by the API
      const kept = documents.flatMap((document, index) =>
        document === "" ? [] : [{ document, score: scores[index] }],
      );
      const body = { model, query, documents: kept.map(({ document }) => document) };
      const { status, results, body: answer } = await rerank(instruction === null ? body : { ...body, instruction });
      expect([status, answer["method"]]).toEqual([200, "reranker"]);
      for (const [index, score] of scoresOf(results).entries()) {
        expect(Math.abs(score - (kept[index]?.score ?? Number.NaN))).toBeLessThan(TOLERANCE);
      }
    }
  });

  test("has at most the tokens by which the edge bounds a pair before its lease", async () => {
    const takes = backendReadySchema.parse(
      await (await fetch(`${server.backendUrl}/ready?model=${encodeURIComponent(model)}`)).json(),
    ).reranker;
    for (const { instruction, query, documents } of referencesOf(model)) {
      if (query === "") continue; // refused by the API
      const kept = documents.filter((document) => document !== "");
      const body = { model, query, documents: kept, ...(instruction === null ? {} : { instruction }) };
      const quote = (await post("/v1/tokenize", body)).body["data"] as readonly { count: number }[];
      for (const [index, text] of kept.entries()) {
        const pair = {
          texts: [{ kind: "text", text }],
          prefix: "",
          query: { text: query, instruction, takes },
        } as const;
        expect(quote[index]?.count).toBeLessThanOrEqual(textsBound(pair, 32_768));
      }
    }
  });

  test("scores a document alone as among a thousand, bit for bit", async () => {
    const documents = Array.from({ length: 1000 }, (_, place) => `Document ${place} is about trains.`);
    const headers = { "cache-control": "no-store" };
    const all = scoresOf((await rerank({ model, query: "trains", documents }, headers)).results);
    expect(all).toHaveLength(1000);
    for (const place of [0, 1, 499, 999]) {
      const alone = await rerank({ model, query: "trains", documents: [documents[place]] }, headers);
      expect(alone.results[0]?.relevance_score).toBe(all[place]);
    }
  }, 120_000);

  test("costs what the quote says, once, and a repeat costs the hit price", async () => {
    const body = { model, query: "which one?", documents: ["the first", "the second one", "a third"] };
    const quote = await post("/v1/tokenize", body);
    const before = await balance();
    const headers = { "idempotency-key": `quoted ${model}`.replaceAll(/\W/g, "-") };
    const first = await rerank(body, headers);
    expect(first.usage.prompt_tokens).toBe(quote.body["total_tokens"]);
    expect(Math.round(first.usage.cost * 1e9)).toBe(quote.body["cost_nano_usd"]);
    const replayed = await rerank(body, headers);
    expect(replayed.body).toEqual(first.body);
    const again = await rerank(body);
    expect(again.results).toEqual(first.results);
    expect(again.headers.get("x-cache")).toBe("hit");
    const cost = Number(quote.body["cost_nano_usd"]);
    await expect.poll(async () => before - (await balance()), { timeout: 15_000 }).toBe(cost + Math.ceil(cost / 2));
  });

  test("names the document, or the query, that is too long, and cuts documents alone", async () => {
    const long = "train ".repeat(2000);
    const before = await balance();
    const none = await rerank({ model, query: "q", documents: ["short", long], truncate: "none" });
    expect(none.body["error"]).toMatchObject({ code: "context_length_exceeded", param: "documents[1]" });
    const query = await rerank({ model, query: long, documents: ["short"] });
    expect(query.body["error"]).toMatchObject({ code: "context_length_exceeded", param: "query" });
    expect(await balance()).toBe(before);
    const cut = await rerank({ model, query: "q", documents: ["short", long] });
    const { context_length: context } = (await call(server.url, server.apiKey, `/v1/models/${model}`)).body;
    const { body: quote } = await post("/v1/tokenize", { model, query: "q", documents: ["short", long] });
    expect(quote).toMatchObject({ total_tokens: cut.usage.prompt_tokens, fits: false });
    expect(Object(quote["data"])[1]).toMatchObject({ count: context, fits: false });
  });

  test("is a reranker and nothing else", async () => {
    const { body } = await call(server.url, server.apiKey, `/v1/models/${model}`);
    expect(body).toMatchObject({ kind: "reranker", status: "live", native_dimensions: 0 });
    const refused = await post("/v1/embeddings", { model, input: "a" });
    expect(refused.status).toBe(400);
    expect(refused.body["error"]).toMatchObject({ code: "incompatible_options", param: "model" });
  });
});

test("a call of more tokens than a request may have is refused before any work, and named", async () => {
  const documents = Array.from({ length: 2047 }, (_, place) => `${place} ${"train ".repeat(400)}`);
  const { status, body } = await rerank({ model: QWEN3, query: "trains", documents });
  expect(status).toBe(400);
  expect(body["error"]).toMatchObject({ code: "too_many_tokens", param: "documents" });
});

test("a cross-encoder takes no instruction", async () => {
  const { status, body } = await rerank({ model: BERT, query: "q", documents: ["a"], instruction: "find" });
  expect(status).toBe(400);
  expect(body["error"]).toMatchObject({ code: "incompatible_options", param: "instruction" });
});

test("the embedding model beside them answers the cosine", async () => {
  const { body } = await rerank({ model: DEMO_MODEL_ID, query: "trains", documents: ["a train", "honey"] });
  expect(body["method"]).toBe("cosine");
});

test("the doctor tries each model of the backend with the secret", async () => {
  const secret = new DataFolder(dataDir).secrets().BACKEND_SECRET;
  const findings = await examineBackend(server.backendUrl, secret);
  expect(findings.filter(({ kind }) => kind !== "well")).toEqual([]);
  expect(findings.map(({ what }) => what).slice(-3)).toEqual([
    expect.stringMatching(/demo-embedding embeds: \d+ dimensions$/),
    `it takes this BACKEND_SECRET, and ${QWEN3} scores`,
    `it takes this BACKEND_SECRET, and ${BERT} scores`,
  ]);
});
