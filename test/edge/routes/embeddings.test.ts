// Each row of the contract's table of fields, against the Worker with a backend in memory.
import { beforeAll, describe, expect, test } from "vitest";
import { cutVector, dotProduct, quantise } from "../../../shared/vectors.ts";
import type { OutputDtype } from "../../../shared/vectors.ts";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1, vectorOf } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const BARE = MODEL.slice(MODEL.indexOf("/") + 1);
const PREFIX = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";

function embed(body: object, headers: Record<string, string> = {}) {
  return api.call("/v1/embeddings", { key, body: { model: MODEL, input: "hello", ...body }, headers });
}
interface Item {
  readonly index: number;
  readonly embedding: unknown;
}
const dataOf = (answer: { readonly body: Record<string, unknown> }) => answer.body["data"] as readonly Item[];
const vector = (text: string, dimensions = 8) => cutVector(vectorOf(text, REVISION_1), dimensions);
const sent = () => api.backend.embeds.at(-1);

describe("the model", () => {
  test.each([MODEL, BARE])("is found as %s and answered by its full id", async (model) => {
    expect((await embed({ model })).body["model"]).toBe(MODEL);
  });

  test("has suffixes for dimensions and for queries, in either order", async () => {
    for (const [place, model] of [`${MODEL}@4:query`, `${BARE}:query@4`].entries()) {
      const answer = await embed({ model, input: `suffix ${place}` });
      expect(dataOf(answer)[0]?.embedding).toHaveLength(4);
      expect(sent()?.prefix).toBe(PREFIX);
    }
    await embed({ model: `${MODEL}:document`, input: "a document" });
    expect(sent()?.prefix).toBe("");
  });

  test.each([
    ["in another case", "OWNER/MODEL", "owner/model"],
    ["mistyped", "owner/modle", "owner/model"],
    ["with a suffix mistyped", "owner/modle@4", "owner/model"],
  ])("is unknown %s, and the near one is named", async (_, model, near) => {
    const { status, body } = await embed({ model });
    expect(status).toBe(404);
    expect(body["error"]).toMatchObject({ code: "model_not_found", param: "model" });
    expect((body["error"] as { message: string }).message).toContain(near);
  });
});

