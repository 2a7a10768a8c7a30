// POST /v1/files: stores a form's file, sealed chunk by chunk as it arrives.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { waitUntilOf } from "../../context.ts";
import { CHUNK_BYTES, chunkStoreOf } from "../../files/chunk-store.ts";
import { DigestedStore } from "../../files/digested-store.ts";
import { libraryStub } from "../../files/library-stub.ts";
import type { BeginUpload } from "../../files/library.ts";
import { boundaryOf } from "../../files/multipart.ts";
import type { FileFacts, FileRecord } from "../../files/types.ts";
import { FILE_LIMITS, PATIENCE } from "../../files/types.ts";
import { FORM_BYTES_MAX, fileTooLarge, receiveUpload, uploadPieces } from "../../files/upload.ts";
import type { Repeat } from "../../lib/made-once.ts";
import { isRepeat } from "../../lib/made-once.ts";
import type { MemoryLease } from "../../lib/memory-budget.ts";
import { readIdempotencyKey } from "../../metering/call-options.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { authorizeAgain } from "../../middleware/authorize.ts";
import { bodyPieces, inflated, isGzip } from "../../middleware/body-pieces.ts";
import { answerRepeat, keyReused, onceOfUpload } from "../../middleware/once.ts";
import { ONCE } from "../../openapi/parameters.ts";
import type { Route } from "../route.ts";
import { FILE_ANSWER, FILE } from "./files.ts";
import { apiError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import { uploadFieldsSchema } from "../../../shared/schemas/files.ts";

/** Chunks that an upload holds: the one being filled, and two copies of the one being sealed. */
const UPLOAD_CHUNKS = 3;
/** About what an upload holds besides its chunks. */
const UPLOAD_BYTES = 256 * 1024;

export const CREATE_FILE: Route = {
  method: "post",
  path: "/v1/files",
  id: "createFile",
  tag: "Files and batches",
  summary: "Upload a file of requests",
  description:
    "JSON lines as OpenAI's batches have them, at most 100 MB and 50,000 lines. Stored encrypted, for 30 days.",
  auth: "key",
  scope: "batches",
  body: {
    name: "UploadRequest",
    schema: uploadFieldsSchema.extend({ file: z.string().meta({ contentMediaType: "application/jsonl" }) }),
    mediaType: "multipart/form-data",
    example: { purpose: "batch", file: "{}" },
  },
  answers: { 200: FILE_ANSWER },
  parameters: [ONCE],
  errors: ["empty_input", "limit_reached", "overloaded"],
  handler: createFile,
};

async function createFile(c: Context, caller: Caller): Promise<Response> {
  if (Number(c.req.header("content-length") ?? 0) > FORM_BYTES_MAX) throw fileTooLarge();
  const boundary = boundaryOf(c.req.header("content-type"));
  const pieces = uploadBody(c);
  const work = storeUpload(c, caller, pieces, boundary);
  // Otherwise a client that leaves would end the work that deletes what it has sent.
  waitUntilOf(c)(work.catch(() => undefined));
  const stored = await work;
  return isRepeat(stored) ? answerRepeat(c, FILE.of(stored.again), 200) : c.json(FILE.of(stored));
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
    await authorizeAgain(c, caller); // an upload may outlive its key
    const facts = [filename, String(upload.lifeMs), await digested?.digest()].join("\n");
    const once = isOnce ? await onceOfUpload(c, facts) : undefined;
    const finished = await library.finishUpload(record, caller.keyId, once);
    if (finished === false) throw apiError("invalid_request", "The upload took over a day: upload the file again.");
    if (finished === "reused") throw keyReused();
    return finished === true ? record : finished;
  } catch (error) {
    waitUntilOf(c)(library.deleteFile(place));
    throw error;
  } finally {
    memory.release();
  }
}

/** A small file is one chunk, and takes only its own length of memory. */
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

/** Keeps the memory of an upload that makes progress, however long it takes. */
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
