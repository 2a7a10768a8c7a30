// What a batch computes is to be had for the price of a hit once it has been charged, and not before.

import { afterEach, beforeEach, expect, test } from "vitest";
import { decodeFrame } from "../../../shared/frame.ts";
import { embedRequestSchema } from "../../../shared/wire.ts";
import { Api } from "../support/api.ts";
import { MODEL, tokensOf } from "../support/fake-backends.ts";
import { embeddingLine, linesOf, startBatch, workThrough } from "./support.ts";

const api = new Api();
const { backend } = api;
const answer = backend.answer.bind(backend);
/** Nano-USD a token in a batch. */
const [MISS, HIT] = [4, 2];

let account: Awaited<ReturnType<Api["newAccount"]>>;
beforeEach(async () => {
  account = await api.newAccount({ scopes: ["batches", "embeddings", "rerank"] });
});
afterEach(() => {
  backend.answer = answer;
});

const charged = async () => {
  await api.settled();
  return Number((await api.admin(`/admin/accounts/${account.id}`)).body["charged_nano_usd"]);
};
const costOf = (texts: readonly string[]) => texts.reduce((sum, text) => sum + tokensOf(text) * MISS, 0);

/** The backend is too busy for frames that have `text`, until its `answer` is restored. Counts them. */
function busyWith(text: string): { refused: number } {
  const seen = { refused: 0 };
  backend.answer = async (path, init) => {
    if (path !== "/embed") return answer(path, init);
    const bytes = new Uint8Array(await new Response(init.body).arrayBuffer());
    const frame = decodeFrame(bytes);
    const { texts } = embedRequestSchema.parse(frame.kind === "frame" ? frame.header : undefined);
    if (!texts.includes(text)) return answer(path, { ...init, body: bytes });
    seen.refused += 1;
    const error = { code: "overloaded", message: "busy", index: null, facts: {}, retryAfterS: 1 };
    return Response.json({ error }, { status: 503 });
  };
  return seen;
}

/** Two calls of a slice: `texts` by one, `other` by the other. */
const linesInTwoCalls = (texts: readonly string[], other: string) => [
  ...texts.map((text) => embeddingLine(text, text)),
  embeddingLine(other, other, { truncate: "end" }),
];

test("a slice that failed over another line pays for a miss when it is run again, in smaller slices", async () => {
  const texts = ["first", "second", "third"];
  const seen = busyWith("last");
  const id = await startBatch(api, account.key, linesInTwoCalls(texts, "last"));
  await workThrough(api, account.key, id, () => seen.refused > 0);
  backend.answer = answer;
  const batch = await workThrough(api, account.key, id);
  expect(batch).toMatchObject({ status: "completed", request_counts: { completed: 4 } });
  expect(await charged()).toBe(costOf([...texts, "last"]));
});

test("a batch that is cancelled behind such a failure leaves nothing at the price of a hit", async () => {
  const texts = ["one", "two"];
  const seen = busyWith("three");
  const id = await startBatch(api, account.key, linesInTwoCalls(texts, "three"));
  await workThrough(api, account.key, id, () => seen.refused > 0);
  await api.call(`/v1/batches/${id}/cancel`, { key: account.key, method: "POST" });
  const batch = await workThrough(api, account.key, id);
  expect(batch.status).toBe("cancelled");
  const before = await charged();
  const live = await api.call("/v1/embeddings", { key: account.key, body: { model: MODEL, input: texts } });
  expect(live.headers.get("x-cache")).toBe("miss");
  expect((await charged()) - before).toBe(2 * costOf(texts));
});

test("a batch goes on while its backend is busy with one of its lines", async () => {
  const texts = Array.from({ length: 8 }, (_, index) => `line ${index}`);
  const seen = busyWith("never");
  const id = await startBatch(api, account.key, linesInTwoCalls(texts, "never"));
  const batch = await workThrough(api, account.key, id, ({ request_counts: { completed } }) => completed === 8);
  expect(seen.refused).toBeLessThan(10);
  expect(batch.status).toBe("in_progress");
  expect(await charged()).toBe(costOf(texts));
});

test("what a failed line had computed is paid for by the line that repeats it", async () => {
  backend.faulty.set("unreadable", { code: "context_length_exceeded", facts: {} });
  const documents = ["this", "that"];
  const lines = ["unreadable", "which", "what"].map((query) => {
    const body = { model: MODEL, query, documents, on_error: "per_item", input_type: "document" };
    return JSON.stringify({ custom_id: query, method: "POST", url: "/v1/rerank", body });
  });
  const id = await startBatch(api, account.key, lines, "/v1/rerank");
  const batch = await workThrough(api, account.key, id);
  expect(batch.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
  const hits = documents.reduce((sum, text) => sum + tokensOf(text) * HIT, 0);
  expect(await charged()).toBe(costOf(["which", "what", ...documents]) + hits);
  const output = await linesOf(api, account.key, batch.output_file_id);
  const cached = output.map(({ response }) => {
    const usage = response?.body["usage"] as { prompt_tokens_details: { cached_tokens: number } };
    return usage.prompt_tokens_details.cached_tokens;
  });
  expect(cached).toEqual([0, documents.reduce((sum, text) => sum + tokensOf(text), 0)]);
});
