// `POST /v1/embeddings` with lines in and lines out, as a client meets it.

import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { STREAM_LIMITS } from "../../../edge/stream/stream.ts";
import { Api } from "../support/api.ts";
import { DIMENSIONS, MODEL, REVISION_1, REVISION_2, tokensOf } from "../support/fake-backends.ts";
import { Duplex, jsonLines, stream, texts } from "./support.ts";

const api = new Api();
let account: Awaited<ReturnType<Api["newAccount"]>>;

beforeEach(async () => {
  api.backend.behaviour = { kind: "well" };
  api.backend.revision = REVISION_1;
  api.backend.faulty.clear();
  account = await api.newAccount();
});

const send = (body: BodyInit, query = "", headers: Record<string, string> = {}) =>
  stream(api, { key: account.key, body, query, headers });
const charged = async () => {
  await api.settled();
  return Number((await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"]);
};

/** What the usage of `key` counts. */
async function errorsIn(key: string) {
  await api.settled();
  const { body } = await api.call("/v1/usage", { key });
  const results = (body["data"] as { results: { requests: number; errors: object }[] }[]).flatMap((one) => one.results);
  return { requests: results[0]?.requests, errors: results[0]?.errors };
}
const limitTokens = (limit: number) =>
  api.admin(`/admin/accounts/${account.id}`, { limits: { tokens_per_minute: limit } }, "PATCH");

const bytesOf = async (parts: (Uint8Array | ArrayBuffer)[]) => new Uint8Array(await new Blob(parts).arrayBuffer());

describe("an answer", () => {
  test("has the lines in order, with the vectors of a JSON call", async () => {
    const values = texts(1500);
    const { status, headers, items, last, progress } = await send(jsonLines(values));
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/x-ndjson");
    expect(headers.get("x-model-revision")).toBe(REVISION_1);
    expect(items.map(({ index }) => index)).toEqual(values.map((_, index) => index));
    expect(items.map(({ tokens }) => tokens)).toEqual(values.map(tokensOf));
    const json = await api.call("/v1/embeddings", { key: account.key, body: { model: MODEL, input: values } });
    const data = json.body["data"] as { embedding: number[] }[];
    expect(items.map(({ embedding }) => embedding)).toEqual(data.map(({ embedding }) => embedding));
    const tokens = values.reduce((sum, text) => sum + tokensOf(text), 0);
    expect(last).toMatchObject({ complete: true, done: 1500, failed: 0, tokens, model: MODEL, revision: REVISION_1 });
    expect(progress.map(({ done }) => done)).toEqual([0, 1088]);
  });

  test("says what was charged: each text once, and what is left", async () => {
    const values = texts(700, "cost");
    const { last } = await send(jsonLines(values));
    const cost = values.reduce((sum, text) => sum + tokensOf(text), 0) * 8;
    expect(await charged()).toBe(cost);
    expect(last?.cost_usd).toBe(cost / 1e9);
    expect(last?.remaining_usd).toBeCloseTo(5 - cost / 1e9, 10);
  });

  test("follows the options of the query, and a line's own dimensions", async () => {
    const body = jsonLines([{ id: "a", input: "one" }, { id: 7, input: "two", dimensions: 2 }, "three"]);
    const { items } = await send(body, "&dimensions=4&encoding_format=base64");
    expect(items.map(({ id }) => id)).toEqual(["a", 7, undefined]);
    const lengths = items.map(({ embedding }) => atob(String(embedding)).length);
    expect(lengths).toEqual([16, 8, 16]);
  });

  test("has the vectors of token ids, as a JSON call has them, beside those of texts", async () => {
    const lines = [[5, 6, 7], { id: "b", input: [8, 9], dimensions: 2 }, "text", [], { input: [1, "x"] }, [-1], [[1]]];
    const { items, last } = await send(jsonLines(lines));
    const json = await api.call("/v1/embeddings", {
      key: account.key,
      body: {
        model: MODEL,
        input: [
          [5, 6, 7],
          [8, 9],
        ],
      },
    });
    const data = json.body["data"] as { embedding: number[] }[];
    expect(json.headers.get("x-cache")).toBe("hit");
    expect(items[0]?.embedding).toEqual(data[0]?.embedding);
    expect(items[1]).toMatchObject({ id: "b", tokens: tokensOf(2) });
    expect(items[1]?.embedding).toHaveLength(2);
    expect(items.slice(3).map(({ error }) => [error?.code, error?.param])).toEqual([
      ["empty_input", "input"],
      ["invalid_type", "input[1]"],
      ["invalid_token_id", "input[0]"],
      ["invalid_type", "input"],
    ]);
    expect(last).toMatchObject({ complete: true, done: 7, failed: 4 });
  });

  test.each([
    ["&instruction=Find", [undefined, "incompatible_options"]],
    ["&input_type=query", [undefined, "incompatible_options"]],
    ["&input_type=document", [undefined, undefined]],
    ["&token_encoding=cl100k_base", ["incompatible_options", undefined]],
  ])("of lines that an option is not for has an error in their place: %s", async (query, codes) => {
    const { items } = await send(jsonLines(["text", [1, 2]]), query);
    expect(items.map(({ error }) => error?.code)).toEqual(codes);
    const { texts: sent, encoding } = api.backend.embeds.at(-1) ?? {};
    expect(sent).toEqual(["text", 2].filter((_, index) => codes[index] === undefined));
    expect(encoding).toBe(query.includes("encoding") ? "cl100k_base" : undefined);
  });

  test("of token ids of another tokenizer ends with the lines that they are in, and costs nothing", async () => {
    const message = "4 of 4 token arrays do not survive decoding and encoding again.";
    const fault = { code: "invalid_token_id", message, index: null, facts: {}, retryAfterS: null } as const;
    api.backend.behaviour = { kind: "fault", fault };
    const answer = await send(jsonLines([[1], [2], [3], [4]]));
    expect(answer).toMatchObject({ status: 400, body: { error: { code: "invalid_token_id" } } });
    expect(answer.text).toContain("In the lines from 0 to 3: 4 of 4 token arrays");
    expect(await charged()).toBe(0);
  });

  test("has an error in the place of a line at fault, which costs nothing", async () => {
    api.backend.faulty.set("bad", { code: "context_length_exceeded", facts: {} });
    const lines = [
      '"good"',
      "not json",
      "",
      '{"id":"x","input":""}',
      '{"id":"y","input":["a"]}',
      '{"input":"a","dimensions":99}',
      '{"input":"a","model":"m"}',
      '"bad"',
      "7",
      '"last"',
    ];
    const { items, last } = await send(lines.join("\r\n"));
    expect(items.map(({ index, id, error }) => [index, id, error?.code])).toEqual([
      [0, undefined, undefined],
      [1, undefined, "invalid_json"],
      [3, "x", "empty_input"],
      [4, "y", "invalid_type"],
      [5, undefined, "invalid_dimensions"],
      [6, undefined, "unknown_field"],
      [7, undefined, "context_length_exceeded"],
      [8, undefined, "invalid_type"],
      [9, undefined, undefined],
    ]);
    expect(last).toMatchObject({ complete: true, done: 10, failed: 7 });
    expect(await charged()).toBe((tokensOf("good") + tokensOf("last")) * 8);
  });

  test("of lines that are all at fault is complete and costs nothing", async () => {
    const { items, last } = await send("x\ny\n");
    expect(items.map(({ error }) => error?.code)).toEqual(["invalid_json", "invalid_json"]);
    expect(last).toMatchObject({ complete: true, done: 2, failed: 2, tokens: 0, cost_usd: 0 });
  });

  test.each(["", "\n\n\n"])("of no lines (%j) is complete", async (body) => {
    const { status, items, last } = await send(body);
    expect({ status, items }).toEqual({ status: 200, items: [] });
    expect(last).toMatchObject({ complete: true, done: 0, remaining_usd: 5 });
  });

  test("of bytes that are not UTF-8, and of a line over the limit, goes on behind them", async () => {
    const encoder = new TextEncoder();
    const parts = [
      encoder.encode('"a"\n"'),
      new Uint8Array([0xff]),
      encoder.encode('"\n"'),
      new Uint8Array(1 << 20).fill(97),
    ];
    const { items, last } = await send(await bytesOf([...parts, encoder.encode('"\n"b"\n')]));
    expect(items.map(({ error }) => error?.code)).toEqual([undefined, "invalid_json", "body_too_large", undefined]);
    expect(last).toMatchObject({ complete: true, done: 4 });
  });

  test("is made of gzip too, of several members", async () => {
    const gzip = (text: string) =>
      new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
    const values = texts(300, "gzip");
    const body = [await gzip(jsonLines(values.slice(0, 100))), await gzip(jsonLines(values.slice(100)))];
    const { items, last } = await send(await bytesOf(body), "", { "content-encoding": "gzip" });
    expect(items).toHaveLength(300);
    expect(last).toMatchObject({ complete: true, done: 300 });
  });

  test("passes over a million blank lines", async () => {
    const { items, last } = await send(`"a"\n${"\n".repeat(1_000_000)}"b"\n`);
    expect(items.map(({ index }) => index)).toEqual([0, 1_000_001]);
    expect(last).toMatchObject({ complete: true, done: 1_000_002 });
  });
});

describe("before its first line", () => {
  test.each([
    ["&dimensions=many", 400, "invalid_type"],
    ["&input=a", 400, "unknown_field"],
    ["&dimension=2", 400, "unknown_field"],
    [`&dimensions=${DIMENSIONS + 1}`, 400, "invalid_dimensions"],
    ["&on_error=fail", 200, undefined],
    ["&resume=rs_1", 400, "invalid_value"],
  ])("a wrong option is refused as in a JSON call: %s", async (query, status, code) => {
    const answer = await send('"a"\n', query);
    expect([answer.status, (answer.body["error"] as { code: string } | undefined)?.code]).toEqual([status, code]);
  });

  test("an unknown model, key, or encoding is refused", async () => {
    const call = (path: string, key: string, headers: object = {}) =>
      api.call(path, { key, headers: { "content-type": "application/x-ndjson", ...headers }, body: '"a"\n' });
    expect((await call("/v1/embeddings", account.key)).body).toMatchObject({ error: { code: "missing_field" } });
    expect((await call("/v1/embeddings?model=owner/modle", account.key)).status).toBe(404);
    expect((await call(`/v1/embeddings?model=${MODEL}`, "gr-x")).status).toBe(401);
    expect((await call(`/v1/embeddings?model=${MODEL}`, account.key, { "content-encoding": "br" })).status).toBe(415);
    expect((await call(`/v1/rerank`, account.key)).status).toBe(415);
    expect(await charged()).toBe(0);
  });

  test("no credit is a 402, and a backend that is full a 503", async () => {
    const poor = await api.newAccount({ cap_nano_usd: 1 });
    const unpaid = await stream(api, { key: poor.key, body: jsonLines(texts(10)) });
    expect(unpaid).toMatchObject({ status: 402, body: { error: { code: "key_cap_reached" } } });
    const fault = { code: "overloaded", message: "Full.", index: null, facts: {}, retryAfterS: 1 } as const;
    api.backend.behaviour = { kind: "fault", fault };
    expect((await send(jsonLines(["new text"]))).status).toBe(503);
    expect(await charged()).toBe(0);
  });
});

describe("in the middle", () => {
  test("a limit that is reached ends the stream; its last line says why", async () => {
    const values = texts(2000, "limit");
    const first = values.slice(0, 64).reduce((sum, text) => sum + tokensOf(text), 0) * 8;
    account = await api.newAccount({ cap_nano_usd: first + 100 });
    const { status, items, last } = await send(jsonLines(values));
    expect(status).toBe(200);
    expect(items).toHaveLength(64);
    expect(last).toMatchObject({ complete: false, done: 64, error: { code: "key_cap_reached" } });
    expect(last?.error?.message).toContain("/docs/errors#key_cap_reached");
    expect(await charged()).toBe(first);
  });

  test("a frame that is refused counts as an error of its key's usage, once, as a refused JSON call does", async () => {
    const values = texts(64, "counted");
    const first = values.reduce((sum, text) => sum + tokensOf(text), 0) * 8;
    account = await api.newAccount({ cap_nano_usd: first });
    const refused = await send(jsonLines([...values, "one more"]));
    expect(refused.last).toMatchObject({ complete: false, done: 64, error: { code: "key_cap_reached" } });
    expect(await errorsIn(account.key)).toEqual({ requests: 1, errors: { "4xx": 1, "5xx": 0 } });
  });

  test("a frame over a whole limit of a minute is halved until it is not", async () => {
    const values = texts(60, "halved");
    const tokens = values.reduce((sum, text) => sum + tokensOf(text), 0);
    // So that what is missing for the second half drains within a second.
    await limitTokens(tokens - 3);
    const { status, items, last } = await send(jsonLines(["", ...values, ""]).replaceAll('""', ""));
    expect(status).toBe(200);
    expect(last).toMatchObject({ complete: true, done: 62, failed: 0, tokens });
    expect(items.map(({ index }) => index)).toEqual(values.map((_, index) => index + 1));
    expect(api.backend.embeds.slice(-2).map((frame) => frame.texts)).toEqual([values.slice(0, 30), values.slice(30)]);
    expect(await charged()).toBe(tokens * 8);
    expect(await errorsIn(account.key)).toEqual({ requests: 2, errors: { "4xx": 0, "5xx": 0 } });
  });

  test("a line that alone is over a whole limit ends the stream, which goes on with a blank line in its place", async () => {
    await limitTokens(60);
    const values = ["first", "x".repeat(400), "third"];
    const ended = await send(jsonLines(values));
    expect(ended.items.map(({ index }) => index)).toEqual([0]);
    expect(ended.last).toMatchObject({ complete: false, done: 1, error: { code: "limit_exceeded" } });
    expect(ended.last?.error?.message).toMatch(
      /^Line 1 alone, counted from 0, is over a limit: .* blank line in its place, .* `resume`\. .* limit of 60 tokens/,
    );
    const rest = await send(`\n"third"\n`, `&resume=${ended.last?.resume}`);
    expect(rest.last).toMatchObject({ complete: true, done: 3, failed: 0 });
    expect(await send(jsonLines(["y".repeat(400)]))).toMatchObject({
      status: 400,
      body: { error: { code: "limit_exceeded", message: expect.stringContaining("Line 0 alone") } },
    });
  });

  test("X-Max-Cost bounds the whole stream", async () => {
    const values = texts(2000, "max");
    const cost = values.slice(0, 576).reduce((sum, text) => sum + tokensOf(text), 0) * 8;
    const { items, last } = await send(jsonLines(values), "", { "x-max-cost": ((cost + 50) / 1e9).toFixed(9) });
    expect(items).toHaveLength(576);
    expect(last).toMatchObject({ complete: false, done: 576, error: { code: "max_cost_exceeded" } });
    expect(await charged()).toBe(cost);
  });

  test("another revision ends it", async () => {
    const client = new Duplex(api, { key: account.key });
    await client.send(jsonLines(texts(64, "first")));
    await client.readUntil(({ items }) => items.length === 64);
    api.backend.revision = REVISION_2;
    await api.call("/v1/embeddings", { key: account.key, body: { model: MODEL, input: "the isolate learns of it" } });
    await client.send(jsonLines(texts(64, "second")));
    const { items, last } = await client.readUntil((lines) => lines.last !== undefined);
    expect(items).toHaveLength(64);
    expect(last).toMatchObject({ complete: false, done: 64, error: { code: "revision_changed" } });
    expect(last?.revision).toBe(REVISION_1);
    await client.end();
  });

  test("an account that was suspended ends it", async () => {
    const client = new Duplex(api, { key: account.key });
    await client.send(jsonLines(texts(64, "revoked")));
    await client.readUntil(({ items }) => items.length === 64);
    await api.admin(`/admin/accounts/${account.id}`, { status: "suspended" }, "PATCH");
    await client.send('"more"\n');
    const { last } = await client.readUntil((lines) => lines.last !== undefined);
    expect(last).toMatchObject({ complete: false, done: 64, error: { code: "account_suspended" } });
    await client.end();
  });

  test("a client that sends a line, reads its answer and sends the next is answered at once", async () => {
    const client = new Duplex(api, { key: account.key });
    for (let line = 0; line < 3; line += 1) {
      await client.send(`"line ${line}"\n`);
      await client.readUntil(({ items }) => items.length === line + 1);
    }
    await client.end();
    const { items, last } = await client.readUntil((lines) => lines.last !== undefined);
    expect(items.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(last).toMatchObject({ complete: true, done: 3 });
  });
});

test("a stream of too many frames ends by itself, and the rest goes on from its last line", async () => {
  const { frames } = STREAM_LIMITS;
  onTestFinished(() => void Object.assign(STREAM_LIMITS, { frames }));
  Object.assign(STREAM_LIMITS, { frames: 3 });
  const values = texts(2000, "many");
  const { last } = await send(jsonLines(values));
  expect(last).toMatchObject({ complete: false, error: { code: "limit_reached" } });
  const { done, resume } = last ?? { done: 0, resume: "" };
  expect(done).toBeGreaterThan(64);
  const rest = await send(jsonLines(values.slice(done)), `&resume=${resume}`);
  expect(rest.last).toMatchObject({ complete: true, done: 2000 });
  expect(await charged()).toBe(values.reduce((sum, text) => sum + tokensOf(text), 0) * 8);
});
