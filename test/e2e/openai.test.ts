// OpenAI's own Node SDK, unmodified, default settings (it asks for base64 and decodes it), against `npm start`'s server.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from "openai";
import type { CreateEmbeddingResponse } from "openai/resources/embeddings";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO_MODEL_ID } from "../../shared/catalog.ts";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";

interface Reference {
  readonly items: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly embedding: readonly number[];
  }[];
}
const reference = JSON.parse(
  readFileSync(join(import.meta.dirname, "../vectors/demo-reference.json"), "utf8"),
) as Reference;
/** The engine knows the empty text; the API refuses it. */
const references = reference.items.filter((item) => item.text !== "");
const COSINE_LOSS_MAX = 1e-3;

const dataDir = temporaryFolder();
let server: DevServer;
let openai: OpenAI;

beforeAll(async () => {
  server = await startTestServer(dataDir);
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.apiKey, maxRetries: 0 });
});
afterAll(async () => {
  await server.stop();
  removeFolder(dataDir);
});

/** An account of its own with `usd` of credit. */
async function newAccount(usd: number): Promise<{ key: string; balance: () => Promise<unknown> }> {
  const admin = (path: string, body: unknown) => call(server.url, server.adminKey, path, body);
  const id = String((await admin("/admin/accounts", { name: "Test" })).body["id"]);
  if (usd > 0) await admin(`/admin/accounts/${id}/grants`, { amount_usd: usd, kind: "promo" });
  const key = String((await admin(`/admin/accounts/${id}/keys`, {})).body["key"]);
  return { key, balance: async () => (await call(server.url, key, "/v1/account")).body["balance_nano_usd"] };
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe("embeddings through OpenAI's SDK", () => {
  test("a text that is empty, and one that is too long, have an error and no vector where the model is NAME:per_item", async () => {
    const { key, balance } = await newAccount(1);
    const own = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
    const [first, second] = references;
    const input = [first?.text ?? "", "", "word ".repeat(9000), second?.text ?? ""];
    for (const encoding_format of [undefined, "float", "base64"] as const) {
      const format = encoding_format === undefined ? {} : { encoding_format };
      const { data, usage } = await own.embeddings.create({ model: `${DEMO_MODEL_ID}:per_item`, input, ...format });
      const errors = data.map((item) =>
        "error" in item ? (item.error as { code: string; param: string }) : undefined,
      );
      expect(errors.map((error) => error && [error.code, error.param])).toEqual([
        undefined,
        ["empty_input", "input[1]"],
        ["context_length_exceeded", "input[2]"],
        undefined,
      ]);
      expect(data.map(({ embedding }) => embedding.length > 0)).toEqual([true, false, false, true]);
      expect(usage).toMatchObject({
        prompt_tokens: (first?.ids.length ?? 0) + (second?.ids.length ?? 0),
        failed_items: 2,
      });
      if (encoding_format === "base64") continue;
      expect(1 - cosine(data[3]?.embedding ?? [], second?.embedding ?? [])).toBeLessThan(COSINE_LOSS_MAX);
    }
    const left = await balance();
    await expect(
      own.embeddings.create({ model: `${DEMO_MODEL_ID}:per_item`, input: ["", " ".repeat(40_000)] }),
    ).rejects.toThrow(BadRequestError);
    expect(await balance()).toBe(left);
  });

  test("a list of all reference texts has the reference's vectors and token counts, in order", async () => {
    const answer = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: references.map((item) => item.text) });
    expect(answer.data.map((item) => item.index)).toEqual(references.map((_, index) => index));
    for (const [index, item] of references.entries()) {
      expect(1 - cosine(answer.data[index]?.embedding ?? [], item.embedding)).toBeLessThan(COSINE_LOSS_MAX);
    }
    expect(answer.usage.prompt_tokens).toBe(references.reduce((sum, item) => sum + item.ids.length, 0));
    expect(answer.model).toBe(DEMO_MODEL_ID);
  });

  test("a single text, and the same again from the cache, bit for bit", async () => {
    const text = "A text that only this test sends.";
    const first = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: text }).withResponse();
    const again = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: text }).withResponse();
    expect(first.response.headers.get("x-cache")).toBe("miss");
    expect(again.response.headers.get("x-cache")).toBe("hit");
    expect(again.data.data).toEqual(first.data.data);
    expect(again.data.usage).toMatchObject({ prompt_tokens: first.data.usage.prompt_tokens });
  });

  test("base64 and float carry the same float32 values", async () => {
    const input = "Both encodings.";
    const decoded = await openai.embeddings.create({ model: DEMO_MODEL_ID, input });
    const floats = await openai.embeddings.create({ model: DEMO_MODEL_ID, input, encoding_format: "float" });
    expect(floats.data[0]?.embedding.map(Math.fround)).toEqual([...(decoded.data[0]?.embedding ?? [])]);
  });

  test("dimensions cut the vector and normalise it again", async () => {
    const input = "How do I reset my password?";
    const full = await openai.embeddings.create({ model: DEMO_MODEL_ID, input });
    const cut = await openai.embeddings.create({ model: DEMO_MODEL_ID, input, dimensions: 64 });
    const vector = cut.data[0]?.embedding ?? [];
    expect(vector).toHaveLength(64);
    expect(vector.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 6);
    expect(cosine(vector, (full.data[0]?.embedding ?? []).slice(0, 64))).toBeCloseTo(1, 6);
  });

  test("token ids of a text give the text's vector", async () => {
    const item = references[4];
    const byIds = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: [...(item?.ids ?? [])] });
    const byText = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: item?.text ?? "" });
    expect(1 - cosine(byIds.data[0]?.embedding ?? [], byText.data[0]?.embedding ?? [])).toBeLessThan(COSINE_LOSS_MAX);
  });

  test("token ids of OpenAI's encodings give the text's vector once they are named, and a clear refusal before", async () => {
    const create = (body: object) =>
      openai.post<CreateEmbeddingResponse>("/embeddings", { body: { model: DEMO_MODEL_ID, ...body } });
    const input = [24_912, 2375]; // "hello world" in o200k_base
    const byIds = await create({ input, token_encoding: "o200k_base" });
    const byText = await create({ input: "hello world" });
    expect(1 - cosine(byIds.data[0]?.embedding ?? [], byText.data[0]?.embedding ?? [])).toBeLessThan(COSINE_LOSS_MAX);
    expect(byIds.usage.prompt_tokens).toBe(byText.usage.prompt_tokens);
    const failure = await create({ input }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ status: 400, code: "invalid_token_id" });
    expect(String(failure)).toContain("check_embedding_ctx_length=False");
  });

  test("an instruction by the model's suffix equals the reference with the instruction", async () => {
    const item = references.find(({ text }) => text.startsWith("Instruct: Given a web search query"));
    const query = item?.text.slice(item.text.indexOf("\nQuery:") + 7) ?? "";
    const answer = await openai.embeddings.create({ model: `${DEMO_MODEL_ID}:query`, input: query });
    expect(1 - cosine(answer.data[0]?.embedding ?? [], item?.embedding ?? [])).toBeLessThan(COSINE_LOSS_MAX);
    expect(answer.usage.prompt_tokens).toBe(item?.ids.length);
  });
});

