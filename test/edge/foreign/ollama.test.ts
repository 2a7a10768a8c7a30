import { beforeAll, describe, expect, test } from "vitest";
import { cutVector } from "../../../shared/vectors.ts";
import { Api } from "../support/api.ts";
import { MODEL, REVISION_1, vectorOf } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const embed = (body: object, headers: Record<string, string> = {}) =>
  api.call("/api/embed", { key, body: { model: MODEL, input: "hello", ...body }, headers });
/** Numbers in JSON are the shortest that read back to the same float32. */
const float32 = (vectors: unknown) => (vectors as number[][]).map((vector) => vector.map(Math.fround));
const numbers = (text: string, dimensions = 8) => [...cutVector(vectorOf(text, REVISION_1), dimensions)];

describe("/api/embed", () => {
  test("answers Ollama's form, with the vectors and the charge of /v1/embeddings", async () => {
    const own = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: ["zwölf", "two"] } });
    const answer = await embed({ input: ["zwölf", "two"] });
    expect(answer.body).toEqual({
      model: MODEL,
      embeddings: (own.body["data"] as { embedding: number[] }[]).map(({ embedding }) => embedding),
      total_duration: expect.any(Number),
      load_duration: 0,
      prompt_eval_count: (own.body["usage"] as { prompt_tokens: number }).prompt_tokens,
    });
    expect(Number(answer.body["total_duration"])).toBeGreaterThan(0);
    // The same texts again: the hit price, which is half.
    expect(answer.headers.get("x-cache")).toBe("hit");
    expect(Number(answer.headers.get("x-cost-usd")) * 2).toBeCloseTo(Number(own.headers.get("x-cost-usd")), 12);
    expect(answer.headers.get("x-model-revision")).toBe(REVISION_1);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  });

  test("takes one text, dimensions, a model's suffixes and what Ollama's clients send along", async () => {
    const options = { temperature: 0, num_thread: 4, num_ctx: null };
    const answer = await embed({ model: `${MODEL}:query`, dimensions: 4, options, keep_alive: "5m" });
    expect((answer.body["embeddings"] as number[][])[0]).toHaveLength(4);
    expect(api.backend.embeds.at(-1)).toMatchObject({ texts: ["hello"], prefix: expect.stringContaining("Instruct:") });
  });

  test("cuts a text that is too long unless told not to", async () => {
    await embed({ input: "may be cut" });
    expect(api.backend.embeds.at(-1)).toMatchObject({ truncate: "end" });
    await embed({ input: "is not to be cut", truncate: false });
    expect(api.backend.embeds.at(-1)).toMatchObject({ truncate: "none" });
    const facts = { tokens: 9000, maxTokens: 8192, counted: 1 };
    api.backend.faulty.set("too long", { code: "context_length_exceeded", facts });
    const { status, body } = await embed({ input: ["fits", "too long"], truncate: false });
    expect([status, body["param"]]).toEqual([400, "input[1]"]);
    expect(body["error"]).toMatch(/^input\[1\] has .* or send `truncate: true`\./);
  });

  test.each([
    [{ input: ["a", ""] }, "empty_input", "input[1]"],
    [{ input: [[1, 2]] }, "invalid_type", "input[0]"],
    [{ input: undefined }, "missing_field", "input"],
    [{ options: { num_ctx: 2048 } }, "invalid_type", "options.num_ctx"],
    [{ prompt: "a" }, "unknown_field", "prompt"],
    [{ dimensions: 9 }, "invalid_dimensions", "dimensions"],
    [{ model: "nomic-embed-text" }, "model_not_found", "model"],
    [{ model: `${MODEL}:per_item` }, "incompatible_options", "model"],
  ])("refuses %j as Ollama words an error, and charges nothing", async (body, code, param) => {
    const answer = await embed(body);
    expect(answer.body).toMatchObject({ code, param, error: expect.stringContaining(`/docs/errors#${code}`) });
    expect(Object.keys(answer.body).toSorted()).toEqual(["code", "error", "param"]);
    expect(answer.headers.get("x-cost-usd")).toBeNull();
  });

  test("answers an `Idempotency-Key` again with the first vectors, charged once", async () => {
    const headers = { "idempotency-key": "ollama-1" };
    const [first, again] = [await embed({ input: "once" }, headers), await embed({ input: "once" }, headers)];
    expect(again.headers.get("x-idempotent-replayed")).toBe("true");
    expect(again.body["embeddings"]).toEqual(first.body["embeddings"]);
  });

  test("of more than one piece is streamed to the same vectors", async () => {
    const input = Array.from({ length: 2048 }, (_, index) => `text ${index}`);
    const { body, headers } = await embed({ input });
    expect(headers.get("content-length")).toBeNull();
    expect(float32(body["embeddings"])).toEqual(input.map((text) => numbers(text)));
  });
});

describe("/api/embeddings", () => {
  test("answers one vector", async () => {
    const answer = await api.call("/api/embeddings", { key, body: { model: MODEL, prompt: "one" } });
    expect(float32([answer.body["embedding"]])).toEqual([numbers("one")]);
    expect(Object.keys(answer.body)).toEqual(["embedding"]);
  });

  test("does not cut its text, and names it", async () => {
    const facts = { tokens: 9000, maxTokens: 8192, counted: 1 };
    api.backend.faulty.set("longer", { code: "context_length_exceeded", facts });
    const { body } = await api.call("/api/embeddings", { key, body: { model: MODEL, prompt: "longer" } });
    expect(body).toMatchObject({ code: "context_length_exceeded", param: "prompt" });
    const missing = await api.call("/api/embeddings", { key, body: { model: MODEL } });
    expect(missing.body).toMatchObject({ code: "missing_field", param: "prompt" });
  });
});

test("/api/tags lists the embedding models that are served", async () => {
  const { body } = await api.call("/api/tags", { key });
  expect(body["models"]).toEqual([
    { name: MODEL, model: MODEL, modified_at: expect.stringMatching(/Z$/), digest: REVISION_1 },
  ]);
});
