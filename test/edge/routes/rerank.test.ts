import { beforeAll, describe, expect, test } from "vitest";
import { dotProduct, cutVector } from "../../../shared/vectors.ts";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1, vectorOf } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const QUERY = "which one?";
const PREFIX = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";
const DOCUMENTS = ["zebra crossing", "which one?", "a", "another document"];

function score(query: string, document: string): number {
  const vector = (text: string) => cutVector(vectorOf(text, REVISION_1), 8);
  return Math.min(1, Math.max(0, dotProduct(vector(query), vector(document))));
}

interface Item {
  readonly index: number;
  readonly relevance_score: number;
  readonly document?: { readonly text: string };
}

async function rerank(body: object, path = "/v1/rerank") {
  const answer = await api.call(path, { key, body: { model: MODEL, query: QUERY, documents: DOCUMENTS, ...body } });
  return { ...answer, results: answer.body["results"] as readonly Item[] };
}

describe("rerank", () => {
  test("orders documents by the cosine to the query with its instruction, best first", async () => {
    const { status, results, body } = await rerank({});
    expect(status).toBe(200);
    const expected = DOCUMENTS.map((document, index) => ({
      index,
      relevance_score: score(PREFIX + QUERY, document),
    })).toSorted((a, b) => b.relevance_score - a.relevance_score);
    expect(results.map(({ index }) => index)).toEqual(expected.map(({ index }) => index));
    for (const [place, { relevance_score }] of expected.entries()) {
      expect(results[place]?.relevance_score).toBeCloseTo(relevance_score, 12);
    }
    expect(body).toMatchObject({ method: "cosine", data: results });
  });

  test("answers what the clients of Cohere, Jina and Voyage read", async () => {
    const tokens = [PREFIX + QUERY, ...DOCUMENTS].reduce((sum, text) => sum + text.length + 1, 0);
    for (const version of ["1", "2"]) {
      const { body, headers } = await rerank({}, `/v${version}/rerank`);
      expect(body).toMatchObject({
        id: expect.stringMatching(/^req/),
        object: "list",
        model: MODEL,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
        meta: { api_version: { version }, billed_units: { input_tokens: tokens } },
      });
      expect(headers.get("x-model-revision")).toBe(REVISION_1);
    }
  });

  test("takes documents as objects, answers the best few, and the documents as they came where asked", async () => {
    const documents = DOCUMENTS.map((text) => ({ text, id: "mine" }));
    const { results } = await rerank({ documents, top_n: 2, return_documents: true });
    const strings = await rerank({ top_k: 2 });
    expect(results.map(({ index }) => index)).toEqual(strings.results.map(({ index }) => index));
    expect(results).toHaveLength(2);
    for (const item of results) expect(item.document).toEqual({ text: DOCUMENTS[item.index], id: "mine" });
    expect(strings.results[0]).not.toHaveProperty("document");
  });

  test("equal documents keep the order in which they were sent, and cost the hit price", async () => {
    const { results, body } = await rerank({ documents: ["same", "same", "same"] });
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(body["usage"]).toMatchObject({ prompt_tokens_details: { cached_tokens: PREFIX.length + 10 + 1 + 10 } });
  });

  test("no instruction is put before a query that is asked for as a document", async () => {
    const { results } = await rerank({ input_type: "document" });
    expect(results[0]).toEqual({ index: 1, relevance_score: expect.closeTo(1, 6) as number });
    // A client that cannot send the field says it in the model's name.
    const named = await rerank({ model: `${MODEL}:document` });
    expect(named.results).toEqual(results);
  });

  test("a text that is too long is cut unless the caller forbids it", async () => {
    const sent = () => api.backend.embeds.at(-1)?.truncate;
    await rerank({ documents: ["cut me"] });
    expect(sent()).toBe("end");
    await rerank({ documents: ["not me"], truncation: false });
    expect(sent()).toBe("none");
  });

  test("a fault of the backend names the caller's document", async () => {
    const index = 2;
    const fault = {
      code: "context_length_exceeded",
      message: "too long",
      index,
      facts: {},
      retryAfterS: null,
    } as const;
    api.backend.behaviour = { kind: "fault", fault };
    const { status, body } = await rerank({ documents: ["new 1", "new 2"], query: "new query" });
    api.backend.behaviour = { kind: "well" };
    expect(status).toBe(400);
    expect(body["error"]).toMatchObject({ code: "context_length_exceeded", param: "documents[1]" });
  });

  test("needs a key with the scope `rerank`", async () => {
    const other = await api.newAccount({ scopes: ["embeddings"] });
    const body = { model: MODEL, query: QUERY, documents: DOCUMENTS };
    const answer = await api.call("/v1/rerank", { key: other.key, body });
    expect(answer.status).toBe(403);
    expect(answer.body["error"]).toMatchObject({ code: "insufficient_scope" });
  });

  test("a call is charged as its texts are", async () => {
    const { id, key: own } = await api.newAccount();
    const body = { model: MODEL, query: "q", documents: ["abcd"], instruction: "i" };
    const answer = await api.call("/v1/rerank", { key: own, body });
    const tokens = "Instruct: i\nQuery:q".length + 1 + 5;
    expect(answer.headers.get("x-cost-usd")).toBe((tokens * 8e-9).toFixed(9).replace(/0+$/, ""));
    await expect
      .poll(async () => (await api.admin(`/admin/accounts/${id}`)).body["charged_nano_usd"], { timeout: 10_000 })
      .toBe(tokens * 8);
  });

  test.each<[string, string, object]>([
    ["missing_field", "query", { query: undefined }],
    ["empty_input", "query", { query: "" }],
    ["invalid_type", "query", { query: 5 }],
    ["missing_field", "documents", { documents: undefined }],
    ["empty_input", "documents", { documents: [] }],
    ["invalid_type", "documents", { documents: "text" }],
    ["empty_input", "documents[1]", { documents: ["a", ""] }],
    ["invalid_type", "documents[0].text", { documents: [{ text: 5 }] }],
    ["invalid_type", "documents[0]", { documents: [{ body: "a" }] }],
    ["too_many_inputs", "documents", { documents: Array.from({ length: 2048 }, () => "a") }],
    ["invalid_value", "top_n", { top_n: 0 }],
    ["incompatible_options", "top_k", { top_n: 1, top_k: 2 }],
    ["incompatible_options", "instruction", { instruction: "x", input_type: "document" }],
    ["unknown_field", "document", { document: ["a"] }],
    ["model_not_found", "model", { model: "owner/modell" }],
    ["invalid_dimensions", "dimensions", { model: `${MODEL}@9` }],
  ])("refuses %s of `%s`", async (code, param, change) => {
    const { status, body } = await rerank(change);
    expect(status).toBe(code === "model_not_found" ? 404 : 400);
    expect(body["error"]).toMatchObject({ code, param });
  });
});