describe("what is made of embeddings", () => {
  const post = (path: string, body: object) => call(server.url, server.apiKey, path, { model: DEMO_MODEL_ID, ...body });

  test("a rerank orders documents as their embeddings say", async () => {
    const documents = ["Bees make honey from nectar.", "Reset your password in the settings.", "Paris is in France."];
    const query = "How do I reset my password?";
    const { body } = await post("/v1/rerank", { query, documents, return_documents: true });
    const results = body["results"] as { index: number; relevance_score: number; document: { text: string } }[];
    const queries = await openai.embeddings.create({ model: `${DEMO_MODEL_ID}:query`, input: query });
    const others = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: documents });
    for (const { index, relevance_score, document } of results) {
      expect(document.text).toBe(documents[index]);
      const expected = cosine(queries.data[0]?.embedding ?? [], others.data[index]?.embedding ?? []);
      expect(relevance_score).toBeCloseTo(Math.max(0, expected), 2);
    }
    const scores = results.map(({ relevance_score }) => relevance_score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  test("similarities are the cosines, and a quote is what the embeddings then cost", async () => {
    const texts = ["a quick brown fox", "a fast auburn fox"];
    const quote = await post("/v1/tokenize", { input: texts });
    const answer = await post("/v1/similarity", { pairs: [texts] });
    const { data } = await openai.embeddings.create({ model: DEMO_MODEL_ID, input: texts });
    const [{ similarity = 0 } = {}] = answer.body["data"] as { similarity?: number }[];
    expect(similarity).toBeCloseTo(cosine(data[0]?.embedding ?? [], data[1]?.embedding ?? []), 5);
    expect(Number(answer.headers.get("x-cost-usd"))).toBe(quote.body["cost_usd"]);
    expect(answer.body["usage"]).toMatchObject({ prompt_tokens: quote.body["total_tokens"] });
  });
});

describe("faults through OpenAI's SDK", () => {
  test("a bad key is its AuthenticationError", async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "gr-nonsense", maxRetries: 0 });
    const failure = await client.embeddings
      .create({ model: DEMO_MODEL_ID, input: "a" })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AuthenticationError);
    expect(failure).toMatchObject({ status: 401, code: "invalid_api_key", type: "authentication_error" });
  });

  test("a bad model is its NotFoundError and names the near one", async () => {
    const failure = await openai.embeddings
      .create({ model: "gigarouter/demo-embeding", input: "a" })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(NotFoundError);
    expect(failure).toMatchObject({ code: "model_not_found", param: "model" });
    expect(String(failure)).toContain(DEMO_MODEL_ID);
  });

  test("a text over the context is a 400 that names the item and both counts", async () => {
    const long = "word ".repeat(9000);
    const failure = await openai.embeddings
      .create({ model: DEMO_MODEL_ID, input: ["short", long] })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BadRequestError);
    expect(failure).toMatchObject({ code: "context_length_exceeded", param: "input[1]" });
    expect(String(failure)).toContain("8192");
  });

  test("a faulty call is never charged: the balance ends where the one good call leaves it", async () => {
    const { key, balance } = await newAccount(1);
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
    await client.embeddings.create({ model: DEMO_MODEL_ID, input: ["a", ""] }).catch(() => undefined);
    await client.embeddings.create({ model: DEMO_MODEL_ID, input: "word ".repeat(9000) }).catch(() => undefined);
    const good = await client.embeddings.create({ model: DEMO_MODEL_ID, input: "good" });
    const cost = good.usage.prompt_tokens * 8;
    // The isolate reports within two seconds.
    await expect.poll(balance, { timeout: 10_000 }).toBe(1_000_000_000 - cost);
  });

  test("an account without credit gets a 402 that says what is needed and what is there", async () => {
    const { key } = await newAccount(0);
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
    const failure = await client.embeddings
      .create({ model: DEMO_MODEL_ID, input: "a" })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ status: 402, code: "insufficient_credit", type: "insufficient_quota" });
    // Nothing is counted for an account without credit: its bound is named.
    expect(String(failure)).toContain("needs up to $0.000000032; the account can spend $0.");
  });

  test("the production model is listed, and asked for while no backend serves it is a clear 503", async () => {
    const models = await openai.models.list();
    const production = models.data.find((model) => model.id === "boboliu/Qwen3-Embedding-4B-W4A16-G128");
    expect(production).toMatchObject({ status: "coming_soon", owned_by: "boboliu" });
    const failure = await openai.embeddings
      .create({ model: production?.id ?? "", input: "a" })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ status: 503, code: "model_not_ready" });
  });
});
