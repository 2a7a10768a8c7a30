// `on_error: "per_item"` as a client meets it, on every route that takes texts: what is right is answered and charged,
// what is not has its error in its place.

import type { BackendFault } from "../../../shared/wire.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { cutVector, dotProduct } from "../../../shared/vectors.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";
import { MODEL, REVISION_1, vectorOf } from "../support/fake-backends.ts";

const api = new Api();
let account: Awaited<ReturnType<Api["newAccount"]>>;

const TOO_LONG: Pick<BackendFault, "code" | "facts"> = {
  code: "context_length_exceeded",
  facts: { tokens: 9000, maxTokens: 8192, counted: 1 },
};
const PRICE = 8; // nano-USD a token
const vector = (text: string) => cutVector(vectorOf(text, REVISION_1), 8);

beforeEach(async () => {
  account = await api.newAccount();
  api.backend.embeds.length = 0;
  api.backend.faulty = new Map([
    ["long", TOO_LONG],
    ["odd", { code: "vector_not_finite", facts: {} }],
    ["poison", { code: "internal_error", facts: {} }],
  ]);
});

function post(path: string, body: object, headers: Record<string, string> = {}): Promise<ApiAnswer> {
  const { key } = account;
  return api.call(path, { key, headers, body: { model: MODEL, on_error: "per_item", ...body } });
}
const embed = (input: unknown, fields: object = {}, headers: Record<string, string> = {}) =>
  post("/v1/embeddings", { input, ...fields }, headers);
