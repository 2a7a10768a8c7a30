// Batches from upload to output file, in the real runtime: what is delivered, what is charged, what fails alone.

import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { embeddingLine, linesOf, startBatch, workThrough } from "./support.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();

test("a batch of lines is embedded, charged at the batch price, and read back in OpenAI's format", async () => {
  const { id: accountId, key } = await api.newAccount();
  const lines = Array.from({ length: 10 }, (_, index) => embeddingLine(`line-${index}`, `text ${index}`));
  const id = await startBatch(api, key, lines);
  const batch = await workThrough(api, key, id);
  expect(batch.status).toBe("completed");
  expect(batch.request_counts).toEqual({ total: 10, completed: 10, failed: 0 });
  expect(batch.error_file_id).toBeNull();
  const output = await linesOf(api, key, batch.output_file_id);
  expect(output.map((line) => line.custom_id)).toEqual(lines.map((_, index) => `line-${index}`));
  const live = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "text 3" } });
  expect(output[3]?.response?.body["data"]).toEqual(live.body["data"]);
  // A letter is a token, the ending token one more; a token costs 4 nano-USD.
  expect(batch.usage).toMatchObject({ input_tokens: 70, cost: 70 * 4e-9 });
  const books = await api.admin(`/admin/accounts/${accountId}`);
  expect(books.body["charged_nano_usd"]).toBeGreaterThanOrEqual(280);
});
