// A model whose checkpoint has prompts of its own: they replace Qwen's wherever a kind of text is named.
import { beforeAll, expect, test } from "vitest";
import { promptFor } from "../../../edge/embedding/prompts.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const PROMPTS = { query: "find: ", document: "doc: ", plain: "text: " };
let key: string;

beforeAll(async () => {
  api.backend.prompts = PROMPTS;
  ({ key } = await api.newAccount());
});

const sent = () => api.backend.embeds.at(-1);
const embed = (body: object, headers: Record<string, string> = {}) =>
  api.call("/v1/embeddings", { key, body: { model: MODEL, ...body }, headers });

test.each([
  ["a query by field", { input: "a", input_type: "query" }, PROMPTS.query],
  ["a query by another vendor's word", { input: "b", input_type: "search_query" }, PROMPTS.query],
  ["a query by suffix", { input: "c", model: `${MODEL}:query` }, PROMPTS.query],
  ["a document", { input: "d", input_type: "document" }, PROMPTS.document],
  ["a document by suffix", { input: "e", model: `${MODEL}:document` }, PROMPTS.document],
  ["a text of which nothing is said", { input: "f" }, PROMPTS.plain],
  ["the caller's own instruction", { input: "g", instruction: "Find" }, "Instruct: Find\nQuery:"],
  ["token ids", { input: [1, 2] }, ""],
])("the prompt of %s is put before it", async (_, body, prefix) => {
  expect((await embed(body)).status).toBe(200);
  expect(sent()?.prefix).toBe(prefix);
});

test("rerank and similarity put them before each text", async () => {
  await api.call("/v1/rerank", { key, body: { model: MODEL, query: "q", documents: ["d1", "d2"] } });
  expect(sent()?.texts).toEqual(["find: q", "doc: d1", "doc: d2"]);
  await api.call("/v1/similarity", { key, body: { model: `${MODEL}:query`, pairs: [["s1", "s2"]] } });
  expect(sent()?.prefix).toBe(PROMPTS.query);
});

test("they count in a quote and against a bound", async () => {
  await api.call("/v1/tokenize", { key, body: { model: MODEL, input: "q", input_type: "query" } });
  expect(api.backend.tokenizes.at(-1)?.prefix).toBe(PROMPTS.query);
  // 8 nano-USD a token: without the prompt the bound of two tokens would do, with it the exact count is asked.
  const asked = api.backend.tokenizes.length;
  await embed({ input: "z", input_type: "query" }, { "x-max-cost": "0.000000017" });
  expect(api.backend.tokenizes.slice(asked).map(({ prefix }) => prefix)).toEqual([PROMPTS.query]);
});

test("the model's page says them", async () => {
  const { body } = await api.call(`/v1/models/${MODEL}`);
  expect(body).toMatchObject({
    default_query_instruction: null,
    prompts: {
      query: "find: ",
      document: "doc: ",
      default: "text: ",
      instruction: "Instruct: {instruction}\nQuery:",
    },
  });
});

test("an instruction stands where the model was trained to have it", () => {
  const prompts = { ...PROMPTS, instruction: "<instruct>{instruction}\n<query>" };
  const said = promptFor("query", "Find $& {instruction}", prompts);
  expect(said).toBe("<instruct>Find $& {instruction}\n<query>");
});
