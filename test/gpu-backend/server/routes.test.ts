import { once } from "node:events";
import { connect } from "node:net";

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { EXACT_DISTANCE_MAX } from "../../../gpu-backend/choice/choice.ts";
import { EngineDied, NonFiniteVector, TextsFailed } from "../../../gpu-backend/engine/types.ts";
import { must } from "../../../shared/assert.ts";
import { REQUEST_FRAME_BYTES_MAX } from "../../../shared/frame.ts";
import { embedded, faultIn, MODEL, post, SECRET, tokenized } from "./running-backend.ts";
import { DIMENSIONS, type InProcess, MS_PER_TOKEN, startInProcess } from "./in-process.ts";

const WORDS = "one two three four five six seven eight nine ten";

describe("the routes", () => {
  let backend: InProcess;
  beforeAll(async () => {
    backend = await startInProcess({
      QUEUE_SECONDS_MAX: "1",
      BYTES_IN_FLIGHT_MAX: "11000000",
      CALL_TOKENS_MAX: "500",
      TEXTS_MAX: "100",
    });
  });
  afterAll(() => backend.close());
  beforeEach(() => {
    backend.engine.free = true;
    backend.engine.batches.length = 0;
    backend.state.status = "ready";
  });
  const embed = (...texts: (string | number[])[]) => post(backend.origin, "/embed", { texts });

  it("answer /embed with one row a text, in order, and say what it cost", async () => {
    const response = await embed("one", WORDS, "two words");
    expect(response.headers.get("server-timing")).toMatch(
      /^body;dur=[\d.]+, decode;.*tokenize;.*queue;.*run;.*encode;/,
    );
    const { answer, vectors } = await embedded(response);
    const { answer: counted, ids } = await tokenized(
      await post(backend.origin, "/tokenize", { texts: ["one", WORDS, "two words"] }),
    );
    expect(answer.tokens).toEqual(counted.tokens);
    expect(ids).toHaveLength(counted.tokens.reduce((sum, count) => sum + count, 0));
    expect([...vectors]).toEqual(answer.tokens.flatMap((tokens) => Array.from({ length: DIMENSIONS }, () => tokens)));
    expect(answer.timings.runMs).toBe(answer.tokens.reduce((sum, count) => sum + count, 0) * MS_PER_TOKEN);
  });

  it.each([
    ["no secret", {}, 401],
    ["a wrong secret", { authorization: "Bearer nope" }, 401],
    ["the secret of before the rotation", { authorization: "Bearer the secret of yesterday" }, 200],
    ["the scheme in another case", { authorization: `bearer ${SECRET}` }, 200],
  ])("take %s as they should", async (_, headers, status) => {
    const response = await post(backend.origin, "/embed", { texts: ["x"], headers: { authorization: "", ...headers } });
    expect(response.status).toBe(status);
    if (status === 401) expect(await faultIn(response)).toMatchObject({ code: "invalid_api_key" });
  });

  it.each([
    ["/nowhere", "GET", 404, null],
    ["/embed", "GET", 405, "POST"],
    ["/health", "POST", 405, "GET"],
    ["/info", "GET", 401, null],
    ["/metrics", "GET", 401, null],
    ["/health", "GET", 200, null],
    ["/ready?probe=1", "GET", 200, null],
  ])("answer %s %s with %d", async (path, method, status, allow) => {
    const response = await fetch(backend.origin + path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get("allow")).toBe(allow);
    await response.arrayBuffer();
  });

  it.each([
    ["no texts", { texts: [] }, "empty_input", null],
    ["an empty text", { texts: ["a", ""] }, "empty_input", 1],
    ["an empty array of ids", { texts: ["a", []] }, "empty_input", 1],
    [
      "an instruction before ids",
      { texts: [[1, 2]], header: { prefix: "Instruct: x\nQuery:" } },
      "incompatible_options",
      0,
    ],
    ["too many texts", { texts: Array.from({ length: 101 }, () => "a") }, "too_many_inputs", null],
    ["too many tokens together", { texts: Array.from({ length: 60 }, () => WORDS) }, "too_many_tokens", null],
    ["another version", { texts: ["a"], header: { version: 2 } }, "invalid_request", null],
    ["an unknown tier", { texts: ["a"], header: { tier: "urgent" } }, "invalid_request", null],
    ["another model", { texts: ["a"], header: { model: "other/model" } }, "model_not_found", null],
    ["another revision", { texts: ["a"], header: { revision: "fedcba9876543210" } }, "model_not_ready", null],
    ["ids beyond the vocabulary", { texts: [[1, 20_000]] }, "invalid_token_id", 0],
    ["fewer ids than announced", { texts: ["a"], header: { texts: ["a", 3] } }, "invalid_request", null],
    ["more ids than announced", { texts: [[1, 2]], header: { texts: ["a"] } }, "invalid_request", null],
  ])("refuse %s in the one shape", async (_, body, code, index) => {
    expect(await faultIn(await post(backend.origin, "/embed", body))).toMatchObject({ code, index });
    expect(backend.engine.batches).toHaveLength(0);
  });

  it("refuse a body that is no frame, and one over the limit before it is read", async () => {
    const send = (body: Uint8Array<ArrayBuffer>) =>
      fetch(`${backend.origin}/embed`, { method: "POST", headers: { authorization: `Bearer ${SECRET}` }, body });
    expect(await faultIn(await send(new Uint8Array(40)))).toMatchObject({ code: "invalid_request" });
    const large = await send(new Uint8Array(REQUEST_FRAME_BYTES_MAX + 1));
    expect(large.status).toBe(413);
    expect(await faultIn(large)).toMatchObject({ code: "body_too_large" });
  });

  it("hold no more in memory than they may, and give it back", async () => {
    // A body that is announced and does not come.
    const slow = connect(Number(new URL(backend.origin).port), "127.0.0.1");
    slow.write(
      `POST /embed HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${SECRET}\r\ncontent-length: ${REQUEST_FRAME_BYTES_MAX}\r\nexpect: 100-continue\r\n\r\n`,
    );
    await once(slow, "data");
    const refused = await embed("x".repeat(600_000));
    expect(await faultIn(refused)).toMatchObject({ code: "overloaded", retryAfterS: 1 });
    slow.destroy();
    let served = await embed("one");
    while (served.status === 503) served = await embed("one");
    expect(served.status).toBe(200);
  });

  it("refuse the next call at once, with an honest Retry-After, while a second of work is ahead of it", async () => {
    backend.engine.free = false;
    const long = embed(...Array.from({ length: 30 }, (_, index) => `${WORDS} ${index}`));
    await backend.engine.reached(1);
    const refused = await embed("short");
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await faultIn(refused)).toMatchObject({ code: "overloaded" });
    backend.engine.free = true;
    for (const batch of backend.engine.batches) batch.end();
    expect((await long).status).toBe(200);
    expect((await embed("short")).status).toBe(200);
  });

  it("drop the queued texts of a caller who has gone", async () => {
    backend.engine.free = false;
    const first = embed(`${WORDS} ${WORDS} ${WORDS}`); // a third of a second: the next is not handed over yet
    await backend.engine.reached(1);
    const caller = new AbortController();
    const gone = post(backend.origin, "/embed", { texts: ["unwanted"], signal: caller.signal });
    await until(() => backend.runner.openCalls === 2);
    caller.abort();
    await expect(gone).rejects.toThrow();
    await until(() => backend.runner.openCalls === 1);
    backend.engine.batches[0]?.end();
    expect((await first).status).toBe(200);
    expect(backend.engine.batches).toHaveLength(1);
  });

  it("answer 504 when the deadline passes, also while the text runs", async () => {
    backend.engine.free = false;
    const late = await post(backend.origin, "/embed", { texts: ["late"], headers: { "x-deadline-ms": "30" } });
    expect(late.status).toBe(504);
    expect(await faultIn(late)).toMatchObject({ code: "deadline_exceeded" });
    for (const batch of backend.engine.batches) batch.end();
    const past = await post(backend.origin, "/embed", { texts: ["late"], headers: { "x-deadline-ms": "-1" } });
    expect(past.status).toBe(504);
  });

  it("name the one text whose vector is not finite, and answer the others of its batch", async () => {
    backend.engine.free = false;
    const first = embed(`${WORDS} ${WORDS} ${WORDS}`);
    await backend.engine.reached(1);
    const [good, bad] = [embed("good"), embed("fine", WORDS)];
    await until(() => backend.runner.openCalls === 3);
    backend.engine.batches[0]?.end();
    await backend.engine.reached(2);
    const texts = backend.engine.batches[1]?.texts ?? [];
    const row = texts.findIndex((ids) => ids.length === Math.max(...texts.map((other) => other.length)));
    const vectors = new Uint16Array(texts.length * DIMENSIONS);
    backend.engine.batches[1]?.end(new TextsFailed(new Map([[row, new NonFiniteVector(row)]]), vectors, 5));
    expect((await first).status).toBe(200);
    expect((await good).status).toBe(200);
    expect(await faultIn(await bad)).toMatchObject({ code: "vector_not_finite", index: 1 });
  });

  it("answer the good texts, and a fault for each bad one, where the call says so", async () => {
    backend.engine.free = false;
    const header = { onError: "per_item" };
    const bad = [99_999];
    const call = post(backend.origin, "/embed", { texts: [bad, "good", WORDS, "fine too", bad], header });
    await backend.engine.reached(1);
    const texts = backend.engine.batches[0]?.texts ?? [];
    const row = texts.findIndex((ids) => ids.length === Math.max(...texts.map((other) => other.length)));
    const vectors = Uint16Array.from(texts.flatMap((ids) => Array.from({ length: DIMENSIONS }, () => ids.length)));
    backend.engine.batches[0]?.end(new TextsFailed(new Map([[row, new NonFiniteVector(row)]]), vectors, 5));
    const { answer, vectors: good } = await embedded(await call);
    expect(answer.faults?.map(({ index, code }) => [index, code])).toEqual([
      [0, "invalid_token_id"],
      [2, "vector_not_finite"],
      [4, "invalid_token_id"],
    ]);
    expect(answer.tokens.map((tokens) => tokens === 0)).toEqual([true, false, true, false, true]);
    expect([...good]).toEqual([1, 3].flatMap((at) => Array.from({ length: DIMENSIONS }, () => answer.tokens[at])));
    const counted = await tokenized(await post(backend.origin, "/tokenize", { texts: [bad, "good"], header }));
    expect(counted.answer.faults?.map(({ index }) => index)).toEqual([0]);
    expect(counted.answer.tokens).toEqual([0, answer.tokens[1]]);
    const none = await embedded(await post(backend.origin, "/embed", { texts: [bad], header }));
    expect(none.answer).toMatchObject({ tokens: [0], faults: [{ index: 0 }] });
    expect(none.vectors).toHaveLength(0);
  });

  it("answer 500 without a word of why when the engine is gone", async () => {
    backend.engine.free = false;
    const call = embed("text");
    await backend.engine.reached(1);
    backend.engine.batches[0]?.end(new EngineDied("signal SIGSEGV at /usr/lib"));
    const response = await call;
    expect(response.status).toBe(500);
    expect(await faultIn(response)).toMatchObject({
      code: "internal_error",
      message: expect.not.stringContaining("SIGSEGV"),
    });
  });

  it("tell an edge whose secret is wrong in /ready already, and probe without one as before", async () => {
    const ask = (authorization: string) => fetch(`${backend.origin}/ready`, { headers: { authorization } });
    const wrong = await ask("Bearer wrong");
    expect(wrong.status).toBe(401);
    expect(await faultIn(wrong)).toMatchObject({ code: "invalid_api_key" });
    expect((await fetch(`${backend.origin}/ready`)).status).toBe(200);
  });

  it("say in /ready whether there is a model, and serve nothing before", async () => {
    const [model] = backend.state.models;
    const { facts } = model;
    backend.state.status = "warming";
    const warming = await fetch(`${backend.origin}/ready`);
    expect([warming.status, await warming.json()]).toMatchObject([
      503,
      {
        status: "warming",
        dimensions: DIMENSIONS,
        arithmetic: { reproducible: true, float32DistanceMax: EXACT_DISTANCE_MAX },
      },
    ]);
    expect(await faultIn(await embed("x"))).toMatchObject({ code: "model_not_ready", retryAfterS: 2 });
    delete model.facts;
    expect(await faultIn(await fetch(`${backend.origin}/ready`))).toMatchObject({ code: "model_not_ready" });
    model.facts = must(facts, "facts");
    backend.state.status = "ready";
    backend.engine.state = "failed";
    expect((await fetch(`${backend.origin}/ready`)).status).toBe(503);
    // Started again: no place for new work, but what comes all the same is kept.
    backend.engine.state = "restarting";
    expect((await fetch(`${backend.origin}/ready`)).status).toBe(503);
    expect((await post(backend.origin, "/embed", { texts: ["x"] })).status).toBe(200);
    backend.engine.state = "ready";
    expect((await fetch(`${backend.origin}/ready`, { method: "HEAD" })).status).toBe(200);
  });

  it("say in /info how they serve, and in /metrics how that goes", async () => {
    const headers = { authorization: `Bearer ${SECRET}` };
    const info = await (await fetch(`${backend.origin}/info`, { headers })).json();
    expect(info).toMatchObject({
      checkpoint: { layout: "gptq-v1" },
      compile: { target: "cpu", precision: "exact" },
      kernels: "MatMulNBits, float32 activations",
    });
    expect(info).toMatchObject({
      limits: { queueSecondsMax: 1, bodyBytesMax: REQUEST_FRAME_BYTES_MAX },
      pooling: expect.stringContaining("last_token"),
      sameBits: expect.stringContaining("the same bits in any batch"),
      linears: null,
    });
    expect(JSON.stringify(info)).not.toContain(SECRET);
    const metrics = await (await fetch(`${backend.origin}/metrics`, { headers })).text();
    for (const name of [
      "backend_stage_seconds_bucket",
      "backend_batch_tokens_sum",
      "backend_batch_padding_ratio_count",
      `backend_sheds_total{reason="queue",model="${MODEL}"} 1`,
      "nodejs_eventloop_lag_p99_seconds",
    ]) {
      expect(metrics).toContain(name);
    }
  });

  it("write neither texts nor secrets to the log", async () => {
    await embed("a very private text");
    await post(backend.origin, "/embed", { texts: ["another private text", ""] });
    expect(backend.log.length).toBeGreaterThan(0);
    expect(backend.log.join("")).not.toMatch(/private|yesterday|tests only/);
  });
});

/** Waits for what a few turns of the event loop bring about. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
