// Batches from upload to output file, in the real runtime: what is delivered, what is charged, what fails.

import { abortAllDurableObjects, env, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import type { KeyTerms } from "../../../edge/keys/key-acts.ts";
import { PRODUCTION_MODEL_ID } from "../../../shared/catalog.ts";
import type { AccountId, KeyId } from "../../../shared/ids.ts";
import { NANO_USD_PER_USD } from "../../../shared/money.ts";
import { ALL_SCOPES, openAccount, stubOf } from "../account/support.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";
import { embeddingLine, getBatch, hasEnded, linesOf, refuse, startBatch, workThrough } from "./support.ts";

const api = new Api();
const answer = api.backend.answer.bind(api.backend);

afterEach(() => {
  api.backend.answer = answer;
  api.backend.behaviour = { kind: "well" };
});

interface Account {
  readonly id: AccountId;
  readonly key: string;
}

/** A new account, with $1 by default. */
async function accountWith(nanoUsd: number = NANO_USD_PER_USD, terms: Partial<KeyTerms> = {}): Promise<Account> {
  const { id, created } = await openAccount(nanoUsd, terms);
  return { id, key: created.key };
}

async function charged(accountId: AccountId): Promise<number | undefined> {
  return (await stubOf(accountId).getAccount())?.chargedNanoUsd;
}

/** Each letter is a token, and so is the end of a text; a token costs 4 nano-USD in a batch. */
function priceOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + (text.length + 1) * 4, 0);
}

