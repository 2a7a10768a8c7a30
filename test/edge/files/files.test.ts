// /v1/files: uploads, facts and content; deleted, refused and expired files leave nothing behind.

import { env, runInDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import type { KeyTerms } from "../../../edge/keys/key-acts.ts";
import { endsItself } from "../../../edge/lib/ends-itself.ts";
import { ChunkStore, chunkStoreOf } from "../../../edge/files/chunk-store.ts";
import { Cipher } from "../../../edge/lib/cipher.ts";
import { libraryStub } from "../../../edge/files/library-stub.ts";
import { FILE_LIMITS, PATIENCE } from "../../../edge/files/types.ts";
import { receiveUpload, uploadPieces } from "../../../edge/files/upload.ts";
import { bodyPieces } from "../../../edge/middleware/body-pieces.ts";
import { ApiError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { openAccount } from "../account/support.ts";
import { formOf, upload } from "../batch/support.ts";
import { Api } from "../support/api.ts";

const api = new Api();
const LINES = '{"a": 1}\n\n{"b": "naïve"}\r\n';

async function newAccount(terms: Partial<KeyTerms> = {}): Promise<{ id: AccountId; key: string }> {
  const { id, created } = await openAccount(0, terms);
  return { id, key: created.key };
}

async function objectsOf(accountId: string): Promise<string[]> {
  const { objects } = await env.FILES.list({ prefix: `files/${accountId}/` });
  return objects.map(({ key }) => key);
}

function post(key: string, parts: Parameters<typeof formOf>[0], headers: Record<string, string> = {}) {
  const form = formOf(parts);
  return api.call("/v1/files", { key, method: "POST", body: form.body, headers: { ...form.headers, ...headers } });
}

describe("an uploaded file", () => {
  test("has OpenAI's facts, and its content is returned byte for byte", async () => {
    const { key } = await newAccount();
    const before = Math.floor(Date.now() / 1000);
    const made = await upload(api, key, LINES);
    const bytes = new TextEncoder().encode(LINES).length;
    expect(made).toMatchObject({
      status: 200,
      body: { object: "file", bytes, filename: "input.jsonl", purpose: "batch", status: "processed", line_count: 2 },
    });
    const createdAt = Number(made.body["created_at"]);
    expect(createdAt).toBeGreaterThanOrEqual(before);
    expect(made.body["expires_at"]).toBe(createdAt + 30 * 86_400);
    const path = `/v1/files/${String(made.body["id"])}`;
    expect((await api.call(path, { key })).body).toEqual(made.body);
    const content = await api.call(`${path}/content`, { key });
    expect(content.text).toBe(LINES);
    expect(content.headers.get("content-disposition")).toContain("input.jsonl");
    const head = await api.call(`${path}/content`, { key, method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), head.text]).toEqual([200, String(bytes), ""]);
  });

  test("is stored sealed, under its account", async () => {
    const { id, key } = await newAccount();
    const needle = "needle-8f3a2c";
    const made = await upload(api, key, `{"text": "${needle}"}`);
    const [name, ...more] = await objectsOf(id);
    expect([name, more]).toEqual([`files/${id}/${String(made.body["id"])}/0`, []]);
    const stored = await (await env.FILES.get(name ?? ""))?.arrayBuffer();
    expect(new TextDecoder().decode(stored)).not.toContain(needle);
  });

  test("of several chunks is returned whole", async () => {
    const { key } = await newAccount();
    const content = Array.from({ length: 5 }, (_, index) => `{"n": ${index}, "x": "${"x".repeat(1024 * 1024)}"}`).join(
      "\n",
    );
    const made = await upload(api, key, content);
    expect(made.body).toMatchObject({ bytes: content.length, line_count: 5 });
    const back = await api.call(`/v1/files/${String(made.body["id"])}/content`, { key });
    expect(back.text === content).toBe(true);
  });

  test("is unknown to other accounts on every route", async () => {
    const [own, other] = [await newAccount(), await newAccount()];
    const id = String((await upload(api, own.key, LINES)).body["id"]);
    for (const [path, method] of [
      ["", "GET"],
      ["/content", "GET"],
      ["", "DELETE"],
    ] as const) {
      const answer = await api.call(`/v1/files/${id}${path}`, { key: other.key, method });
      expect([answer.status, answer.body["error"]]).toMatchObject([404, { code: "object_not_found" }]);
    }
    expect((await api.call("/v1/files", { key: other.key })).body["data"]).toEqual([]);
    expect((await api.call(`/v1/files/${id}`, { key: own.key })).status).toBe(200);
  });

  test("that is deleted is gone at once, from the bucket too", async () => {
    const { id: accountId, key } = await newAccount();
    const id = String((await upload(api, key, LINES)).body["id"]);
    const deleted = await api.call(`/v1/files/${id}`, { key, method: "DELETE" });
    expect(deleted.body).toEqual({ id, object: "file", deleted: true });
    expect(await objectsOf(accountId)).toEqual([]);
    expect((await api.call(`/v1/files/${id}`, { key })).status).toBe(404);
    expect((await api.call(`/v1/files/${id}`, { key, method: "DELETE" })).status).toBe(404);
  });

  test("with a damaged chunk is never returned wrong: the answer breaks off", async () => {
    const { key, id: accountId } = await newAccount();
    const id = String((await upload(api, key, LINES)).body["id"]);
    await env.FILES.put(`files/${accountId}/${id}/0`, "damaged");
    const text = await api.call(`/v1/files/${id}/content`, { key }).then(
      (answer) => answer.text,
      () => "broke off",
    );
    expect(text).toBe("broke off");
  });
});

describe("the list of files", () => {
  test("is in pages, in both orders, by purpose", async () => {
    const { key } = await newAccount();
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.push(String((await upload(api, key, LINES)).body["id"]));
    const idsOf = (body: Record<string, unknown>) => (body["data"] as { id: string }[]).map(({ id }) => id);
    const all = await api.call("/v1/files", { key });
    expect(idsOf(all.body)).toEqual(ids.toReversed());
    expect(all.body).toMatchObject({ object: "list", has_more: false, first_id: ids[2], last_id: ids[0] });
    const first = await api.call("/v1/files?order=asc&limit=2&purpose=batch", { key });
    expect([idsOf(first.body), first.body["has_more"]]).toEqual([ids.slice(0, 2), true]);
    const second = await api.call(`/v1/files?order=asc&limit=2&after=${ids[1] ?? ""}`, { key });
    expect([idsOf(second.body), second.body["has_more"]]).toEqual([ids.slice(2), false]);
    expect(idsOf((await api.call("/v1/files?purpose=batch_output", { key })).body)).toEqual([]);
    for (const query of ["after=file_unknown", "order=up", "limit=0", "purpose=assistants"]) {
      const answer = await api.call(`/v1/files?${query}`, { key });
      expect([answer.status, answer.body["error"]]).toMatchObject([400, { param: query.split("=")[0] }]);
    }
  });
});

describe("an upload", () => {
  const file = { filename: "a.jsonl", content: LINES };

  test.each([
    [{ purpose: "batch" }, "missing_field", "file"],
    [{ file }, "missing_field", "purpose"],
    [{ file, purpose: "fine-tune" }, "invalid_value", "purpose"],
    [{ file, purpose: "batch", purpse: "x" }, "unknown_field", "purpse"],
    [{ file: { ...file, content: " \n\r\n" }, purpose: "batch" }, "empty_input", "file"],
    [{ file: { ...file, content: "{}\n".repeat(50_001) }, purpose: "batch" }, "limit_reached", "file"],
    [{ file, purpose: "batch", "expires_after[seconds]": "60" }, "invalid_value", "expires_after[seconds]"],
  ])("with a wrong form (%#) is a 400 that names the fault, and leaves nothing behind", async (parts, code, param) => {
    const { id, key } = await newAccount();
    const answer = await post(key, parts);
    expect([answer.status, answer.body["error"]]).toMatchObject([400, { code, param, type: "invalid_request_error" }]);
    await expect.poll(() => objectsOf(id)).toEqual([]);
    expect((await api.call("/v1/files", { key })).body["data"]).toEqual([]);
  });

  test("may set its expiry, with fields in any order, and gets a safe file name", async () => {
    const { key } = await newAccount();
    const made = await post(key, {
      "expires_after[anchor]": "created_at",
      "expires_after[seconds]": "3600",
      purpose: "batch",
      file: { filename: "../../etc/na\u0007ïve.jsonl", content: LINES },
    });
    expect(made.body["filename"]).toBe("naïve.jsonl");
    expect(made.body["expires_at"]).toBe(Number(made.body["created_at"]) + 3600);
  });

  test("that announces more than the limit is a 413 before anything is read", async () => {
    const { key } = await newAccount();
    const answer = await post(key, { purpose: "batch" }, { "content-length": String(FILE_LIMITS.bytesMax * 2) });
    expect([answer.status, answer.body["error"]]).toMatchObject([413, { code: "body_too_large" }]);
  });

  test("of another type, or without a key, is refused", async () => {
    const { key } = await newAccount();
    const json = await api.call("/v1/files", { key, body: { purpose: "batch" } });
    expect(json).toMatchObject({ status: 415, body: { error: { code: "unsupported_media_type" } } });
    const narrow = await newAccount({ scopes: ["embeddings"] });
    expect((await upload(api, narrow.key, LINES)).status).toBe(403);
    expect((await api.call("/v1/files", { method: "POST", ...formOf({ purpose: "batch" }) })).status).toBe(401);
  });

  test("of unknown length is refused at the limit", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1000));
      },
    });
    const read = async () => {
      for await (const piece of uploadPieces(bodyPieces(endless, PATIENCE), 10_000)) void piece;
    };
    await expect(read()).rejects.toMatchObject({ fault: { code: "body_too_large" } });
    expect(pulled).toBeLessThan(15);
  });

  test("above the number that an account may have at a time is told to wait", async () => {
    const { id: accountId, key } = await newAccount();
    const nowMs = Date.now();
    for (let count = 0; count < FILE_LIMITS.uploadsMax; count += 1) {
      const facts = {
        purpose: "batch",
        filename: "",
        bytes: 0,
        lines: 0,
        createdAtMs: nowMs,
        expiresAtMs: nowMs,
      } as const;
      const record = { accountId, fileId: newId("file"), ...facts, content: { format: "lines", chunks: [] } } as const;
      expect(await libraryStub(env, accountId).beginUpload(record)).toBe("begun");
    }
    const answer = await upload(api, key, LINES);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "2"]);
  });

  test("whose storage fails in the middle fails, and leaves no partial file", async () => {
    const place = { accountId: newId("account"), fileId: newId("file") };
    const broken = { put: () => Promise.reject(new Error("R2 is away")) } as unknown as R2Bucket;
    const store = new ChunkStore(broken, new Cipher(["secret"]));
    const form = formOf({ file, purpose: "batch" });
    const stream = new Response(form.body).body ?? new ReadableStream();
    const boundary = form.headers["content-type"]?.split("boundary=")[1] ?? "";
    await expect(receiveUpload(bodyPieces(stream, PATIENCE), boundary, store, place)).rejects.not.toThrow(ApiError);
  });
});

