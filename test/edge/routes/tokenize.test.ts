import { beforeAll, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const tokenize = (body: object) => api.call("/v1/tokenize", { key, body: { model: MODEL, ...body } });

test("each text's ids are counted and priced, and nothing is run or charged", async () => {
  const { id, key: own } = await api.newAccount();
  const { status, body } = await api.call("/v1/tokenize", { key: own, body: { model: MODEL, input: ["abc", "de"] } });
  expect(status).toBe(200);
  expect(body).toEqual({
    object: "list",
    data: [
      { index: 0, tokens: [0, 0, 0, 0], count: 4, fits: true },
      { index: 1, tokens: [0, 0, 0], count: 3, fits: true },
    ],
    model: MODEL,
    total_tokens: 7,
    cost_usd: 0.000000056,
    cost_nano_usd: 56,
    batch_cost_nano_usd: 28,
    fits: true,
  });
  expect(api.backend.embeds).toHaveLength(0);
  expect((await api.admin(`/admin/accounts/${id}`)).body).toMatchObject({ charged_nano_usd: 0 });
});

test("an instruction counts, by field or by suffix", async () => {
  const prefix = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";
  await tokenize({ input: "q", input_type: "query" });
  expect(api.backend.tokenizes.at(-1)?.prefix).toBe(prefix);
  await tokenize({ model: `${MODEL}:query`, input: "q" });
  expect(api.backend.tokenizes.at(-1)?.prefix).toBe(prefix);
});

test("a text over the context does not fit, and is shown as it would be cut", async () => {
  api.backend.truncates.add("long");
  const { body } = await tokenize({ input: ["long", "short"] });
  expect(body).toMatchObject({ fits: false, data: [{ fits: false }, { fits: true }] });
  expect(api.backend.tokenizes.at(-1)?.truncate).toBe("end");
});

test("a quote is one request against the rate limit", async () => {
  const { id, key: own } = await api.newAccount();
  await api.admin(`/admin/accounts/${id}`, { limits: { requests_per_minute: 2 } }, "PATCH");
  const statuses: number[] = [];
  for (let call = 0; call < 3; call += 1) {
    statuses.push((await api.call("/v1/tokenize", { key: own, body: { model: MODEL, input: "a" } })).status);
  }
  expect(statuses).toEqual([200, 200, 429]);
});

test.each<[string, string, object]>([
  ["missing_field", "input", {}],
  ["empty_input", "input[1]", { input: ["a", ""] }],
  ["incompatible_options", "instruction", { input: [1, 2], instruction: "x" }],
  ["incompatible_options", "token_encoding", { input: "a", token_encoding: "cl100k_base" }],
  ["unknown_field", "dimensions", { input: "a", dimensions: 8 }],
])("refuses %s of `%s`", async (code, param, body) => {
  const answer = await tokenize(body);
  expect(answer.status).toBe(400);
  expect(answer.body["error"]).toMatchObject({ code, param });
});