describe("a batch", () => {
  test("is embedded, charged at the batch price, and read back in OpenAI's format", async () => {
    const { id: accountId, key } = await accountWith();
    const texts = Array.from({ length: 10 }, (_, index) => `text ${index}`);
    const lines = texts.map((text, index) => embeddingLine(`line-${index}`, text));
    const id = await startBatch(api, key, lines);
    const batch = await workThrough(api, key, id);
    expect(batch).toMatchObject({
      object: "batch",
      status: "completed",
      endpoint: "/v1/embeddings",
      completion_window: "24h",
      model: MODEL,
      request_counts: { total: 10, completed: 10, failed: 0 },
      error_file_id: null,
      errors: null,
      usage: { input_tokens: 70, total_tokens: 70, cost: priceOf(texts) / 1e9 },
    });
    expect(await charged(accountId)).toBe(priceOf(texts));
    expect(api.backend.embeds.at(-1)).toMatchObject({ tier: "batch" });
    const output = await linesOf(api, key, batch.output_file_id);
    expect(output.map((line) => line.custom_id)).toEqual(lines.map((_, index) => `line-${index}`));
    const live = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "text 3" } });
    expect(output[3]).toMatchObject({ error: null, response: { status_code: 200 } });
    expect(output[3]?.response?.body["data"]).toEqual(live.body["data"]);
    const file = await api.call(`/v1/files/${batch.output_file_id ?? ""}`, { key });
    const content = await api.call(`/v1/files/${batch.output_file_id ?? ""}/content`, { key });
    expect(file.body).toMatchObject({
      object: "file",
      purpose: "batch_output",
      bytes: content.text.length,
      line_count: 10,
    });
  });

  test("answers each line in the requested form, as the live route does", async () => {
    const { key } = await accountWith();
    const bodies = [
      { input: ["a", "bb"], encoding_format: "base64" },
      { input: [["left", "right"]] },
      { input: "c", dimensions: 4 },
      { input: "d", output_dtype: "int8", model: `${MODEL}@2` },
      { input: [5, 6, 7] },
      { input: "why", input_type: "query" },
    ];
    const lines = bodies.map(({ input, ...more }, index) => embeddingLine(`${index}`, input, more));
    const batch = await workThrough(api, key, await startBatch(api, key, lines));
    expect(batch.request_counts).toEqual({ total: 6, completed: 6, failed: 0 });
    const output = await linesOf(api, key, batch.output_file_id);
    for (const [index, body] of bodies.entries()) {
      const live = await api.call("/v1/embeddings", { key, body: { model: MODEL, ...body } });
      expect(output[index]?.response?.body["data"]).toEqual(live.body["data"]);
      expect(output[index]?.response?.body["similarities"]).toEqual(live.body["similarities"]);
    }
  });

  test("for /v1/rerank answers as the live route does", async () => {
    const { key } = await accountWith();
    const body = {
      model: MODEL,
      query: "which",
      documents: ["this", "that", "these"],
      top_n: 2,
      return_documents: true,
    };
    const line = JSON.stringify({ custom_id: "r", method: "POST", url: "/v1/rerank", body });
    const batch = await workThrough(api, key, await startBatch(api, key, [line], "/v1/rerank"));
    const [output] = await linesOf(api, key, batch.output_file_id);
    const live = await api.call("/v1/rerank", { key, body });
    expect(output?.response?.body["results"]).toEqual(live.body["results"]);
  });

  test("with faulty lines runs the others, and charges only for those", async () => {
    const { id: accountId, key } = await accountWith();
    const texts = Array.from({ length: 24 }, (_, index) => `faulty ${index}`);
    refuse(api.backend, ["faulty 3", "faulty 17", "faulty 18"]);
    const lines = [
      ...texts.map((text) => embeddingLine(text, text)),
      embeddingLine("empty", ""),
      embeddingLine("wide", "x", { dimensions: 4096 }),
      embeddingLine("odd", "x", { unknown: 1 }),
    ];
    const batch = await workThrough(api, key, await startBatch(api, key, lines));
    expect(batch.status).toBe("completed");
    expect(batch.request_counts).toEqual({ total: 27, completed: 21, failed: 6 });
    const errors = await linesOf(api, key, batch.error_file_id);
    expect(
      errors.map(({ custom_id: id, response, error }) => [id, response?.status_code, response?.body["error"], error]),
    ).toMatchObject([
      ["faulty 3", 400, { code: "context_length_exceeded", param: "input[0]", type: "invalid_request_error" }, null],
      ["faulty 17", 400, { code: "context_length_exceeded" }, null],
      ["faulty 18", 400, { code: "context_length_exceeded" }, null],
      ["empty", 400, { code: "empty_input" }, null],
      ["wide", 400, { code: "invalid_dimensions", param: "dimensions" }, null],
      ["odd", 400, { code: "unknown_field", param: "unknown" }, null],
    ]);
    const good = texts.filter((text) => !/ (?:3|17|18)$/.test(text));
    expect((await linesOf(api, key, batch.output_file_id)).map((line) => line.custom_id)).toEqual(good);
    expect(await charged(accountId)).toBe(priceOf(good));
  });

  test("waits for a backend that is down, and charges nothing meanwhile", async () => {
    const { id: accountId, key } = await accountWith();
    api.backend.behaviour = { kind: "answers", status: 503, body: "" };
    const id = await startBatch(api, key, [embeddingLine("a", "away")]);
    const stub = () => env.BATCH.get(env.BATCH.idFromName(id));
    await workThrough(api, key, id, ({ status }) => status === "in_progress");
    await runDurableObjectAlarm(stub());
    expect(await charged(accountId)).toBe(0);
    api.backend.behaviour = { kind: "well" };
    const batch = await workThrough(api, key, id);
    expect(batch.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
    expect(await charged(accountId)).toBe(priceOf(["away"]));
  });
});