describe("the library's alarm", () => {
  test("deletes expired files and unfinished uploads, and finishes interrupted deletions", async () => {
    const { id: accountId } = await newAccount();
    const store = chunkStoreOf(env);
    const nowMs = Date.now();
    const record = async (expiresAtMs: number) => {
      const fileId = newId("file");
      const chunk = await store.write({ accountId, fileId }, "0", new Uint8Array([1]));
      const facts = { purpose: "batch", filename: "a", bytes: 1, lines: 1, createdAtMs: nowMs, expiresAtMs } as const;
      return { accountId, fileId, ...facts, content: { format: "lines", chunks: [chunk] } } as const;
    };
    const stub = () => libraryStub(env, accountId);
    const [old, young, unfinished] = [await record(nowMs - 1), await record(nowMs + 1e9), await record(nowMs + 1e9)];
    await stub().addFile(young);
    await stub().beginUpload(unfinished);
    await stub().addFile(old);
    expect(await stub().getFile(old.fileId)).toBeUndefined();
    expect(await stub().getFile(unfinished.fileId)).toBeUndefined();
    await runInDurableObject(stub(), (_, state) => {
      state.storage.sql.exec("UPDATE files SET expires_ms = 0 WHERE state = 'uploading'");
    });
    await runDurableObjectAlarm(stub());
    expect(await objectsOf(accountId)).toEqual([`files/${accountId}/${young.fileId}/0`]);
    expect(await stub().finishUpload(unfinished, "key")).toBe(false);
    await endsItself(stub().forget(accountId));
    expect(await objectsOf(accountId)).toEqual([]);
    await expect.poll(() => stub().getFile(young.fileId)).toBeUndefined();
  });
});