describe("the input", () => {
  test("as pairs answers both texts of each and their cosine", async () => {
    const answer = await embed({
      input: [
        ["one", "two"],
        ["same", "same"],
      ],
    });
    expect(dataOf(answer).map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    const similarities = answer.body["similarities"] as number[];
    expect(similarities[0]).toBeCloseTo(dotProduct(vector("one"), vector("two")), 6);
    expect(similarities[1]).toBeCloseTo(1, 6);
  });

  test("as token ids travels as ids, with the encoding they are of", async () => {
    await embed({ input: [5, 6, 7] });
    expect(sent()).toMatchObject({ texts: [3] });
    expect(sent()).not.toHaveProperty("encoding");
    const answer = await embed({ input: [[5, 6, 7], [8]], token_encoding: "cl100k_base" });
    expect(answer.status).toBe(200);
    expect(sent()).toMatchObject({ texts: [3, 1], encoding: "cl100k_base" });
  });

  test("as ids of two encodings is two entries of the cache", async () => {
    const input = [11, 12, 13];
    expect((await embed({ input, token_encoding: "cl100k_base" })).headers.get("x-cache")).toBe("miss");
    expect((await embed({ input, token_encoding: "o200k_base" })).headers.get("x-cache")).toBe("miss");
    expect((await embed({ input })).headers.get("x-cache")).toBe("miss");
    expect((await embed({ input, token_encoding: "o200k_base" })).headers.get("x-cache")).toBe("hit");
  });

  test("of more tokens than its bytes is still covered by what the lease holds", async () => {
    // An id of another encoding may stand for many tokens of ours.
    const { key: poor } = await api.newAccount();
    const body = { model: MODEL, input: Array.from({ length: 500 }, () => 1), token_encoding: "cl100k_base" };
    expect((await api.call("/v1/embeddings", { key: poor, body })).status).toBe(200);
  });
});

describe("the vector", () => {
  test("is cut to `dimensions` or its alias and normalised again", async () => {
    for (const name of ["dimensions", "output_dimension"]) {
      const answer = await embed({ [name]: 4 });
      const numbers = dataOf(answer)[0]?.embedding as number[];
      expect(numbers.map(Math.fround)).toEqual([...vector("hello", 4)]);
    }
  });

  test.each<OutputDtype>(["float", "int8", "uint8", "binary", "ubinary"])(
    "of type %s is the same in both encodings",
    async (dtype) => {
      const expected = quantise(vector("hello"), dtype);
      const numbers = dataOf(await embed({ output_dtype: dtype }))[0]?.embedding as number[];
      expect(numbers.map(Math.fround)).toEqual([...expected]);
      const base64 = dataOf(await embed({ output_dtype: dtype, encoding_format: "base64" }))[0]?.embedding as string;
      expect(base64).toBe(btoa(String.fromCharCode(...new Uint8Array(expected.buffer))));
    },
  );

  test("of another type in base64 is refused to OpenAI's SDKs, which would read floats", async () => {
    const stainless = { "x-stainless-lang": "js" };
    const refused = await embed({ output_dtype: "int8", encoding_format: "base64" }, stainless);
    expect(refused.status).toBe(400);
    expect(refused.body["error"]).toMatchObject({ code: "incompatible_options", param: "output_dtype" });
    expect((await embed({ output_dtype: "int8" }, stainless)).status).toBe(200);
    expect((await embed({ encoding_format: "base64" }, stainless)).status).toBe(200);
  });
});

describe("the instruction", () => {
  test("goes before queries alone, the default one where none is given", async () => {
    await embed({ input: "q1", input_type: "query" });
    expect(sent()?.prefix).toBe(PREFIX);
    await embed({ input: "q2", instruction: "Find" });
    expect(sent()?.prefix).toBe("Instruct: Find\nQuery:");
    await embed({ input: "q3", input_type: "document" });
    expect(sent()?.prefix).toBe("");
  });
});

describe("truncation", () => {
  test.each([
    [{}, "none"],
    [{ truncate: "End" }, "end"],
    [{ truncate: "START" }, "start"],
    [{ truncation: true }, "end"],
    [{ truncation: false }, "none"],
    [{ truncate: "start", truncation: true }, "start"],
  ])("by %j is %s", async (fields, expected) => {
    await embed({ input: `truncation ${JSON.stringify(fields)}`, ...fields });
    expect(sent()?.truncate).toBe(expected);
  });
});

test("what other clients send along changes nothing", async () => {
  const fields = { user: "u", metadata: { a: 1 }, provider: "p", service_tier: "auto", priority: 3, normalize: true };
  expect((await embed(fields)).status).toBe(200);
  expect((await embed({ dimensions: null, encoding_format: null, user: null })).status).toBe(200);
});

test.each<[string, string, object]>([
  ["incompatible_options", "dimensions", { model: `${MODEL}@4`, dimensions: 8 }],
  ["incompatible_options", "input_type", { model: `${MODEL}:query`, input_type: "document" }],
  ["incompatible_options", "model", { model: `${MODEL}:query`, input: [1] }],
  ["incompatible_options", "instruction", { input: [1], instruction: "x" }],
  ["incompatible_options", "token_encoding", { token_encoding: "cl100k_base" }],
  ["incompatible_options", "truncation", { truncate: "none", truncation: true }],
  ["invalid_dimensions", "dimensions", { dimensions: 9 }],
  ["invalid_dimensions", "dimensions", { model: `${MODEL}@0` }],
  ["invalid_dimensions", "dimensions", { dimensions: 4, output_dtype: "binary" }],
  ["invalid_value", "normalize", { normalize: false }],
  ["invalid_type", "dimensions", { dimensions: "8" }],
  ["unknown_field", "dimension", { dimension: 8 }],
])("refuses %s of `%s`", async (code, param, fields) => {
  const { status, body } = await embed(fields);
  expect(status).toBe(400);
  expect(body["error"]).toMatchObject({ code, param });
});