async function charged(): Promise<unknown> {
  await api.settled();
  return (await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"];
}

interface Item {
  readonly object?: string;
  readonly index: number;
  readonly embedding?: number[] | string;
  readonly error?: { readonly code: string; readonly param: string; readonly message: string; readonly type: string };
}
const dataOf = ({ body }: ApiAnswer, name = "data") => body[name] as readonly Item[];
/** What stands at each place: `ok`, or a code and what it names. */
const places = (answer: ApiAnswer, name?: string) =>
  dataOf(answer, name).map(({ error }) => (error === undefined ? "ok" : `${error.code} ${error.param}`));
const codeOf = ({ status, body }: ApiAnswer) => [status, (body["error"] as { code: string }).code];

describe("embeddings", () => {
  test("has a vector of each good text, and in the place of each bad one its error", async () => {
    const answer = await embed(["a", "", "long", 7, "bc", null, "poison", "odd"]);
    expect(answer.status).toBe(200);
    expect(places(answer)).toEqual([
      "ok",
      "empty_input input[1]",
      "context_length_exceeded input[2]",
      "invalid_type input[3]",
      "ok",
      "invalid_type input[5]",
      "backend_unavailable input[6]",
      "vector_not_finite input[7]",
    ]);
    expect(dataOf(answer).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const numbers = (dataOf(answer)[4]?.embedding ?? []) as number[];
    expect(numbers.map(Math.fround)).toEqual([...vector("bc")]);
    const bad = dataOf(answer)[2];
    expect(bad).toMatchObject({ object: "error", embedding: [], error: { type: "invalid_request_error" } });
    expect(bad?.error?.message).toContain("input[2] has 9000 tokens");
    expect(api.backend.embeds[0]).toMatchObject({ onError: "per_item", texts: ["a", "long", "bc", "poison", "odd"] });
  });

  test("charges the good texts alone, and says how many failed", async () => {
    const answer = await embed(["a", "long", "bc"]);
    expect(answer.body["usage"]).toEqual({
      prompt_tokens: 5,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 0 },
      cost: (5 * PRICE) / 1e9,
      failed_items: 1,
    });
    expect(await charged()).toBe(5 * PRICE);
    expect((await embed(["a"])).body["usage"]).toMatchObject({ failed_items: 0 });
    expect((await embed(["a"], { on_error: "fail" })).body["usage"]).not.toHaveProperty("failed_items");
  });

  test("fails with the first fault where all have one, and charges nothing", async () => {
    expect(codeOf(await embed(["long", ""]))).toEqual([400, "context_length_exceeded"]);
    expect(codeOf(await embed(["", "long"]))).toEqual([400, "empty_input"]);
    expect(codeOf(await embed(["odd"]))).toEqual([500, "vector_not_finite"]);
    expect(codeOf(await embed([null, 1.5]))).toEqual([400, "invalid_type"]);
    expect(codeOf(await embed("", { encoding_format: "base64" }))).toEqual([400, "empty_input"]);
    expect(await charged()).toBe(0);
  });

  test("fails as ever where the fault is the whole call's", async () => {
    const many = Array.from({ length: 2049 }, () => "a");
    expect(codeOf(await embed(many))).toEqual([400, "too_many_inputs"]);
    expect(codeOf(await embed(["a"], { dimensions: 9 }))).toEqual([400, "invalid_dimensions"]);
    expect(codeOf(await embed(["a"], { model: "owner/modle" }))).toEqual([404, "model_not_found"]);
    expect(codeOf(await embed([]))).toEqual([400, "empty_input"]);
    expect(
      codeOf(await embed([[1], ...Array.from({ length: 31 }, () => Array.from({ length: 10_000 }, () => 1))])),
    ).toEqual([400, "too_many_tokens"]);
    expect(codeOf(await embed(["a"], { on_error: "skip" }))).toEqual([400, "invalid_value"]);
    expect(await charged()).toBe(0);
  });

  test("fails for the first bad text without it", async () => {
    for (const on_error of ["fail", null]) {
      expect(codeOf(await embed(["a", "long"], { on_error }))).toEqual([400, "context_length_exceeded"]);
      expect(codeOf(await embed(["a", ""], { on_error }))).toEqual([400, "empty_input"]);
    }
    expect(await charged()).toBe(0);
  });

  test("names each place of a text that was sent twice", async () => {
    expect(places(await embed(["long", "a", "long"]))).toEqual([
      "context_length_exceeded input[0]",
      "ok",
      "context_length_exceeded input[2]",
    ]);
  });

  test("is asked for by the model's suffix too, among others, and not against the field", async () => {
    for (const model of [`${MODEL}:per_item`, `${MODEL}:per_item@4`, `${MODEL}@4:query:per_item`]) {
      const answer = await embed(["a", ""], { model, on_error: null });
      expect(places(answer)).toEqual(["ok", "empty_input input[1]"]);
      expect(answer.body["model"]).toBe(MODEL);
    }
    const against = await embed(["a"], { model: `${MODEL}:per_item`, on_error: "fail" });
    expect(codeOf(against)).toEqual([400, "incompatible_options"]);
    expect(codeOf(await embed(["a"], { model: `${MODEL}:per_item:per_item` }))).toEqual([404, "model_not_found"]);
  });

  test("in base64 has an empty string where a vector would be", async () => {
    const answer = await embed(["long", "a", "long"], { encoding_format: "base64" });
    expect(dataOf(answer).map(({ embedding }) => (embedding as string).length)).toEqual([0, 44, 0]);
  });

  test("of pairs has no cosine where a text of one is bad", async () => {
    const answer = await embed([["a", "bc"], ["", "d"], "pair", ["e", "long"], ["f", "f"]]);
    expect(places(answer)).toEqual([
      "ok",
      "ok",
      "empty_input input[1][0]",
      "ok",
      "invalid_type input[2]",
      "invalid_type input[2]",
      "ok",
      "context_length_exceeded input[3][1]",
      "ok",
      "ok",
    ]);
    const [first, ...others] = answer.body["similarities"] as (number | null)[];
    expect(first).toBeCloseTo(dotProduct(vector("a"), vector("bc")), 6);
    expect(others.slice(0, 3)).toEqual([null, null, null]);
    expect(others[3]).toBeCloseTo(1, 6);
  });

  test("of token ids has them item by item", async () => {
    const answer = await embed([[], [5, 6], [-1], [5, "x"], "text"]);
    expect(places(answer)).toEqual([
      "empty_input input[0]",
      "ok",
      "invalid_token_id input[2][0]",
      "invalid_type input[3][1]",
      "invalid_type input[4]",
    ]);
  });

  test("streams a large answer with them in their places", async () => {
    const input = Array.from({ length: 2048 }, (_, index) =>
      index % 3 === 0 ? "long" : index % 7 === 0 ? "" : `text ${index}`,
    );
    for (const encoding_format of ["float", "base64"]) {
      const answer = await embed(input, { encoding_format });
      expect(answer.text.length).toBeGreaterThan(128 * 1024);
      expect(places(answer).map((place) => place.split(" ")[0])).toEqual(
        input.map((text) => (text === "long" ? "context_length_exceeded" : text === "" ? "empty_input" : "ok")),
      );
    }
  });

  test("caches no fault: a text that is right again is embedded", async () => {
    expect(places(await embed(["a", "long"]))[1]).not.toBe("ok");
    api.backend.faulty.clear();
    const again = await embed(["a", "long"]);
    expect(places(again)).toEqual(["ok", "ok"]);
    expect(again.headers.get("x-cache")).toBe("partial");
    expect((await embed(["a", "", "long"])).headers.get("x-cache")).toBe("hit");
  });

  test("comes again under an Idempotency-Key, byte for byte, charged once", async () => {
    const send = () => embed(["a", "", "long", "bc", "long"], { dimensions: 4 }, { "idempotency-key": "once" });
    const first = await send();
    expect(places(first)).toEqual([
      "ok",
      "empty_input input[1]",
      "context_length_exceeded input[2]",
      "ok",
      "context_length_exceeded input[4]",
    ]);
    const cost = await charged();
    api.backend.faulty.clear();
    const again = await send();
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(again.text).toBe(first.text);
    expect(await charged()).toBe(cost);
    expect(cost).toBe(5 * PRICE);
  });

  test("is quoted without its bad texts", async () => {
    api.backend.faulty.set("x".repeat(40), TOO_LONG);
    const input = ["abc", "", "x".repeat(40)];
    const quote = await post("/v1/tokenize", { input });
    expect(places(quote)).toEqual(["ok", "empty_input input[1]", "context_length_exceeded input[2]"]);
    expect(quote.body).toMatchObject({ total_tokens: 4, cost_nano_usd: 4 * PRICE });
    // The bound is over it, the exact count is not.
    expect((await embed(input, {}, { "x-max-cost": (4 * PRICE) / 1e9 + "" })).status).toBe(400);
    expect(places(await embed(input, {}, { "x-max-cost": "0.000000032" }))[0]).toBe("ok");
    expect(codeOf(await embed(input, {}, { "x-max-cost": "0.000000031" }))).toEqual([400, "max_cost_exceeded"]);
    expect(codeOf(await post("/v1/tokenize", { input: [""] }))).toEqual([400, "empty_input"]);
  });
});

describe("similarity", () => {
  test("has the cosine of good pairs, charges their texts alone, and errors in the places of the others", async () => {
    const answer = await post("/v1/similarity", {
      pairs: [["a", "bc"], ["ghi", "long"], ["x", ""], "no", ["jk", "l"]],
    });
    expect(places(answer)).toEqual([
      "ok",
      "context_length_exceeded pairs[1][1]",
      "empty_input pairs[2][1]",
      "invalid_type pairs[3]",
      "ok",
    ]);
    expect(dataOf(answer)[0]).toMatchObject({ index: 0 });
    expect(answer.body["usage"]).toMatchObject({ prompt_tokens: 2 + 3 + 3 + 2, failed_items: 3 });
    expect(await charged()).toBe(10 * PRICE);
  });

  test("charges a text as computed though it stood first in a pair that failed", async () => {
    const pairs = [
      ["abc", "long"],
      ["d", "long"],
      ["abc", "d"],
      ["d", "abc"],
    ];
    const answer = await post("/v1/similarity", { pairs });
    expect(answer.body["usage"]).toMatchObject({ prompt_tokens: 12, prompt_tokens_details: { cached_tokens: 6 } });
    expect(await charged()).toBe(6 * PRICE + (6 * PRICE) / 2);
  });

  test("caches no text that it did not charge for", async () => {
    const pairs = [
      ["abc", "long"],
      ["d", "e"],
    ];
    expect(places(await post("/v1/similarity", { pairs }))).toEqual(["context_length_exceeded pairs[0][1]", "ok"]);
    expect((await embed(["abc"])).headers.get("x-cache")).toBe("miss");
    await post("/v1/rerank", { query: "fg", documents: ["long"], truncate: "none", input_type: "document" });
    expect((await embed(["fg"])).headers.get("x-cache")).toBe("miss");
  });

  test("charges a source once, and fails without it", async () => {
    const answer = await post("/v1/similarity", { source: "abc", targets: ["", "d", "long", "e"] });
    expect(places(answer)).toEqual(["empty_input targets[0]", "ok", "context_length_exceeded targets[2]", "ok"]);
    expect(await charged()).toBe((4 + 2 + 2) * PRICE);
    expect(codeOf(await post("/v1/similarity", { source: "long", targets: ["d", "e"] }))).toEqual([
      400,
      "context_length_exceeded",
    ]);
    expect(codeOf(await post("/v1/similarity", { source: "a", targets: ["", "long"] }))).toEqual([400, "empty_input"]);
    expect(await charged()).toBe(8 * PRICE);
  });
});

describe("rerank", () => {
  test("ranks the good documents under their own numbers, and lists the others", async () => {
    const body = {
      query: "which?",
      documents: ["", "bc", { text: "long" }, { title: "no text" }, "d"],
      return_documents: true,
      truncate: "none",
    };
    const answer = await post("/v1/rerank", body);
    expect(places(answer, "errors")).toEqual([
      "empty_input documents[0]",
      "context_length_exceeded documents[2]",
      "invalid_type documents[3]",
    ]);
    const results = answer.body["results"] as { index: number; document: { text: string } }[];
    expect(results.map(({ index, document }) => `${index} ${document.text}`).toSorted()).toEqual(["1 bc", "4 d"]);
    expect(answer.body["usage"]).toMatchObject({ failed_items: 3 });
    const one = await post("/v1/rerank", { ...body, top_n: 1 });
    expect((one.body["results"] as unknown[]).length).toBe(1);
    expect(places(one, "errors")).toHaveLength(3);
  });

  test("fails without its query, or where no document is right", async () => {
    expect(codeOf(await post("/v1/rerank", { query: "", documents: ["a"] }))).toEqual([400, "empty_input"]);
    const prefix = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";
    api.backend.faulty.set(`${prefix}long`, TOO_LONG);
    const long = await post("/v1/rerank", { query: "long", documents: ["a"], truncate: "none" });
    expect(long.body["error"]).toMatchObject({ code: "context_length_exceeded", param: "query" });
    const none = await post("/v1/rerank", { query: "q", documents: ["long", ""], truncate: "none" });
    expect(none.body["error"]).toMatchObject({ code: "context_length_exceeded", param: "documents[0]" });
    expect(await charged()).toBe(0);
  });
});
