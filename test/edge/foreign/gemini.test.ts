import { beforeAll, describe, expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
let key: string;

beforeAll(async () => {
  ({ key } = await api.newAccount());
});

const PATH = `/v1beta/models/${MODEL}`;
const content = (text: unknown) => ({ parts: [{ text }], role: "user" });
const call = (method: string, body: object, headers: Record<string, string> = { "x-goog-api-key": key }) =>
  api.call(`${PATH}:${method}`, { body, headers });
const batch = (texts: readonly unknown[], fields: object = {}) =>
  call("batchEmbedContents", { requests: texts.map((text) => ({ content: content(text), ...fields })) });
const sent = () => api.backend.embeds.at(-1);

/** What /v1/embeddings answers. */
async function own(input: readonly string[], fields: object = {}) {
  const answer = await api.call("/v1/embeddings", { key, body: { model: MODEL, input, ...fields } });
  const data = answer.body["data"] as { embedding: number[] }[];
  return { values: data.map(({ embedding }) => ({ values: embedding })), cost: answer.headers.get("x-cost-usd") };
}

interface GeminiFault {
  readonly code: number;
  readonly message: string;
  readonly status: string;
  readonly details: readonly { readonly reason: string; readonly metadata: { readonly param?: string } }[];
}
const faultOf = ({ body }: { readonly body: Record<string, unknown> }) => body["error"] as GeminiFault;

describe(":batchEmbedContents", () => {
  test("answers Gemini's form, with the vectors and the charge of /v1/embeddings", async () => {
    const expected = await own(["one", "two"]);
    const answer = await batch(["one", "two"], { model: `models/${MODEL}` });
    expect(answer.body).toEqual({ embeddings: expected.values, usageMetadata: { promptTokenCount: 8 } });
    expect(Number(answer.headers.get("x-cost-usd")) * 2).toBeCloseTo(Number(expected.cost), 12);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  });

  test("reads the task and the dimensions, which must be the same in all requests", async () => {
    const fields = { taskType: "RETRIEVAL_QUERY", outputDimensionality: 4 };
    const { body } = await batch(["q1", "q2"], fields);
    expect((body["embeddings"] as { values: number[] }[]).map(({ values }) => values.length)).toEqual([4, 4]);
    expect(sent()).toMatchObject({ prefix: expect.stringContaining("Instruct:"), truncate: "none" });
    await batch(["d1"], { taskType: "RETRIEVAL_DOCUMENT" });
    expect(sent()).toMatchObject({ prefix: "" });
    const requests = [{ content: content("a") }, { content: content("b"), taskType: "RETRIEVAL_QUERY" }];
    const fault = faultOf(await call("batchEmbedContents", { requests }));
    expect(fault.details[0]).toMatchObject({
      reason: "incompatible_options",
      metadata: { param: "requests[1].taskType" },
    });
  });

  test.each([
    [{ requests: [] }, "invalid_value", "requests"],
    [{}, "missing_field", "requests"],
    [{ requests: [{}] }, "missing_field", "requests[0].content"],
    [{ requests: [{ content: content("") }] }, "empty_input", "requests[0].content.parts[0].text"],
    [{ requests: [{ content: content(5) }] }, "invalid_type", "requests[0].content.parts[0].text"],
    [{ requests: [{ content: { parts: [{ text: "a" }, { text: "b" }] } }] }, "invalid_type", "requests[0].content"],
    [{ requests: [{ content: { parts: [{ inlineData: {} }] } }] }, "invalid_type", "requests[0].content.parts[0].text"],
    [{ requests: [{ content: content("a"), title: "t" }] }, "invalid_type", "requests[0].title"],
    [{ requests: [{ content: content("a"), taskType: "CLUSTERING" }] }, "invalid_value", "requests[0].taskType"],
    [{ requests: [{ content: content("a"), taskTyp: "x" }] }, "unknown_field", "requests[0].taskTyp"],
    [{ requests: [{ content: content("a"), model: "models/other" }] }, "incompatible_options", "requests[0].model"],
    [
      { requests: [{ content: content("a"), outputDimensionality: 9 }] },
      "invalid_dimensions",
      "requests[0].outputDimensionality",
    ],
  ])("refuses %j as Gemini words an error", async (body, reason, param) => {
    const answer = await call("batchEmbedContents", body);
    expect(faultOf(answer)).toEqual({
      code: 400,
      status: "INVALID_ARGUMENT",
      message: expect.stringContaining(`/docs/errors#${reason}`),
      details: [expect.objectContaining({ reason, metadata: { param } })],
    });
    expect(answer.headers.get("x-cost-usd")).toBeNull();
  });

  test("names a text that is too long by its request", async () => {
    const facts = { tokens: 9000, maxTokens: 8192, counted: 1 };
    api.backend.faulty.set("too long", { code: "context_length_exceeded", facts });
    const fault = faultOf(await batch(["fits", "too long"]));
    expect(fault.details[0]?.metadata).toEqual({ param: "requests[1]" });
    expect(fault.message).toMatch(/^requests\[1\] has 9000 tokens.* to `\/v1\/embeddings`\./);
  });

  test("suggests the field that a request's unknown one may have meant", async () => {
    const fault = faultOf(await batch(["a"], { outputDimensionalit: 4 }));
    expect(fault.message).toContain("Did you mean `outputDimensionality`?");
  });
});

test(":embedContent answers one vector, and names its text", async () => {
  const { values } = await own(["alone"]);
  const answer = await call("embedContent", { content: content("alone"), taskType: "TASK_TYPE_UNSPECIFIED" });
  expect(answer.body).toEqual({ embedding: values[0], usageMetadata: { promptTokenCount: 6 } });
  const titled = faultOf(await call("embedContent", { content: content("alone"), title: "of a customer" }));
  expect(titled.details[0]?.metadata).toEqual({ param: "title" });
  expect(titled.message).not.toContain("customer");
  const empty = faultOf(await call("embedContent", { content: content("") }));
  expect(empty.details[0]?.metadata).toEqual({ param: "content.parts[0].text" });
});

describe("the key", () => {
  test("comes as x-goog-api-key on these routes, and on no other", async () => {
    const headers = { "x-goog-api-key": key };
    expect((await call("embedContent", { content: content("alone") }, headers)).status).toBe(200);
    const elsewhere = await api.call("/v1/embeddings", { headers, body: { model: MODEL, input: "a" } });
    expect([elsewhere.status, (elsewhere.body["error"] as GeminiFault).code]).toEqual([401, "missing_api_key"]);
  });

  test("that is missing or forged is said in Gemini's form", async () => {
    for (const [headers, reason, words] of [
      [{}, "missing_api_key", "send the header `x-goog-api-key: gr-…`"],
      [{ "x-goog-api-key": "AIza" }, "invalid_api_key", "not one of ours"],
    ] as const) {
      const answer = await call("embedContent", { content: content("alone") }, headers);
      expect([answer.status, faultOf(answer).status, faultOf(answer).details[0]?.reason]).toEqual([
        401,
        "UNAUTHENTICATED",
        reason,
      ]);
      expect(faultOf(answer).message).toContain(words);
    }
  });
});

test("/v1 has the same methods, as newer clients ask for them", async () => {
  const body = { requests: [{ content: content("newer") }] };
  const newer = await api.call(`/v1/models/${MODEL}:batchEmbedContents`, { body, headers: { "x-goog-api-key": key } });
  expect(newer.body).toEqual((await call("batchEmbedContents", body)).body);
  expect((await api.call(`/v1/models/${MODEL}:query:embedContent`, { key, body: body.requests[0] })).status).toBe(200);
  expect(sent()).toMatchObject({ prefix: expect.stringContaining("Instruct:") });
});

test("a model that is not there, and a method that is not there, are 404s", async () => {
  const missing = await api.call("/v1beta/models/owner/modell:embedContent", { key, body: { content: content("a") } });
  expect([missing.status, faultOf(missing).status]).toEqual([404, "NOT_FOUND"]);
  expect((await api.call(`${PATH}:generateContent`, { key, body: {} })).status).toBe(404);
  const get = await api.call(`${PATH}:embedContent`, { key });
  expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
});
