// Files and batches, in OpenAI's shape.

import * as z from "zod";
import type { Answer, Operation } from "../../openapi/operation.ts";
import { BODY_ERRORS, MAKING_ERRORS } from "../../openapi/operation.ts";
import { ONCE, pathId, queryText } from "../../openapi/parameters.ts";
import { count, unixSeconds } from "../answers.ts";
import { listPage, listParameters, pageSchema } from "../list-query.ts";
import { createBatchSchema } from "../../../shared/schemas/batches.ts";
import { uploadFieldsSchema } from "../../../shared/schemas/files.ts";

const tag = "Files and batches";
const time = z.nullable(unixSeconds);

const file = z.object({
  id: z.string(),
  object: z.literal("file"),
  bytes: count,
  created_at: unixSeconds,
  expires_at: unixSeconds,
  filename: z.string(),
  purpose: z.enum(["batch", "batch_output"]),
  status: z.literal("processed"),
  status_details: z.null(),
  line_count: count.describe("Lines that are not blank."),
});

const batch = z.object({
  id: z.string(),
  object: z.literal("batch"),
  endpoint: z.string(),
  model: z.nullable(z.string()),
  errors: z.nullable(
    z.object({
      object: z.literal("list"),
      data: z.array(
        z.object({
          code: z.string(),
          line: z.nullable(count).describe("1 is the file's first line."),
          message: z.string(),
          param: z.nullable(z.string()),
        }),
      ),
    }),
  ),
  input_file_id: z.string(),
  completion_window: z.literal("24h"),
  status: z.enum([
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
  ]),
  output_file_id: z.nullable(z.string()),
  error_file_id: z.nullable(z.string()),
  created_at: time,
  in_progress_at: time,
  expires_at: time,
  finalizing_at: time,
  completed_at: time,
  failed_at: time,
  expired_at: time,
  cancelling_at: time,
  cancelled_at: time,
  request_counts: z.object({ total: count, completed: count, failed: count }),
  usage: z.object({
    input_tokens: count,
    input_tokens_details: z.object({ cached_tokens: count }),
    output_tokens: z.literal(0),
    output_tokens_details: z.object({ reasoning_tokens: z.literal(0) }),
    total_tokens: count,
    cost: z.number().nonnegative(),
  }),
  metadata: z.nullable(z.record(z.string(), z.string())),
});

const FILE = {
  id: "file_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "file",
  bytes: 1200,
  created_at: 1_790_000_000,
  expires_at: 1_792_592_000,
  filename: "requests.jsonl",
  purpose: "batch",
  status: "processed",
  status_details: null,
  line_count: 10,
};

const BATCH = {
  id: "batch_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "batch",
  endpoint: "/v1/embeddings",
  model: null,
  errors: null,
  input_file_id: FILE.id,
  completion_window: "24h",
  status: "validating",
  output_file_id: null,
  error_file_id: null,
  created_at: 1_790_000_000,
  in_progress_at: null,
  expires_at: 1_790_086_400,
  finalizing_at: null,
  completed_at: null,
  failed_at: null,
  expired_at: null,
  cancelling_at: null,
  cancelled_at: null,
  request_counts: { total: 0, completed: 0, failed: 0 },
  usage: {
    input_tokens: 0,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 0,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 0,
    cost: 0,
  },
  metadata: null,
};

const oneFile: Answer = { description: "The file.", name: "File", schema: file, example: FILE };
const oneBatch: Answer = { description: "The batch.", name: "Batch", schema: batch, example: BATCH };
const fileId = pathId("id", "The file's id.");
const batchId = pathId("id", "The batch's id.");

const files: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/files",
    id: "createFile",
    tag,
    summary: "Upload a file of requests",
    description:
      "JSON lines as OpenAI's batches have them, at most 100 MB and 50,000 lines. Stored encrypted, for 30 days.",
    auth: "key",
    body: {
      name: "UploadRequest",
      schema: uploadFieldsSchema.extend({ file: z.string().meta({ contentMediaType: "application/jsonl" }) }),
      mediaType: "multipart/form-data",
      example: { purpose: "batch", file: "{}" },
    },
    answers: { 200: oneFile },
    parameters: [ONCE],
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "empty_input", "limit_reached", "overloaded"],
  },
  {
    method: "get",
    path: "/v1/files",
    id: "listFiles",
    tag,
    summary: "All files of the account",
    auth: "key",
    parameters: [
      { ...queryText("purpose", "Only these."), schema: { enum: ["batch", "batch_output"] } },
      ...listParameters(10_000, 10_000),
    ],
    answers: {
      200: { description: "A page of files.", name: "Files", schema: pageSchema(file), example: listPage([], false) },
    },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/v1/files/{id}",
    id: "getFile",
    tag,
    summary: "One file",
    auth: "key",
    parameters: [fileId],
    answers: { 200: oneFile },
    errors: ["object_not_found"],
  },
  {
    method: "get",
    path: "/v1/files/{id}/content",
    id: "getFileContent",
    tag,
    summary: "What is in a file",
    auth: "key",
    parameters: [fileId],
    answers: { 200: { description: "JSON lines.", mediaType: "application/jsonl" } },
    errors: ["object_not_found", "overloaded"],
  },
  {
    method: "delete",
    path: "/v1/files/{id}",
    id: "deleteFile",
    tag,
    summary: "Delete a file",
    auth: "key",
    parameters: [fileId],
    answers: {
      200: {
        description: "It is gone.",
        name: "DeletedFile",
        schema: z.object({ id: z.string(), object: z.literal("file"), deleted: z.literal(true) }),
        example: { id: FILE.id, object: "file", deleted: true },
      },
    },
    errors: ["object_not_found"],
  },
];

const batches: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/batches",
    id: "createBatch",
    tag,
    summary: "Run a file of requests at the batch price",
    description:
      "At the prices of the day it is created. Lines that were done are billed, also of a batch that is cancelled or expires.",
    auth: "key",
    body: {
      name: "CreateBatchRequest",
      schema: createBatchSchema,
      example: { input_file_id: FILE.id, endpoint: "/v1/embeddings", completion_window: "24h" },
    },
    answers: { 200: oneBatch },
    parameters: [ONCE],
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "object_not_found", "limit_reached"],
  },
  {
    method: "get",
    path: "/v1/batches",
    id: "listBatches",
    tag,
    summary: "All batches of the account",
    auth: "key",
    parameters: listParameters(100, 20),
    answers: {
      200: {
        description: "A page of batches.",
        name: "Batches",
        schema: pageSchema(batch),
        example: listPage([], false),
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/v1/batches/{id}",
    id: "getBatch",
    tag,
    summary: "One batch and its progress",
    auth: "key",
    parameters: [batchId],
    answers: { 200: oneBatch },
    errors: ["object_not_found"],
  },
  {
    method: "post",
    path: "/v1/batches/{id}/cancel",
    id: "cancelBatch",
    tag,
    summary: "Cancel a batch",
    description: "What was done is delivered and billed.",
    auth: "key",
    parameters: [batchId],
    answers: { 200: oneBatch },
    errors: ["object_not_found", "invalid_request"],
  },
];

export const FILES_AND_BATCHES: readonly Operation[] = [...files, ...batches];