describe("the price", () => {
  test("is the batch price when the batch was created, rounded up once per line, whatever changes later", async () => {
    const { id: accountId, key } = await accountWith();
    const priceAt = (batch: number) => ({
      price_nano_usd_per_million_tokens: 8_000_000,
      hit_price_nano_usd_per_million_tokens: 4_000_000,
      batch_price_nano_usd_per_million_tokens: batch,
      batch_hit_price_nano_usd_per_million_tokens: 1,
      minimum_charge_nano_usd: 0,
      status: "live",
    });
    const path = `/admin/models/${MODEL}`;
    expect((await api.admin(path, priceAt(333_333), "PUT")).status).toBe(200);
    api.backend.behaviour = { kind: "answers", status: 503, body: "" };
    const texts = ["price", "price two", "the third price"];
    const id = await startBatch(
      api,
      key,
      texts.map((text) => embeddingLine(text, text)),
    );
    await workThrough(api, key, id, ({ status }) => status === "in_progress");
    await api.admin(path, priceAt(7_000_000), "PUT");
    api.backend.behaviour = { kind: "well" };
    await workThrough(api, key, id);
    const cost = texts.reduce((sum, text) => sum + Math.ceil(((text.length + 1) * 333_333) / 1e6), 0);
    expect(await charged(accountId)).toBe(cost);
    await api.admin(path, { ...priceAt(4_000_000), batch_hit_price_nano_usd_per_million_tokens: 2_000_000 }, "PUT");
  });

  test("of a cached text, or of a text's repeat within a slice, is the hit price", async () => {
    const { id: accountId, key } = await accountWith();
    const texts = ["cached one", "cached two"];
    await workThrough(
      api,
      key,
      await startBatch(
        api,
        key,
        texts.map((text) => embeddingLine(text, text)),
      ),
    );
    expect(await charged(accountId)).toBe(priceOf(texts));
    const again = [...texts, texts[0] ?? ""].map((text, index) => embeddingLine(`${index}`, text));
    const batch = await workThrough(api, key, await startBatch(api, key, again));
    expect(batch.usage).toMatchObject({ input_tokens: 33, input_tokens_details: { cached_tokens: 33 } });
    expect(await charged(accountId)).toBe(priceOf(texts) + 33 * 2);
  });
});

describe("a batch that cannot begin", () => {
  test("lists the faults with their lines, runs nothing and charges nothing", async () => {
    const { id: accountId, key } = await accountWith();
    const embeds = api.backend.embeds.length;
    const request = (more: object) =>
      JSON.stringify({
        custom_id: "x",
        method: "POST",
        url: "/v1/embeddings",
        body: { model: MODEL, input: "a" },
        ...more,
      });
    const lines = [
      embeddingLine("one", "a"),
      "",
      "{not json",
      embeddingLine("one", "b"),
      request({ custom_id: "url", url: "/v1/rerank" }),
      request({ custom_id: "method", method: "GET" }),
      request({ custom_id: 7 }),
      request({ custom_id: "body", body: [] }),
      embeddingLine("model", "a", { model: "owner/modle" }),
      embeddingLine("none", "a", { model: undefined }),
      embeddingLine("later", "a", { model: PRODUCTION_MODEL_ID }),
      request({ custom_id: "more", extra: true }),
    ];
    const batch = await workThrough(api, key, await startBatch(api, key, lines));
    expect(batch).toMatchObject({ status: "failed", output_file_id: null, error_file_id: null });
    expect(batch.errors?.data).toMatchObject([
      { code: "invalid_json_line", line: 3, param: null },
      { code: "duplicate_custom_id", line: 4, param: "custom_id" },
      { code: "invalid_url", line: 5, param: "url" },
      { code: "invalid_method", line: 6, param: "method" },
      { code: "invalid_custom_id", line: 7, param: "custom_id" },
      { code: "invalid_body", line: 8, param: "body" },
      { code: "model_not_found", line: 9, param: "body.model", message: expect.stringContaining(MODEL) },
      { code: "missing_required_parameter", line: 10, param: "body.model" },
      { code: "model_not_ready", line: 11, param: "body.model" },
      { code: "unknown_parameter", line: 12 },
    ]);
    expect(api.backend.embeds).toHaveLength(embeds);
    expect(await charged(accountId)).toBe(0);
  });

  test("is one whose file is another account's, or whose key lacks the scopes", async () => {
    const { key } = await accountWith();
    const other = await accountWith();
    const file = await api.call("/v1/batches", {
      key,
      body: { input_file_id: "file_nothing", endpoint: "/v1/embeddings", completion_window: "24h" },
    });
    expect(file).toMatchObject({ status: 404, body: { error: { code: "object_not_found", param: "input_file_id" } } });
    const id = await startBatch(api, other.key, [embeddingLine("a", "a")]);
    const theirs = await getBatch(api, other.key, id);
    const body = { input_file_id: theirs.input_file_id, endpoint: "/v1/embeddings", completion_window: "24h" };
    expect((await api.call("/v1/batches", { key, body })).status).toBe(404);
    expect((await api.call(`/v1/batches/${id}`, { key })).status).toBe(404);
    expect((await api.call(`/v1/batches/${id}/cancel`, { key, method: "POST" })).status).toBe(404);
    const narrow = await accountWith(0, { scopes: ["batches"] });
    expect(await api.call("/v1/batches", { key: narrow.key, body })).toMatchObject({ status: 403 });
    await workThrough(api, other.key, id);
  });

  test.each([
    [{ endpoint: "/v1/chat/completions" }, "endpoint"],
    [{ completion_window: "1h" }, "completion_window"],
    [{ metadata: { a: 1 } }, "metadata.a"],
    [{ output_expires_after: { anchor: "created_at", seconds: 1 } }, "output_expires_after.seconds"],
    [{ windows: 1 }, "windows"],
  ])("with %o is a 400 that names the field", async (change, param) => {
    const { key } = await accountWith();
    const body = { input_file_id: "file_x", endpoint: "/v1/embeddings", completion_window: "24h", ...change };
    expect(await api.call("/v1/batches", { key, body })).toMatchObject({ status: 400, body: { error: { param } } });
  });
});

