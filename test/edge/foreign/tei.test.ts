import { beforeAll, describe, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1 } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const PATH = `/v1/models/${MODEL}`;
const embed = (body: object, path = PATH) => api.call(`${path}/embed`, { key, body: { inputs: "hello", ...body } });
const vectorsOf = (answer: { readonly text: string }) => JSON.parse(answer.text) as number[][];
const tooLong = { code: "context_length_exceeded", facts: { tokens: 9000, maxTokens: 8192, counted: 1 } } as const;

describe("embed", () => {
  test("answers lists of numbers, for one text too, with the vectors and the charge of /v1/embeddings", async () => {
    const own = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: ["one", "two"] } });
    const answer = await embed({ inputs: ["one", "two"] });
    expect(vectorsOf(answer)).toEqual((own.body["data"] as { embedding: number[] }[]).map((item) => item.embedding));
    expect(Number(answer.headers.get("x-cost-usd")) * 2).toBeCloseTo(Number(own.headers.get("x-cost-usd")), 12);
    expect(vectorsOf(await embed({ inputs: "one" }))).toEqual(vectorsOf(answer).slice(0, 1));
  });

  test("reads the prompt's name, dimensions, and what to cut", async () => {
    const sent = () => api.backend.embeds.at(-1);
    expect(vectorsOf(await embed({ inputs: "q1", prompt_name: "query", dimensions: 4 }))[0]).toHaveLength(4);
    expect(sent()).toMatchObject({ prefix: expect.stringContaining("Instruct:"), truncate: "none" });
    await embed({ inputs: "q2", prompt_name: null, truncate: true, normalize: true }, `${PATH}:query`);
    expect(sent()).toMatchObject({ prefix: expect.stringContaining("Instruct:"), truncate: "end" });
    await embed({ inputs: "q3", prompt_name: "passage", truncate: true, truncation_direction: "Left" });
    expect(sent()).toMatchObject({ prefix: "", truncate: "start" });
  });

  test.each([
    [{ inputs: ["a", ""] }, "empty_input", "inputs[1]"],
    [{ inputs: [] }, "empty_input", "inputs"],
    [{ normalize: false }, "invalid_value", "normalize"],
    [{ prompt_name: "clustering" }, "invalid_value", "prompt_name"],
    [{ dimensions: 9 }, "invalid_dimensions", "dimensions"],
    [{ input: "a" }, "unknown_field", "input"],
  ])("refuses %j as TEI words an error", async (body, code, param) => {
    const answer = await embed(body);
    expect(answer.status).toBe(400);
    const error = expect.stringContaining(`/docs/errors#${code}`);
    expect(answer.body).toEqual({ error, error_type: code, param });
  });

  test("names a text that is too long, and the field that would cut it", async () => {
    api.backend.faulty.set("long", tooLong);
    const { body } = await embed({ inputs: ["fits", "long"] });
    expect(body).toMatchObject({ error_type: "context_length_exceeded", param: "inputs[1]" });
    expect(body["error"]).toMatch(/^inputs\[1\] has .* or send `truncate: true`\./);
  });

  test("of a model that is not there is a 404, and one of errors per item is refused before any work", async () => {
    const missing = await embed({}, "/v1/models/owner/modell");
    expect([missing.status, missing.body["error_type"]]).toEqual([404, "model_not_found"]);
    const perItem = await embed({}, `${PATH}:per_item`);
    expect([perItem.status, perItem.body["error_type"]]).toEqual([400, "incompatible_options"]);
  });
});

describe("rerank", () => {
  const rerank = (body: object) =>
    api.call(`${PATH}/rerank`, { key, body: { query: "which one?", texts: ["zebra", "which one?", "a"], ...body } });

  test("answers all texts best first, with the scores and the charge of /v1/rerank", async () => {
    const asked = { model: MODEL, query: "which one?", documents: ["zebra", "which one?", "a"] };
    const own = await api.call("/v1/rerank", { key, body: asked });
    const results = own.body["results"] as { index: number; relevance_score: number }[];
    const answer = await rerank({ return_text: true, raw_scores: false });
    expect(JSON.parse(answer.text)).toEqual(
      results.map(({ index, relevance_score: score }) => ({ index, score, text: asked.documents[index] })),
    );
    expect(Number(answer.headers.get("x-cost-usd")) * 2).toBeCloseTo(Number(own.headers.get("x-cost-usd")), 12);
    expect((JSON.parse((await rerank({})).text) as object[])[0]).not.toHaveProperty("text");
  });

  test.each([
    [{ texts: ["a", 5] }, "invalid_type", "texts[1]"],
    [{ query: null }, "missing_field", "query"],
    [{ raw_scores: true }, "invalid_value", "raw_scores"],
    [{ texts: Array.from({ length: 2048 }, () => "a") }, "too_many_inputs", "texts"],
  ])("refuses %j as TEI words an error", async (body, code, param) => {
    expect((await rerank(body)).body).toMatchObject({ error_type: code, param });
  });

  test("does not cut a text unless told to", async () => {
    api.backend.faulty.set("far too long", tooLong);
    const { body } = await rerank({ texts: ["a", "far too long"] });
    expect(body).toMatchObject({ error_type: "context_length_exceeded", param: "texts[1]" });
    expect(body["error"]).toContain("send `truncate: true`");
  });
});

test("info says what the model takes", async () => {
  expect((await api.call(`${PATH}/info`)).body).toEqual({
    model_id: MODEL,
    model_sha: REVISION_1,
    model_type: { embedding: { pooling: "last" } },
    max_input_length: 8192,
    max_client_batch_size: 2048,
    auto_truncate: false,
  });
});
