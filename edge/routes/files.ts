// /v1/files: uploads for batches, and what batches make. OpenAI's shape; another account's file is unknown.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { CHUNK_BYTES, chunkStoreOf } from "../files/chunk-store.ts";
import { contentMemory, contentOf } from "../files/content.ts";
import type { BeginUpload } from "../files/library.ts";
import { libraryStub } from "../files/library-stub.ts";
import { boundaryOf } from "../files/multipart.ts";
import { FILE_LIMITS, FILE_PURPOSES, PATIENCE } from "../files/types.ts";
import type { FileFacts, FileId, FileRecord } from "../files/types.ts";
import { FORM_BYTES_MAX, fileTooLarge, receiveUpload, uploadPieces } from "../files/upload.ts";
import { readIdempotencyKey } from "../metering/call-options.ts";
import { answerRepeat, keyReused, onceOfUpload } from "../middleware/once.ts";
import { isRepeat } from "../lib/made-once.ts";
import type { Repeat } from "../lib/made-once.ts";
import { DigestedStore } from "../files/digested-store.ts";
import { authorize, authorizeAgain } from "../middleware/authorize.ts";
import type { Caller } from "../middleware/authorize.ts";
import { bodyPieces, inflated, isGzip } from "../middleware/body-pieces.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import { seconds } from "./answers.ts";
import { listPage, readAfter, readOrder } from "./list-query.ts";
import { readLimit } from "./query.ts";
import { must } from "../../shared/assert.ts";
import { apiError } from "../../shared/errors.ts";
import { newId, parseId } from "../../shared/ids.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

/** OpenAI's figures. */
const LIST_MAX = 10_000;
/** What an upload holds of its chunks: the one being filled, and the same being sealed, twice. */
const UPLOAD_CHUNKS = 3;
/** Pieces on their way, closures. */
const UPLOAD_BYTES = 256 * 1024;

export async function createFile(c: Context): Promise<Response> {
  if (Number(c.req.header("content-length") ?? 0) > FORM_BYTES_MAX) throw fileTooLarge();
  const caller = await authorize(c, "batches");
  const boundary = boundaryOf(c.req.header("content-type"));
  const pieces = uploadBody(c);
  const work = storeUpload(c, caller, pieces, boundary);
  // A client that leaves would otherwise take along the work that clears away what it sent.
  waitUntilOf(c)(work.catch(() => undefined));
  const stored = await work;
  return isRepeat(stored) ? answerRepeat(c, fileAnswer(stored.again), 200) : c.json(fileAnswer(stored));
}

async function storeUpload(
  c: Context,
  caller: Caller,
  pieces: AsyncIterable<Uint8Array>,
  boundary: string,
): Promise<FileRecord | Repeat<FileFacts>> {
  const nowMs = Date.now();
  const isOnce = readIdempotencyKey(c) !== undefined;
  const { accountId } = caller;
  const place = { accountId, fileId: newId("file") };
  const empty: FileRecord = {
    ...place,
    purpose: "batch",
    filename: "",
    bytes: 0,
    lines: 0,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + FILE_LIMITS.lifeMs,
    content: { format: "lines", chunks: [] },
  };
  const library = libraryStub(c.env, accountId);
  const chunkBytes = chunkBytesOf(c);
  const memory = c.get("services").memory.take(UPLOAD_BYTES + UPLOAD_CHUNKS * chunkBytes);
  try {
    checkRoom(await library.beginUpload(empty));
    const chunkStore = chunkStoreOf(c.env);
    const digested = isOnce ? new DigestedStore(chunkStore) : undefined;
    const store = digested ?? chunkStore;
    const upload = await receiveUpload(touching(pieces, memory), boundary, store, place, chunkBytes);
    const { filename, bytes, lines, chunks, lifeMs = FILE_LIMITS.lifeMs } = upload;
    const content = { format: "lines", chunks } as const;
    const record: FileRecord = { ...empty, filename, bytes, lines, expiresAtMs: nowMs + lifeMs, content };
    await authorizeAgain(c, caller); // an upload may take longer than its key lives
    const facts = [filename, String(upload.lifeMs), await digested?.digest()].join("\n");
    const once = isOnce ? await onceOfUpload(c, facts) : undefined;
    const finished = await library.finishUpload(record, caller.keyId, once);
    if (finished === false) throw apiError("invalid_request", "The upload took over a day.");
    if (finished === "reused") throw keyReused();
    return finished === true ? record : finished;
  } catch (error) {
    waitUntilOf(c)(library.deleteFile(place));
    throw error;
  } finally {
    memory.release();
  }
}

/** A small file is one chunk, and takes no more memory than it is long. */
function chunkBytesOf(c: Context): number {
  const announced = Number(c.req.header("content-length") ?? 0);
  const isPlain = c.req.header("content-encoding") === undefined;
  return isPlain && announced > 0 ? Math.min(CHUNK_BYTES, announced) : CHUNK_BYTES;
}

