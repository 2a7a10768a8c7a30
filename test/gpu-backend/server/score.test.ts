import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { decodeFrame, encodeFrame } from "../../../shared/frame.ts";
import { backendReadySchema, type ScoreAnswer, scoreAnswerSchema, type ScoreRequest } from "../../../shared/wire.ts";
import { tokenOf } from "../../../gpu-backend/token-type.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { expectedOf, RERANKERS } from "../reranker-checkpoint.ts";
import { faultIn, post, type RunningBackend, SECRET, startBackend, tokenized } from "./running-backend.ts";

const scratch = mkdtempSync(join(tmpdir(), "score-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** To transformers in float32. */
const DIFFERENCE_MAX = 1e-5;

function ask(origin: string, path: "/score" | "/score/tokenize", header: Partial<ScoreRequest>): Promise<Response> {
  const request: ScoreRequest = {
    version: 1,
    model: "",
    revision: null,
    account: "account-a",
    tier: "interactive",
    truncate: "end",
    instruction: null,
    query: "",
    documents: [],
    ...header,
  };
  return fetch(origin + path, {
    method: "POST",
    headers: { authorization: `Bearer ${SECRET}` },
    body: encodeFrame(JSON.stringify(request), new Uint8Array()),
  });
}

async function scored(response: Response): Promise<{ answer: ScoreAnswer; scores: Float32Array }> {
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
  const frame = decodeFrame(new Uint8Array(await response.arrayBuffer()));
  if (frame.kind === "broken") throw new Error(frame.reason);
  const { payload } = frame;
  return {
    answer: scoreAnswerSchema.parse(frame.header),
    scores: new Float32Array(payload.buffer, payload.byteOffset, payload.byteLength / 4),
  };
}

describe.each(["qwen3", "qwen3-reranker-untied", "bert", "xlm-roberta"])("a backend with the reranker %s", (name) => {
  const { contextTokens, calls } = expectedOf(name);
  const model = `local/${name}`;
  const hasPrompt = name.startsWith("qwen3");
  let backend: RunningBackend;
  const score = (header: Partial<ScoreRequest>) => ask(backend.origin, "/score", { model, ...header });
  const tokenize = (header: Partial<ScoreRequest>) => ask(backend.origin, "/score/tokenize", { model, ...header });

  beforeAll(async () => {
    backend = await startBackend(["--model", copyCheckpoint(join(RERANKERS, name), scratch)]);
  });
  afterAll(() => backend.close());

  it("says what it is and what it takes", async () => {
    const response = await fetch(`${backend.origin}/ready`);
    const ready = backendReadySchema.parse(await response.json());
    expect(ready).toMatchObject({ kind: "reranker", dimensions: 1, contextTokens, model });
    expect(ready.arithmetic).toEqual({ reproducible: true, float32DistanceMax: 1e-4 });
    expect(ready.reranker?.instruction).toBe(
      hasPrompt ? "Given a web search query, retrieve relevant passages that answer the query" : null,
    );
  });

  it("gives transformers' ids and scores, documents that are too long cut at their ends", async () => {
    for (const { instruction, query, documents, pairs, truncated, scores } of calls) {
      const call = { instruction, query, documents };
      const { answer, scores: own } = await scored(await score(call));
      const { ids } = await tokenized(await tokenize(call));
      expect([...ids]).toEqual(pairs.flatMap((pair) => [...pair].map(tokenOf)));
      expect(answer.tokens).toEqual(pairs.map((pair) => pair.length));
      expect(answer.truncated).toEqual(truncated);
      for (const [index, value] of own.entries())
        expect(Math.abs(value - (scores[index] ?? Number.NaN))).toBeLessThanOrEqual(DIFFERENCE_MAX);
    }
  });

  it("gives a pair the same bits alone and among a thousand, in any order, beside copies of itself", async () => {
    const [{ query, documents } = { query: "", documents: [] }] = calls;
    const many = Array.from({ length: 1_000 }, (_, index) => documents[(index * 7) % documents.length] ?? "");
    const { scores } = await scored(await score({ query, documents: many }));
    expect(scores).toHaveLength(1_000);
    const alone = new Map<string, number>();
    for (const document of documents.slice(0, 12)) {
      const { scores: one } = await scored(await score({ query, documents: [document] }));
      alone.set(document, one[0] ?? Number.NaN);
    }
    for (const [index, document] of many.entries())
      if (alone.has(document)) expect(scores[index]).toBe(alone.get(document));
  });

  it("scores the good documents, and has a fault for each bad one, where the call says so", async () => {
    const [{ query, documents } = { query: "", documents: [] }] = calls;
    const [first = "", second = ""] = documents;
    const long = "a ".repeat(contextTokens + 10);
    const call = { query, documents: [long, first, long, second], truncate: "none" as const };
    const perItem = { ...call, onError: "per_item" as const };
    const alone = await scored(await score({ ...call, documents: [first, second] }));
    const { answer, scores } = await scored(await score(perItem));
    expect(answer.faults?.map(({ index, code }) => [index, code])).toEqual([
      [0, "context_length_exceeded"],
      [2, "context_length_exceeded"],
    ]);
    expect([...scores]).toEqual([...alone.scores]);
    expect(answer.tokens).toEqual([0, alone.answer.tokens[0], 0, alone.answer.tokens[1]]);
    expect((await tokenized(await tokenize(perItem))).answer).toMatchObject({ tokens: answer.tokens });
    // Without its query there is nothing.
    const failed = await faultIn(await score({ ...perItem, query: long }));
    expect(failed).toMatchObject({ code: "context_length_exceeded", index: null, facts: { query: 1 } });
    expect(await faultIn(await score(call))).toMatchObject({ code: "context_length_exceeded", index: 0 });
  });

  it("cuts a document at every length without touching what stands around it", async () => {
    const query = "train to the airport";
    const words = Array.from({ length: contextTokens + 10 }, () => "a");
    const { answer: one } = await scored(await score({ query, documents: ["a"] }));
    const most = contextTokens - (one.tokens[0] ?? 0) + 1;
    const lengths = [1, 2, most - 1, most, most + 1, most + 2, most + 9];
    const documents = lengths.map((length) => words.slice(0, length).join(" "));
    const { answer } = await scored(await score({ query, documents }));
    const { ids } = await tokenized(await tokenize({ query, documents }));
    expect(answer.tokens).toEqual(lengths.map((length) => Math.min(contextTokens, contextTokens - most + length)));
    expect(answer.truncated).toEqual(lengths.map((length) => length > most));
    // All have the same beginning and the same end around their words.
    const all = [...ids];
    const pairs = answer.tokens.map((tokens) => all.splice(0, tokens));
    const [shortest = [], two = []] = pairs;
    const begin = two.findIndex((id, at) => id !== shortest[at]);
    const ending = shortest.length - begin;
    expect(ending).toBeGreaterThan(0);
    for (const pair of pairs) {
      expect(pair.slice(0, begin)).toEqual(shortest.slice(0, begin));
      expect(pair.slice(-ending)).toEqual(shortest.slice(-ending));
      expect(new Set(pair.slice(begin, -ending)).size).toBeLessThanOrEqual(1);
    }
  });

  it("refuses a document that is too long by its index, and a query that is too long as the query", async () => {
    const long = "a ".repeat(contextTokens);
    const document = await faultIn(await score({ query: "q", documents: ["a", long], truncate: "none" }));
    expect(document).toMatchObject({ code: "context_length_exceeded", index: 1, facts: { maxTokens: contextTokens } });
    expect(document.facts).not.toHaveProperty("query");
    for (const truncate of ["none", "end"] as const) {
      const query = await faultIn(await score({ query: long, documents: ["a"], truncate }));
      expect(query).toMatchObject({ code: "context_length_exceeded", index: null, facts: { query: 1 } });
      expect(query.facts["tokens"]).toBeGreaterThan(query.facts["maxTokens"] ?? Number.NaN);
    }
  });

  it("takes a query up to the length that it announces", async () => {
    const ready = backendReadySchema.parse(await (await fetch(`${backend.origin}/ready`)).json());
    const { queryTokensMax = 0, templateTokens = 0 } = ready.reranker ?? {};
    const words = (count: number): string => Array.from({ length: count }, () => "a").join(" ");
    const fits = async (count: number): Promise<boolean> =>
      (await score({ instruction: hasPrompt ? "" : null, query: words(count), documents: [""] })).status === 200;
    // Its first word may share a token with what stands before it.
    expect([await fits(queryTokensMax), await fits(queryTokensMax + 2)]).toEqual([true, false]);
    const { answer } = await scored(await score({ instruction: hasPrompt ? "" : null, documents: [""] }));
    expect(answer.tokens[0]).toBeLessThanOrEqual(templateTokens);
  });

  it("takes an instruction where its prompt has a place for one, and refuses it otherwise", async () => {
    const response = await score({ instruction: "Find laws", query: "q", documents: ["a"] });
    if (hasPrompt) expect((await scored(response)).scores).toHaveLength(1);
    else expect(await faultIn(response)).toMatchObject({ code: "incompatible_options", index: null });
  });

  it("refuses calls for vectors, for nothing, and of other models", async () => {
    const vectors = await faultIn(await post(backend.origin, "/embed", { texts: ["a"], header: { model } }));
    expect(vectors).toMatchObject({ code: "incompatible_options", message: expect.stringContaining("reranker") });
    expect(await faultIn(await score({ query: "q" }))).toMatchObject({ code: "empty_input" });
    expect(await faultIn(await score({ model: "other", documents: ["a"] }))).toMatchObject({ code: "model_not_found" });
  });
});

it("a backend with an embedding model refuses to score", async () => {
  const backend = await startBackend();
  const fault = await faultIn(
    await ask(backend.origin, "/score", { model: "gigarouter/demo-embedding", documents: ["a"] }),
  );
  expect(fault).toMatchObject({ code: "incompatible_options", message: expect.stringContaining("embedding model") });
  await backend.close();
});
