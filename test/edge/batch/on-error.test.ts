// `on_error: "per_item"` in the lines of a batch: a line has the answer of the route, and is charged for what is right.

import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";
import { embeddingLine, linesOf, startBatch, workThrough } from "./support.ts";

const api = new Api();
const codeOf = (error: unknown): string => (error as { code: string }).code;
const perItem = { on_error: "per_item" };

test("lines answer their good items, a line without any is an error, and the bill has the good ones alone", async () => {
  // A text of its own for each call: those of a slice run at once, and of equal texts in flight one is computed.
  for (const text of ["long", "longer"]) api.backend.faulty.set(text, { code: "context_length_exceeded", facts: {} });
  const account = await api.newAccount({ scopes: ["batches", "embeddings"] });
  const bodies = [
    ["mixed", ["a", "long", "", "bc"], perItem],
    ["suffix", ["long", "d"], { model: `${MODEL}:per_item`, encoding_format: "base64" }],
    ["none", ["long", ""], perItem],
    ["strict", ["e", "longer"], {}],
    ["good", ["f"], {}],
    ["pairs", [["g", "long"]], perItem],
  ] as const;
  const lines = bodies.map(([id, input, more]) => embeddingLine(id, input, more));
  const batch = await workThrough(api, account.key, await startBatch(api, account.key, lines));
  const output = await linesOf(api, account.key, batch.output_file_id);
  const errors = await linesOf(api, account.key, batch.error_file_id);
  const codes = errors.map(({ custom_id: id, response }) => [id, codeOf(response?.body["error"])]);
  expect(codes).toEqual([
    ["none", "context_length_exceeded"],
    ["strict", "context_length_exceeded"],
  ]);
  expect(output.map(({ custom_id: id }) => id)).toEqual(["mixed", "suffix", "good", "pairs"]);
  const places = output.map(({ response }) => {
    const data = response?.body["data"] as readonly { object: string; error?: { param: string } }[];
    return data.map(({ object, error }) => error?.param ?? object);
  });
  expect(places).toEqual([
    ["embedding", "input[1]", "input[2]", "embedding"],
    ["input[0]", "embedding"],
    ["embedding"],
    ["embedding", "input[0][1]"],
  ]);
  const usages = output.map(
    ({ response }) => response?.body["usage"] as { prompt_tokens: number; failed_items?: number },
  );
  expect(usages.map(({ prompt_tokens: tokens, failed_items: failed }) => [tokens, failed])).toEqual([
    [5, 2],
    [2, 1],
    [2, undefined],
    [2, 1],
  ]);
  expect(batch.usage.input_tokens).toBe(11);
  // 4 nano-USD a token, at the batch price.
  expect((await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"]).toBe(44);
});