describe("credit", () => {
  test("that runs out pays for as many lines as it covers; the rest fail with insufficient_quota", async () => {
    const texts = Array.from({ length: 9 }, (_, index) => `credit ${index}`);
    const account = await accountWith(priceOf(texts.slice(0, 5)) + 3);
    const id = await startBatch(
      api,
      account.key,
      texts.map((text) => embeddingLine(text, text)),
    );
    const batch = await workThrough(api, account.key, id);
    expect(batch).toMatchObject({
      status: "failed",
      failed_at: expect.any(Number) as number,
      errors: {
        data: [{ code: "insufficient_credit", line: 6, message: expect.stringContaining("line 6") as string }],
      },
    });
    expect(batch.request_counts).toEqual({ total: 9, completed: 5, failed: 4 });
    expect((await linesOf(api, account.key, batch.output_file_id)).map((line) => line.custom_id)).toEqual(
      texts.slice(0, 5),
    );
    const errors = await linesOf(api, account.key, batch.error_file_id);
    expect(errors.map((line) => line.custom_id)).toEqual(texts.slice(5));
    for (const { response } of errors) {
      expect(response).toMatchObject({ status_code: 402, body: { error: { type: "insufficient_quota" } } });
    }
    expect(await charged(account.id)).toBe(priceOf(texts.slice(0, 5)));
  });

  test.each<[string, string, (stub: ReturnType<typeof stubOf>, id: KeyId) => Promise<unknown>]>([
    ["was revoked", "invalid_api_key", (stub, id) => stub.revokeKey(id, "test")],
    ["has expired", "expired_api_key", (stub, id) => stub.patchKey(id, { expiresAtMs: 1 }, "test")],
    ["lost the scope", "insufficient_scope", (stub, id) => stub.patchKey(id, { scopes: ["batches"] }, "test")],
    ["lost batches", "insufficient_scope", (stub, id) => stub.patchKey(id, { scopes: ["embeddings"] }, "test")],
    ["lost the model", "model_not_allowed", (stub, id) => stub.patchKey(id, { models: ["a/b"] }, "test")],
  ])(
    "of a key that %s meanwhile is refused: finished lines are delivered, the rest say why",
    async (_how, code, end) => {
      const { id: accountId, key } = await accountWith();
      const batches = await stubOf(accountId).createKey(accountId, ALL_SCOPES, "test");
      if (typeof batches !== "object" || !("key" in batches)) throw new Error("no key");
      const lines = Array.from({ length: 1500 }, (_, place) => embeddingLine(`k${place}`, `text ${place}`));
      const id = await startBatch(api, batches.key, lines);
      // The key ends while the first slice is computed, which was reserved before and is delivered.
      let ended: Promise<unknown> | undefined;
      api.backend.answer = async (path, init) => {
        if (path === "/embed") await (ended ??= end(stubOf(accountId), batches.id));
        return answer(path, init);
      };
      const batch = await workThrough(api, key, id);
      const done = batch.request_counts.completed;
      expect(done).toBeGreaterThan(0);
      expect(done).toBeLessThan(1500);
      expect(batch).toMatchObject({
        status: "failed",
        errors: { data: [{ code, line: done + 1 }] },
        request_counts: { total: 1500, completed: done, failed: 1500 - done },
      });
      const errors = await linesOf(api, key, batch.error_file_id);
      expect(errors).toHaveLength(1500 - done);
      for (const { response } of errors) expect(response?.body).toMatchObject({ error: { code } });
      expect(await linesOf(api, key, batch.output_file_id)).toHaveLength(done);
      const texts = Array.from({ length: done }, (_, place) => `text ${place}`);
      expect(await charged(accountId)).toBe(priceOf(texts));
    },
  );

  test("of a suspended account is not spent: the batch waits until the suspension ends", async () => {
    const { id: accountId, key } = await accountWith();
    const id = await startBatch(api, key, [embeddingLine("s", "suspended")]);
    await stubOf(accountId).setStatus("suspended", "test");
    const stub = () => env.BATCH.get(env.BATCH.idFromName(id));
    for (let alarms = 0; alarms < 3; alarms += 1) await runDurableObjectAlarm(stub());
    expect(await stub().view()).toMatchObject({ status: "in_progress", counts: { completed: 0 } });
    await stubOf(accountId).setStatus("active", "test");
    await runDurableObjectAlarm(stub());
    expect(await charged(accountId)).toBe(priceOf(["suspended"]));
  });
});

