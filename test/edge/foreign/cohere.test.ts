import { beforeAll, describe, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const TEXTS = ["erste", "second"];
const FIELDS = { model: MODEL, input_type: "search_document" };
const embed = (body: object, headers: Record<string, string> = {}) =>
  api.call("/v2/embed", { key, body: { ...FIELDS, texts: TEXTS, ...body }, headers });
const sent = () => api.backend.embeds.at(-1);

/** What /v1/embeddings answers for the same texts. */
async function own(fields: object): Promise<unknown[]> {
  const { body } = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: TEXTS, ...fields } });
  return (body["data"] as { embedding: unknown }[]).map(({ embedding }) => embedding);
}

describe("/v2/embed", () => {
  test("answers floats in Cohere's form, charged as /v1/embeddings", async () => {
    const first = await embed({});
    const tokens = TEXTS.reduce((sum, text) => sum + text.length + 1, 0);
    expect(first.body).toEqual({
      id: expect.stringMatching(/^req_/),
      embeddings: { float: await own({}) },
      texts: TEXTS,
      meta: { api_version: { version: "2" }, billed_units: { input_tokens: tokens } },
      response_type: "embeddings_by_type",
    });
    const again = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: TEXTS } });
    expect(Number(again.headers.get("x-cost-usd")) * 2).toBeCloseTo(Number(first.headers.get("x-cost-usd")), 12);
  });

  test("makes every type of one computation, each as /v1/embeddings makes it", async () => {
    const types = ["float", "int8", "uint8", "binary", "ubinary", "base64"];
    const before = api.backend.embeds.length;
    const { body } = await embed({ texts: TEXTS.map((text) => `${text} of all types`), embedding_types: types });
    expect(api.backend.embeds.length - before).toBe(1);
    const embeddings = body["embeddings"] as Record<string, unknown>;
    expect(Object.keys(embeddings)).toEqual(types);
    const input = TEXTS.map((text) => `${text} of all types`);
    for (const output_dtype of ["float", "int8", "uint8", "binary", "ubinary"]) {
      expect(embeddings[output_dtype]).toEqual(await own({ input, output_dtype }));
    }
    expect(embeddings["base64"]).toEqual(await own({ input, encoding_format: "base64" }));
    expect((await embed({ embedding_types: ["int8", "int8"] })).text.match(/"int8"/g)).toHaveLength(1);
  });

  test("reads `inputs` of one text each, and repeats none of them", async () => {
    const inputs = TEXTS.map((text) => ({ content: [{ type: "text", text }] }));
    const { body } = await embed({ texts: undefined, inputs });
    expect(body["embeddings"]).toEqual({ float: await own({}) });
    expect(body).not.toHaveProperty("texts");
  });

  test("puts the instruction before queries, and cuts as Cohere does", async () => {
    await embed({ input_type: "search_query", texts: ["a query"] });
    expect(sent()).toMatchObject({ prefix: expect.stringContaining("Instruct:"), truncate: "end" });
    await embed({ texts: ["a document"], truncate: "NONE", output_dimension: 4, priority: 3 });
    expect(sent()).toMatchObject({ prefix: "", truncate: "none" });
    await embed({ texts: ["another document"], truncate: "START" });
    expect(sent()).toMatchObject({ truncate: "start" });
  });

  const part = (value: object) => ({ texts: undefined, inputs: [{ content: [value] }] });
  test.each([
    [{ texts: ["a", ""] }, "empty_input", "texts[1]"],
    [{ texts: "a" }, "invalid_type", "texts"],
    [{ texts: undefined }, "missing_field", "texts"],
    [{ inputs: [] }, "incompatible_options", "inputs"],
    [{ texts: undefined, inputs: ["a"] }, "invalid_type", "inputs[0]"],
    [{ texts: undefined, inputs: [{ content: [{}, {}] }] }, "invalid_type", "inputs[0]"],
    [part({ type: "image_url", image_url: { url: "data:" } }), "invalid_type", "inputs[0].content[0]"],
    [part({ type: "text", text: "" }), "empty_input", "inputs[0].content[0].text"],
    [{ images: ["data:"], input_type: "image" }, "invalid_type", "images"],
    [{ max_tokens: 100 }, "invalid_type", "max_tokens"],
    [{ input_type: undefined }, "missing_field", "input_type"],
    [{ input_type: "classification" }, "invalid_value", "input_type"],
    [{ embedding_types: ["int4"] }, "invalid_value", "embedding_types[0]"],
    [{ embedding_types: [] }, "invalid_value", "embedding_types"],
    [{ output_dimension: 9 }, "invalid_dimensions", "output_dimension"],
    [{ output_dimension: 4, embedding_types: ["float", "binary"] }, "invalid_dimensions", "output_dimension"],
    [{ model: "embed-english-v3.0" }, "model_not_found", "model"],
  ])("refuses %j as Cohere words an error", async (body, code, param) => {
    const answer = await embed(body);
    expect(answer.body).toEqual({ message: expect.stringContaining(`/docs/errors#${code}`), code, param });
    expect(answer.status).toBe(code === "model_not_found" ? 404 : 400);
  });

  test("names a text that is too long by its own field", async () => {
    const facts = { tokens: 9000, maxTokens: 8192, counted: 1 };
    api.backend.faulty.set("too long", { code: "context_length_exceeded", facts });
    const { body } = await embed({ texts: ["fits", "too long"], truncate: "NONE" });
    expect(body).toMatchObject({ code: "context_length_exceeded", param: "texts[1]" });
    expect(body["message"]).toMatch(/^texts\[1\] has 9000 tokens/);
  });

  test("answers an `Idempotency-Key` again under the first id", async () => {
    const headers = { "idempotency-key": "cohere-1" };
    const [first, again] = [await embed({}, headers), await embed({}, headers)];
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
  });
});
