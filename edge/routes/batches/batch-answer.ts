// A batch as the API shows it.

import * as z from "zod";
import type { BatchSnapshot } from "../../files/batch-types.ts";
import type { Answer } from "../../openapi/operation.ts";
import { count, seconds, unixSeconds } from "../answers.ts";
import { FILE } from "../files/files.ts";
import { usdNumber } from "../../../shared/money.ts";

export const batchSchema = z.object({
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
  created_at: z.nullable(unixSeconds),
  in_progress_at: z.nullable(unixSeconds),
  expires_at: z.nullable(unixSeconds),
  finalizing_at: z.nullable(unixSeconds),
  completed_at: z.nullable(unixSeconds),
  failed_at: z.nullable(unixSeconds),
  expired_at: z.nullable(unixSeconds),
  cancelling_at: z.nullable(unixSeconds),
  cancelled_at: z.nullable(unixSeconds),
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

export const BATCH_ANSWER: Answer = { description: "The batch.", name: "Batch", schema: batchSchema, example: BATCH };

/** OpenAI's object, and `cost` beside its usage. Times that have not come are null, as OpenAI writes them. */
export function batchAnswer(view: BatchSnapshot) {
  const { status, usage, counts } = view;
  const at = (wanted: BatchSnapshot["status"]) => (status === wanted ? seconds(view.endedAtMs) : null);
  return {
    id: view.id,
    object: "batch",
    endpoint: view.endpoint,
    model: view.model ?? null,
    errors: view.faults.length === 0 ? null : { object: "list", data: view.faults },
    input_file_id: view.inputFileId,
    completion_window: "24h",
    status,
    output_file_id: view.outputFileId ?? null,
    error_file_id: view.errorFileId ?? null,
    created_at: seconds(view.createdAtMs),
    in_progress_at: seconds(view.inProgressAtMs),
    expires_at: seconds(view.expiresAtMs),
    finalizing_at: seconds(view.finalizingAtMs),
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: seconds(view.cancellingAtMs),
    cancelled_at: at("cancelled"),
    request_counts: counts,
    usage: {
      input_tokens: usage.tokens,
      input_tokens_details: { cached_tokens: usage.cachedTokens },
      output_tokens: 0,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.tokens,
      cost: usdNumber(usage.costNanoUsd),
    },
    metadata: view.metadata,
  };
}