describe("a batch whose input file is deleted while it waits", () => {
  test("fails with that reason, and charges nothing more", async () => {
    const { id: accountId, key } = await accountWith();
    api.backend.behaviour = { kind: "answers", status: 503, body: "" };
    const id = await startBatch(api, key, [embeddingLine("d", "deleted")]);
    const { input_file_id: fileId } = await workThrough(api, key, id, ({ status }) => status === "in_progress");
    await api.call(`/v1/files/${fileId}`, { key, method: "DELETE" });
    api.backend.behaviour = { kind: "well" };
    await abortAllDurableObjects(); // drops what the object has read ahead
    const batch = await workThrough(api, key, id);
    expect(batch).toMatchObject({ status: "failed", errors: { data: [{ code: "input_file_unreadable" }] } });
    expect(await charged(accountId)).toBe(0);
  });
});

describe("the list of batches", () => {
  test("has only the account's own batches, newest first, in pages", async () => {
    const { key } = await accountWith();
    const ids: string[] = [];
    for (const name of ["a", "b", "c"]) ids.unshift(await startBatch(api, key, [embeddingLine(name, name)]));
    const first = await api.call("/v1/batches?limit=2", { key });
    expect(first.body).toMatchObject({ object: "list", has_more: true, first_id: ids[0], last_id: ids[1] });
    const rest = await api.call(`/v1/batches?limit=2&after=${ids[1] ?? ""}`, { key });
    expect(rest.body).toMatchObject({ has_more: false, data: [{ id: ids[2] }] });
    expect((await api.call("/v1/batches?after=batch_unknown", { key })).status).toBe(400);
    for (const id of ids) expect(hasEnded(await workThrough(api, key, id))).toBe(true);
    const ended = await api.call("/v1/batches", { key });
    expect(ended.body["data"]).toMatchObject([
      { status: "completed" },
      { status: "completed" },
      { status: "completed" },
    ]);
  });
});
