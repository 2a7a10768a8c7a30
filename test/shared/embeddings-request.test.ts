import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ApiError } from "../../shared/errors.ts";
import { nearest } from "../../shared/nearest.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import { utf8Length } from "../../shared/token-bound.ts";

const MODEL = "gigarouter/demo-embedding";

function fault(body: unknown) {
  try {
    parseEmbeddingsRequest(body);
  } catch (error) {
    if (error instanceof ApiError) return error.fault;
    throw error;
  }
  return undefined;
}

describe("a good body", () => {
  test("a string, strings, ids, lists of ids and pairs are told apart", () => {
    const kind = (input: unknown) => parseEmbeddingsRequest({ model: MODEL, input }).input;
    expect(kind("a")).toMatchObject({ kind: "texts", texts: ["a"] });
    expect(kind(["a", "b"])).toMatchObject({ kind: "texts", texts: ["a", "b"] });
    expect(kind([1, 2])).toMatchObject({ kind: "ids", ids: [[1, 2]] });
    expect(kind([[1], [2, 3]])).toMatchObject({ kind: "ids", ids: [[1], [2, 3]] });
    expect(kind([["a", "b"]])).toMatchObject({ kind: "pairs", texts: ["a", "b"] });
  });

  test("null means absent, 8.0 is 8, aliases agree", () => {
    const request = parseEmbeddingsRequest({
      model: MODEL,
      input: "a",
      dimensions: null,
      output_dimension: 8.0,
      truncation: true,
      truncate: "END",
      user: "u",
    });
    expect(request).toMatchObject({
      dimensions: 8,
      truncate: "end",
      encoding: "float",
      dtype: "float",
      instruction: undefined,
    });
  });

  test("Jina's fields mean what ours do", () => {
    const jina = { task: "retrieval.query", normalized: true, late_chunking: false, truncate: true };
    expect(parseEmbeddingsRequest({ model: MODEL, input: "a", ...jina })).toEqual(
      parseEmbeddingsRequest({ model: MODEL, input: "a", input_type: "query", truncate: "end" }),
    );
    const asked = (fields: object) => parseEmbeddingsRequest({ model: MODEL, input: "a", ...fields });
    expect(asked({ truncate: false }).truncate).toBe("none");
    expect(asked({ embedding_type: "base64" })).toMatchObject({ encoding: "base64", dtype: "float" });
    expect(asked({ embedding_type: "float" })).toMatchObject({ encoding: "float", dtype: "float" });
    expect(asked({ embedding_type: "ubinary" })).toMatchObject({ encoding: "float", dtype: "ubinary" });
    expect(asked({ task: "retrieval.passage", input_type: "document" }).inputType).toBe("document");
  });

  test("an instruction alone means a query, and a query without one takes the model's", () => {
    expect(parseEmbeddingsRequest({ model: MODEL, input: "a", instruction: "Find\ud800" })).toMatchObject({
      instruction: "Find\ufffd",
      inputType: "query",
    });
    expect(parseEmbeddingsRequest({ model: MODEL, input: "a", input_type: "query" })).toMatchObject({
      instruction: undefined,
      inputType: "query",
    });
  });

  test("a lone surrogate becomes U+FFFD before anything sees it", () => {
    expect(parseEmbeddingsRequest({ model: MODEL, input: "a\ud800b" }).input).toMatchObject({
      kind: "texts",
      texts: ["a\ufffdb"],
    });
  });
});

