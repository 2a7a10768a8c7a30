import { describe, expect, test } from "vitest";
import { ApiError } from "../../shared/errors.ts";
import { parseEmbeddingsRequest } from "../../shared/schemas/embeddings.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import { INPUT_TYPE_WORDS } from "../../shared/schemas/input-type.ts";
import { parseRerankRequest } from "../../shared/schemas/rerank.ts";
import { parseTokenizeRequest } from "../../shared/schemas/tokenize.ts";

const MODEL = "gigarouter/demo-embedding";
const word = (input_type: unknown) => parseEmbeddingsRequest({ model: MODEL, input: "a", input_type }).inputType;

function faultOf(body: object) {
  try {
    parseEmbeddingsRequest({ model: MODEL, input: "a", ...body });
  } catch (error) {
    if (error instanceof ApiError) return error.fault;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("`input_type` in the words of other providers", () => {
  test.each<[InputType, string]>([
    ...["query", "search_query", "retrieval.query", "RETRIEVAL_QUERY", "question_answering", "QUESTION_ANSWERING"].map(
      (known): [InputType, string] => ["query", known],
    ),
    ...["document", "search_document", "passage", "retrieval.passage", "RETRIEVAL_DOCUMENT"].map(
      (known): [InputType, string] => ["document", known],
    ),
  ])("a %s is also called %s", (type, known) => {
    expect(word(known)).toBe(type);
  });

  test("has letters of any case, and null is none", () => {
    for (const [type, words] of Object.entries(INPUT_TYPE_WORDS)) {
      for (const known of words) {
        expect(word(known.toUpperCase())).toBe(type);
        expect(word(known[0]?.toUpperCase() + known.slice(1))).toBe(type);
      }
    }
    expect(word(null)).toBeUndefined();
  });

  test("means the same on every route that takes it", () => {
    const document = { model: MODEL, query: "q", documents: ["d"], input_type: "Passage" };
    expect(parseRerankRequest(document).inputType).toBe("document");
    expect(parseRerankRequest({ ...document, input_type: "Search_Query" }).inputType).toBe("query");
    expect(parseTokenizeRequest({ model: MODEL, input: "a", input_type: "SEARCH_QUERY" }).inputType).toBe("query");
  });

  test.each([
    "classification",
    "clustering",
    "CLASSIFICATION",
    "text-matching",
    "semantic_similarity",
    "queries",
    " query",
  ])("%j is refused by name, with every word that is known and what to do instead", (unknown) => {
    const { code, param, message } = faultOf({ input_type: unknown });
    expect({ code, param }).toEqual({ code: "invalid_value", param: "input_type" });
    expect(message).toContain(`not "${unknown}".`);
    for (const known of [...INPUT_TYPE_WORDS.query, ...INPUT_TYPE_WORDS.document]) {
      expect(message).toContain(`"${known}"`);
    }
    expect(message).toContain("`instruction`");
  });

  test.each([
    ["task_type", "input_type"],
    ["taskType", "input_type"],
    ["prompt_name", "input_type"],
    ["prompt", "instruction"],
    ["output_dimensionality", "dimensions"],
  ])("the field `%s` of another API points to `%s`", (theirs, ours) => {
    const fault = faultOf({ [theirs]: "RETRIEVAL_QUERY" });
    expect(fault).toMatchObject({ code: "unknown_field", param: theirs });
    expect(fault.message).toContain(`\`${ours}\``);
  });
});
