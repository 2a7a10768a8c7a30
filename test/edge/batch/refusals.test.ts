// One table of refused bodies, sent to the route and as lines of a batch: both give the same error, and neither
// computes, stores or charges anything.

import { afterEach, describe, expect, test } from "vitest";
import { NANO_USD_PER_USD } from "../../../shared/money.ts";
import { openAccount, stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import { DIMENSIONS, MODEL } from "../support/fake-backends.ts";
import { embeddingLine, linesOf, startBatch, workThrough } from "./support.ts";

const api = new Api();
const answer = api.backend.answer.bind(api.backend);

afterEach(() => {
  api.backend.answer = answer;
});

const NEIGHBOUR = "an innocent neighbour";
const input = "a";

const EMBEDDINGS: readonly (readonly [object, string])[] = [
  [{ input, model: `${MODEL}@0`, encoding_format: "base64" }, "invalid_dimensions"],
  [{ input, model: `${MODEL}@0` }, "invalid_dimensions"],
  [{ input, model: `${MODEL}@${DIMENSIONS + 1}` }, "invalid_dimensions"],
  [{ input, model: `${MODEL}@7`, output_dtype: "binary" }, "invalid_dimensions"],
  [{ input, dimensions: 0, encoding_format: "base64" }, "invalid_dimensions"],
  [{ input, dimensions: -8 }, "invalid_dimensions"],
  [{ input, dimensions: DIMENSIONS + 1 }, "invalid_dimensions"],
  [{ input, dimensions: 2 ** 40 }, "invalid_dimensions"],
  [{ input, dimensions: 4, output_dtype: "ubinary" }, "invalid_dimensions"],
  [{ input, dimensions: 4, model: `${MODEL}@2` }, "incompatible_options"],
  [{ input, dimensions: 1.5 }, "invalid_type"],
  [{ input, dimensions: "4" }, "invalid_type"],
  [{ input: "" }, "empty_input"],
  [{ input: ["a", ""] }, "empty_input"],
  [{ input: [] }, "empty_input"],
  [{ input: 5 }, "invalid_type"],
  [{ input: [["a", "b"], ["c"]] }, "invalid_type"],
  [{ input: [1, -1] }, "invalid_token_id"],
  [{}, "missing_field"],
  [{ input, encoding_format: "FLOAT" }, "invalid_value"],
  [{ input, output_dtype: "int4" }, "invalid_value"],
  [{ input, input_type: "clustering" }, "invalid_value"],
  [{ input, input_type: "document", instruction: "find" }, "incompatible_options"],
  [{ input, input_type: "query", model: `${MODEL}:document` }, "incompatible_options"],
  [{ input, instruction: "find", model: `${MODEL}:document` }, "incompatible_options"],
  [{ input: [1], model: `${MODEL}:query` }, "incompatible_options"],
  [{ input, truncate: "middle" }, "invalid_value"],
  [{ input, truncate: "end", truncation: false }, "incompatible_options"],
  [{ input, token_encoding: "cl100k_base" }, "incompatible_options"],
  [{ input, normalize: false }, "invalid_value"],
  [{ input, revision: "main" }, "invalid_value"],
  [{ input, revision: 1 }, "invalid_type"],
  [{ input, prompt: "retrieval.query" }, "unknown_field"],
  [{ input: Array.from({ length: 2049 }, () => "a") }, "too_many_inputs"],
  [{ input: Array.from({ length: 40 }, () => "a".repeat(8100)) }, "too_many_tokens"],
  [{ input: "x".repeat(20), instruction: "i".repeat(5000) }, "invalid_value"],
];

const documents = ["a", "b"];
const RERANK: readonly (readonly [object, string])[] = [
  [{ query: "q", documents, model: `${MODEL}@0` }, "invalid_dimensions"],
  [{ query: "q", documents, model: `${MODEL}@9` }, "invalid_dimensions"],
  [{ query: "", documents }, "empty_input"],
  [{ query: "q", documents, model: `${MODEL}:document`, input_type: "query" }, "incompatible_options"],
  [{ query: "q", documents, model: `${MODEL}:document`, instruction: "find" }, "incompatible_options"],
  [{ documents }, "missing_field"],
  [{ query: "q", documents: [] }, "empty_input"],
  [{ query: "q", documents: ["a", { text: 5 }] }, "invalid_type"],
  [{ query: "q", documents, top_n: 0 }, "invalid_value"],
  [{ query: "q", documents, top_n: 1, top_k: 2 }, "incompatible_options"],
  [{ query: "q", documents, dimensions: 4 }, "unknown_field"],
  [{ query: "q", documents: Array.from({ length: 40 }, () => "a".repeat(8100)) }, "too_many_tokens"],
];

/** The route's error, without the link that only an answer has. */
function routeError(body: Record<string, unknown>): unknown {
  const { message, ...rest } = body["error"] as { message: string };
  return { message: message.replace(/ See https:\S+$/, ""), ...rest };
}

describe.each([
  ["/v1/embeddings", EMBEDDINGS, { model: MODEL, input: NEIGHBOUR }],
  ["/v1/rerank", RERANK, { model: MODEL, query: NEIGHBOUR, documents: [NEIGHBOUR] }],
] as const)("%s", (url, table, good) => {
  test("refuses each body in a line as in a call, and charges only the other line", async () => {
    const { id: accountId, created } = await openAccount(NANO_USD_PER_USD, {
      scopes: ["batches", "embeddings", "rerank"],
    });
    const { key } = created;
    const bodies = table.map(([body]) => ({ model: MODEL, ...body }));
    const refused: unknown[] = [];
    for (const [index, body] of bodies.entries()) {
      const { status, body: answered } = await api.call(url, { key, body });
      expect([status, answered["error"]]).toMatchObject([400, { code: table[index]?.[1] }]);
      refused.push(routeError(answered));
    }
    expect(api.backend.embeds).toEqual([]);
    expect((await stubOf(accountId).getAccount())?.chargedNanoUsd).toBe(0);

    const line = (body: object, index: number) => JSON.stringify({ custom_id: `${index}`, method: "POST", url, body });
    // The good line is among them.
    const lines = bodies.map(line).toSpliced(3, 0, line(good, 1000));
    const batch = await workThrough(api, key, await startBatch(api, key, lines, url));
    expect(batch).toMatchObject({
      status: "completed",
      request_counts: { total: lines.length, completed: 1, failed: bodies.length },
    });
    const errors = await linesOf(api, key, batch.error_file_id);
    expect(errors.map(({ response }) => response?.body["error"])).toEqual(refused);
    expect(errors.map(({ custom_id: id, response }) => [id, response?.status_code])).toEqual(
      bodies.map((_, index) => [`${index}`, 400]),
    );
    const [output] = await linesOf(api, key, batch.output_file_id);
    expect(output?.custom_id).toBe("1000");
    const texts = api.backend.embeds.flatMap((frame) => frame.texts);
    expect(texts.every((text) => String(text).endsWith(NEIGHBOUR))).toBe(true);
    api.backend.embeds.length = 0;
  });
});

describe("a model that the operator does not offer, although its backend is up", () => {
  test("is refused in a call and in a batch", async () => {
    const { created } = await openAccount(NANO_USD_PER_USD, { scopes: ["batches", "embeddings"] });
    const { key } = created;
    const path = `/admin/models/${MODEL}`;
    await api.admin(path, { status: "coming_soon" }, "PUT");
    try {
      const call = await api.call("/v1/embeddings", { key, body: { model: MODEL, input } });
      expect(call).toMatchObject({ status: 503, body: { error: { code: "model_not_ready" } } });
      const batch = await workThrough(api, key, await startBatch(api, key, [embeddingLine("a", input)]));
      expect(batch).toMatchObject({ status: "failed", errors: { data: [{ code: "model_not_ready", line: 1 }] } });
    } finally {
      await api.admin(path, { status: "live" }, "PUT");
    }
  });
});