describe("a bad body says what, where, and what would be right", () => {
  test.each<[unknown, string, string | null]>([
    ["text", "invalid_type", null],
    [[], "invalid_type", null],
    [{ input: "a" }, "missing_field", "model"],
    [{ model: MODEL }, "missing_field", "input"],
    [{ model: 5, input: "a" }, "invalid_type", "model"],
    [{ model: MODEL, input: 5 }, "invalid_type", "input"],
    [{ model: MODEL, input: "" }, "empty_input", "input"],
    [{ model: MODEL, input: [] }, "empty_input", "input"],
    [{ model: MODEL, input: ["a", "", "b"] }, "empty_input", "input[1]"],
    [{ model: MODEL, input: ["a", 5] }, "invalid_type", "input[1]"],
    [{ model: MODEL, input: [[1], "a"] }, "invalid_type", "input[1]"],
    [{ model: MODEL, input: [[1, 2.5]] }, "invalid_token_id", "input[0][1]"],
    [{ model: MODEL, input: [[]] }, "empty_input", "input[0]"],
    [{ model: MODEL, input: [["a"]] }, "invalid_type", "input[0]"],
    [{ model: MODEL, input: Array.from({ length: 2049 }, () => "a") }, "too_many_inputs", "input"],
    [{ model: MODEL, input: "a", dimensions: "8" }, "invalid_type", "dimensions"],
    [{ model: MODEL, input: "a", dimensions: 1.5 }, "invalid_type", "dimensions"],
    [{ model: MODEL, input: "a", dimensions: 8, output_dimension: 16 }, "incompatible_options", "output_dimension"],
    [{ model: MODEL, input: "a", encoding_format: "hex" }, "invalid_value", "encoding_format"],
    [{ model: MODEL, input: "a", truncate: "middle" }, "invalid_value", "truncate"],
    [{ model: MODEL, input: "a", normalize: false }, "invalid_value", "normalize"],
    [{ model: MODEL, input: "a", instruction: "x", input_type: "document" }, "incompatible_options", "instruction"],
    [{ model: MODEL, input: [1], instruction: "x" }, "incompatible_options", "instruction"],
    [{ model: MODEL, input: "a", dimension: 8 }, "unknown_field", "dimension"],
    [{ model: MODEL, input: "a", task: "text-matching" }, "invalid_value", "task"],
    [{ model: MODEL, input: "a", task: "retrieval.query", input_type: "document" }, "incompatible_options", "task"],
    [{ model: MODEL, input: "a", task: "retrieval.passage", instruction: "x" }, "incompatible_options", "instruction"],
    [{ model: MODEL, input: [1], task: "retrieval.query" }, "incompatible_options", "instruction"],
    [{ model: MODEL, input: "a", late_chunking: true }, "invalid_value", "late_chunking"],
    [{ model: MODEL, input: "a", normalized: false }, "invalid_value", "normalized"],
    [{ model: MODEL, input: "a", embedding_type: "int8" }, "invalid_value", "embedding_type"],
    [
      { model: MODEL, input: "a", embedding_type: "binary", output_dtype: "int8" },
      "incompatible_options",
      "embedding_type",
    ],
    [
      { model: MODEL, input: "a", embedding_type: "base64", encoding_format: "float" },
      "incompatible_options",
      "embedding_type",
    ],
    [{ model: MODEL, input: "a", truncate: true, truncation: false }, "incompatible_options", "truncation"],
  ])("%j", (body, code, param) => {
    expect(fault(body)).toMatchObject({ code, param });
  });

  test.each([
    [{ encoding_format: "FLOAT" }, '`encoding_format` must be one of "float", "base64", not "FLOAT".'],
    [{ encoding_format: 5 }, '`encoding_format` must be one of "float", "base64", not 5.'],
    [
      { dimensions: "8" },
      '`dimensions` must be an integer from 1 to the model\'s own number of dimensions, not the string "8".',
    ],
    [{ model: "" }, "`model` must be the id of a model, for example one of GET /v1/models, not an empty string."],
    [{ truncate: "middle" }, '`truncate` must be one of "none", "end", "start", not "middle".'],
    [
      { instruction: "i".repeat(5000) },
      "`instruction` must be a string of at most 4096 characters, not 5000 characters.",
    ],
  ])("%j is told: %s", (more, message) => {
    expect(fault({ model: MODEL, input: "a", ...more })?.message).toBe(message);
  });

  test("an unknown field gets the nearest known one", () => {
    expect(fault({ model: MODEL, input: "a", dimension: 8 })?.message).toContain("Did you mean `dimensions`?");
  });

  test("no message holds a text of the input", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const needle = "needle-5f1c";
        for (const input of [[needle, value], { text: needle }, [[needle, needle, value]]]) {
          const found = fault({ model: MODEL, input, extra: needle });
          expect(found?.message ?? "").not.toContain(needle);
        }
        for (const instruction of [[needle], { needle }, needle.repeat(1000)]) {
          expect(fault({ model: MODEL, input: "a", instruction })?.message).not.toContain(needle);
        }
      }),
    );
  });

  test("a prototype name is a field like any other", () => {
    expect(fault(JSON.parse(`{"model":"${MODEL}","input":"a","__proto__":{"x":1}}`))?.code).toBe("unknown_field");
    expect(fault({ model: MODEL, input: "a", constructor: 1 })?.code).toBe("unknown_field");
  });
});

describe("what there is too much of", () => {
  test("is refused by number: token ids of all arrays together, and fields", () => {
    const ids = (arrays: number, each: number) =>
      Array.from({ length: arrays }, () => Array.from({ length: each }, () => 7));
    expect(fault({ model: MODEL, input: ids(1500, 200) })).toBeUndefined();
    expect(fault({ model: MODEL, input: ids(1501, 200) })).toMatchObject({ code: "too_many_tokens", param: "input" });
    expect(fault({ model: MODEL, input: ids(1, 300_001) })?.code).toBe("too_many_tokens");
    const fields = Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`field${index}`, index]));
    expect(fault({ model: MODEL, input: "a", ...fields })?.code).toBe("unknown_field");
  });
});

describe("bounds and hints", () => {
  test("the byte length of any string is that of its encoding", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
      }),
    );
  });

  test("a name far from all others gets no suggestion", () => {
    expect(nearest("dimensons", ["dimensions", "input"])).toBe("dimensions");
    expect(nearest("zzzzzz", ["dimensions", "input"])).toBeUndefined();
  });
});