function uploadBody(c: Context): AsyncIterable<Uint8Array> {
  const { body } = c.req.raw;
  const gzip = isGzip(c, true);
  if (body === null) throw apiError("missing_field", "`file` is missing: it must be a JSONL file.", "file");
  const received = bodyPieces(body, PATIENCE);
  return uploadPieces(gzip ? inflated(received) : received);
}

/** An upload that moves is alive, however long it takes. */
async function* touching(pieces: AsyncIterable<Uint8Array>, memory: MemoryLease): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    memory.touch();
    yield piece;
  }
}

function checkRoom(outcome: BeginUpload): void {
  if (outcome === "too_many_uploads") {
    const limit = FILE_LIMITS.uploadsMax;
    throw apiError(
      "rate_limit_exceeded",
      `An account uploads at most ${limit} files at a time: wait for one.`,
      null,
      2,
    );
  }
  if (outcome === "too_many_files") {
    throw apiError("limit_reached", `An account keeps at most ${FILE_LIMITS.filesMax} files: delete some first.`);
  }
  if (outcome === "storage_full") {
    const gigabytes = FILE_LIMITS.storedBytesMax / 1e9;
    throw apiError(
      "limit_reached",
      `The account's files take ${gigabytes} GB, the most it may keep: delete some first.`,
    );
  }
}

export async function listFiles(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "batches");
  const given = c.req.query("purpose");
  const purpose = FILE_PURPOSES.find((known) => known === given);
  if (given !== undefined && purpose === undefined) {
    throw wrongValue("purpose", `one of ${FILE_PURPOSES.join(", ")}`, given);
  }
  const page = await libraryStub(c.env, accountId).listFiles({
    ...readAfter(c),
    limit: readLimit(c, LIST_MAX, LIST_MAX),
    order: readOrder(c),
    ...(purpose === undefined ? {} : { purpose }),
  });
  if (page === undefined) throw apiError("invalid_value", "`after` must be the id of one of your files.", "after");
  const data = page.items.map(fileAnswer);
  return c.json(listPage(data, page.hasMore));
}

export async function getFile(c: Context): Promise<Response> {
  return c.json(fileAnswer(await ownFile(c)));
}

export async function getFileContent(c: Context): Promise<Response> {
  const record = await ownFile(c);
  c.header("content-type", "application/jsonl");
  // A customer wrote the file: no browser may show it as a page of this site.
  c.header("x-content-type-options", "nosniff");
  c.header("content-disposition", `attachment; filename*=UTF-8''${headerText(record.filename)}`);
  c.header("cache-control", "no-store");
  if (c.req.method === "HEAD") {
    if (record.content.format === "lines") c.header("content-length", String(record.bytes));
    return c.body(null);
  }
  const memory = c.get("services").memory.take(contentMemory(record));
  // Lines that are written out anew may one day be written a little longer than they were counted: no fixed length.
  const { readable, writable } =
    record.content.format === "lines" ? new FixedLengthStream(record.bytes) : new IdentityTransformStream();
  waitUntilOf(c)(writeContent(c, record, writable, memory));
  return c.body(readable);
}

/** RFC 8187: percent-encoded, and stricter than a URL. */
function headerText(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function writeContent(
  c: Context,
  record: FileRecord,
  writable: WritableStream<Uint8Array>,
  memory: MemoryLease,
): Promise<void> {
  const writer = writable.getWriter();
  try {
    for await (const piece of contentOf(chunkStoreOf(c.env), record)) {
      await writer.write(piece);
      memory.touch();
    }
    await writer.close();
  } catch (error) {
    // The reader has gone, or a chunk is damaged: the answer breaks off, which every client notices.
    await writer.abort(error).catch(() => undefined);
  } finally {
    memory.release();
  }
}

export async function deleteFile(c: Context): Promise<Response> {
  const { accountId } = await authorize(c, "batches");
  const fileId = fileIdOf(c.req.param("id"));
  const outcome = await libraryStub(c.env, accountId).deleteFile({ accountId, fileId });
  if (outcome === "unknown") throw unknownFile();
  return c.json({ id: fileId, object: "file", deleted: true });
}

async function ownFile(c: Context): Promise<FileRecord> {
  const { accountId } = await authorize(c, "batches");
  const record = await libraryStub(c.env, accountId).getFile(fileIdOf(c.req.param("id")));
  if (record === undefined) throw unknownFile();
  return record;
}

function fileIdOf(text: string | undefined): FileId {
  const id = parseId("file", text ?? "");
  if (id === undefined) throw unknownFile();
  return id;
}

function unknownFile() {
  return apiError("object_not_found", "No such file in this account, or it has expired.", "id");
}

function fileAnswer(file: FileFacts) {
  return {
    id: file.fileId,
    object: "file",
    bytes: file.bytes,
    created_at: must(seconds(file.createdAtMs), "time of a file"),
    expires_at: must(seconds(file.expiresAtMs), "time of a file"),
    filename: file.filename,
    purpose: file.purpose,
    status: "processed",
    status_details: null,
    line_count: file.lines,
  };
}
