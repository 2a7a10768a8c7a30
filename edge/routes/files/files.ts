// /v1/files, in OpenAI's form: uploads for batches (upload-file.ts receives them) and the results of batches. Another
// account's file is unknown.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { waitUntilOf } from "../../context.ts";
import { chunkStoreOf } from "../../files/chunk-store.ts";
import { contentMemory, contentOf } from "../../files/content.ts";
import { libraryStub } from "../../files/library-stub.ts";
import type { FileFacts, FileRecord } from "../../files/types.ts";
import { FILE_PURPOSES } from "../../files/types.ts";
import type { MemoryLease } from "../../lib/memory-budget.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { always, described, field } from "../../openapi/described.ts";
import { queryText } from "../../openapi/parameters.ts";
import { answerOf, count, deletedAnswer, exampleId, unixSeconds } from "../answers.ts";
import { listPage, listParameters, pageAnswer, readAfter, readOrder } from "../list-query.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import { readLimit } from "../query.ts";
import { keyRoutes } from "../route.ts";
import { apiError } from "../../../shared/errors.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { wrongValue } from "../../../shared/schemas/fields.ts";

/** As OpenAI's. */
const LIST_MAX = 10_000;

export const FILE = described<FileFacts>({
  id: field(z.string(), ({ fileId }) => fileId, exampleId("file")),
  object: always("file"),
  bytes: field(count, ({ bytes }) => bytes, 1200),
  created_at: field(unixSeconds, ({ createdAtMs }) => Math.floor(createdAtMs / 1000), 1_790_000_000),
  expires_at: field(unixSeconds, ({ expiresAtMs }) => Math.floor(expiresAtMs / 1000), 1_792_592_000),
  filename: field(z.string(), ({ filename }) => filename, "requests.jsonl"),
  purpose: field(z.enum(FILE_PURPOSES), ({ purpose }) => purpose, "batch"),
  status: always("processed"),
  status_details: always(null),
  line_count: field(count.describe("Lines that are not blank."), ({ lines }) => lines, 10),
});

export const FILE_ANSWER = answerOf("File", "The file.", FILE);

export const FILES = keyRoutes("Files and batches", "batches", [
  {
    method: "get",
    path: "/v1/files",
    id: "listFiles",
    summary: "All files of the account",
    parameters: [queryText("purpose", "Only these.", { enum: FILE_PURPOSES }), ...listParameters(LIST_MAX, LIST_MAX)],
    answers: { 200: pageAnswer("Files", "A page of files.", FILE, []) },
    handler: listFiles,
  },
  {
    method: "get",
    path: "/v1/files/{id}",
    id: "getFile",
    summary: "One file",
    parameters: [idParameter("file")],
    answers: { 200: FILE_ANSWER },
    handler: getFile,
  },
  {
    method: "get",
    path: "/v1/files/{id}/content",
    id: "getFileContent",
    summary: "What is in a file",
    parameters: [idParameter("file")],
    answers: { 200: { description: "JSON lines.", mediaType: "application/jsonl" } },
    errors: ["overloaded"],
    handler: getFileContent,
  },
  {
    method: "delete",
    path: "/v1/files/{id}",
    id: "deleteFile",
    summary: "Delete a file",
    parameters: [idParameter("file")],
    answers: { 200: deletedAnswer("DeletedFile", "file") },
    handler: deleteFile,
  },
]);

async function listFiles(c: Context, { accountId }: Caller): Promise<Response> {
  const given = c.req.query("purpose");
  const purpose = FILE_PURPOSES.find((one) => one === given);
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
  const data = page.items.map(FILE.of);
  return c.json(listPage(data, page.hasMore));
}

async function getFile(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(FILE.of(await ownFile(c, accountId)));
}

async function getFileContent(c: Context, { accountId }: Caller): Promise<Response> {
  const record = await ownFile(c, accountId);
  c.header("content-type", "application/jsonl");
  // Customers write these files: a browser must not show one as a page of this site.
  c.header("x-content-type-options", "nosniff");
  c.header("content-disposition", `attachment; filename*=UTF-8''${headerText(record.filename)}`);
  c.header("cache-control", "no-store");
  if (c.req.method === "HEAD") {
    if (record.content.format === "lines") c.header("content-length", String(record.bytes));
    return c.body(null);
  }
  const memory = c.get("services").memory.take(contentMemory(record));
  // Result lines are written anew for each download, and a later version may write them longer: so no fixed length.
  const { readable, writable } =
    record.content.format === "lines" ? new FixedLengthStream(record.bytes) : new IdentityTransformStream();
  waitUntilOf(c)(writeContent(c, record, writable, memory));
  return c.body(readable);
}

/** A filename by RFC 8187: percent-encoded, stricter than in a URL. */
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
    // The reader has left, or a chunk is damaged: the answer breaks off, which every client notices.
    await writer.abort(error).catch(() => undefined);
  } finally {
    memory.release();
  }
}

async function deleteFile(c: Context, { accountId }: Caller): Promise<Response> {
  const fileId = idInPath(c, "file");
  known("file", await libraryStub(c.env, accountId).deleteFile({ accountId, fileId }));
  return c.json({ id: fileId, object: "file", deleted: true });
}

async function ownFile(c: Context, accountId: AccountId): Promise<FileRecord> {
  return known("file", await libraryStub(c.env, accountId).getFile(idInPath(c, "file")));
}
