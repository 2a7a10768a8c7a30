// Batches of /v1/rerank with a reranker: each line's pairs scored as its own call's are, at the batch price.

import { expect, test } from "vitest";
import { NANO_USD_PER_USD } from "../../../shared/money.ts";
import { openAccount, stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import { Gate, MODEL } from "../support/fake-backends.ts";
import { linesOf, startBatch, workThrough } from "./support.ts";

const api = new Api();
api.backend.reranker = { instruction: null, templateTokens: 2, queryTokensMax: 4096 };

const line = (body: object, index: number) =>
  JSON.stringify({ custom_id: `${index}`, method: "POST", url: "/v1/rerank", body: { model: MODEL, ...body } });

test("lines are answered as the live route answers them, and charged by pair at the batch price", async () => {
  const { id, created } = await openAccount(NANO_USD_PER_USD, { scopes: ["batches", "embeddings", "rerank"] });
  const { key } = created;
  const documents = ["this", "that", "these", "this"];
  const bodies = [
    { query: "which", documents, top_n: 2, return_documents: true },
    { query: "what", documents },
    { query: "which", documents: ["others"] },
  ];
  const wrong = { query: "which", documents, instruction: "not taken" };
  const lines = [...bodies, wrong].map(line);
  const batch = await workThrough(api, key, await startBatch(api, key, lines, "/v1/rerank"));
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 4, completed: 3, failed: 1 } });
  const pairs = new Set(bodies.flatMap(({ query, documents: own }) => own.map((document) => `${query}|${document}`)));
  const again = bodies.slice(0, 2).map(({ query }) => `${query}|this`);
  const tokensOf = (texts: Iterable<string>) => [...texts].reduce((sum, text) => sum + text.length + 1, 0);
  const cost = tokensOf(pairs) * 4 + tokensOf(again) * 2;
  expect(batch.usage).toMatchObject({ input_tokens: tokensOf(pairs) + tokensOf(again), cost: cost / 1e9 });
  expect((await stubOf(id).getAccount())?.chargedNanoUsd).toBe(cost);
  // Lines that share a query share a frame; frames are sent at once, in no order.
  const frames = api.backend.scores.map(({ query, documents: sent }) => `${query} ${sent.length}`);
  expect(frames.toSorted()).toEqual(["what 3", "which 4"]);

  const output = await linesOf(api, key, batch.output_file_id);
  for (const [index, body] of bodies.entries()) {
    const live = await api.call("/v1/rerank", { key, body: { model: MODEL, ...body } });
    expect(output[index]?.response?.body).toMatchObject({ method: "reranker", results: live.body["results"] });
  }
  const errors = await linesOf(api, key, batch.error_file_id);
  expect(errors[0]?.response?.body["error"]).toMatchObject({ code: "incompatible_options", param: "instruction" });
});

test("lines of different queries are scored at once, three at most", async () => {
  const { created } = await openAccount(NANO_USD_PER_USD, { scopes: ["batches", "embeddings", "rerank"] });
  const { key } = created;
  const queries = ["one", "two", "three", "four", "five"];
  const lines = queries.map((query) => ({ query, documents: [`${query}'s`] })).map(line);
  const id = await startBatch(api, key, lines, "/v1/rerank");
  const before = api.backend.signals.length;
  const gate = new Gate();
  api.backend.behaviour = { kind: "waits", go: gate.opened };
  const worked = workThrough(api, key, id);
  await expect.poll(() => api.backend.signals.length - before).toBe(3);
  // Whatever else could be begun has been by the end of a whole call.
  await api.call("/v1/models", { key });
  expect(api.backend.signals.length - before).toBe(3);
  api.backend.behaviour = { kind: "well" };
  gate.open();
  expect(await worked).toMatchObject({ status: "completed", request_counts: { completed: 5, failed: 0 } });
  const output = await linesOf(api, key, (await worked).output_file_id);
  expect(output.map(({ custom_id: customId }) => customId)).toEqual(["0", "1", "2", "3", "4"]);
});
