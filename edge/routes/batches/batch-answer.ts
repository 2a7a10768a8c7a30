// A batch in the API's form.

import * as z from "zod";
import type { BatchSnapshot } from "../../files/batch-types.ts";
import { BATCH_STATUSES } from "../../files/batch-types.ts";
import { always, described, field } from "../../openapi/described.ts";
import { answerOf, count, exampleId, ownId, seconds, time } from "../answers.ts";
import { nanoUsd, usdNumber } from "../../../shared/money.ts";

const USAGE = z.object({
  input_tokens: count,
  input_tokens_details: z.object({ cached_tokens: count }),
  output_tokens: z.literal(0),
  output_tokens_details: z.object({ reasoning_tokens: z.literal(0) }),
  total_tokens: count,
  cost: z.number().nonnegative(),
});

function usageAnswer({ tokens, cachedTokens, costNanoUsd }: BatchSnapshot["usage"]): z.output<typeof USAGE> {
  return {
    input_tokens: tokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: 0,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: tokens,
    cost: usdNumber(costNanoUsd),
  };
}

/** When a batch ended, if it ended with `status`. */
const endedAt = (status: BatchSnapshot["status"]) =>
  field(time, (batch: BatchSnapshot) => (batch.status === status ? seconds(batch.endedAtMs) : null), null);

/** OpenAI's object, plus `cost` in its usage. Times that have not come are null, as OpenAI writes them. */
export const BATCH = described<BatchSnapshot>({
  id: ownId("batch"),
  object: always("batch"),
  endpoint: field(z.string(), ({ endpoint }) => endpoint, "/v1/embeddings"),
  model: field(z.nullable(z.string()), ({ model }) => model ?? null, null),
  errors: field(
    z.nullable(
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
    ({ faults }) => (faults.length === 0 ? null : { object: "list" as const, data: [...faults] }),
    null,
  ),
  input_file_id: field(z.string(), ({ inputFileId }) => inputFileId, exampleId("file")),
  completion_window: always("24h"),
  status: field(z.enum(BATCH_STATUSES), ({ status }) => status, "validating"),
  output_file_id: field(z.nullable(z.string()), ({ outputFileId }) => outputFileId ?? null, null),
  error_file_id: field(z.nullable(z.string()), ({ errorFileId }) => errorFileId ?? null, null),
  created_at: field(time, ({ createdAtMs }) => seconds(createdAtMs), 1_790_000_000),
  in_progress_at: field(time, ({ inProgressAtMs }) => seconds(inProgressAtMs), null),
  expires_at: field(time, ({ expiresAtMs }) => seconds(expiresAtMs), 1_790_086_400),
  finalizing_at: field(time, ({ finalizingAtMs }) => seconds(finalizingAtMs), null),
  completed_at: endedAt("completed"),
  failed_at: endedAt("failed"),
  expired_at: endedAt("expired"),
  cancelling_at: field(time, ({ cancellingAtMs }) => seconds(cancellingAtMs), null),
  cancelled_at: endedAt("cancelled"),
  request_counts: field(z.object({ total: count, completed: count, failed: count }), ({ counts }) => counts, {
    total: 0,
    completed: 0,
    failed: 0,
  }),
  usage: field(
    USAGE,
    ({ usage }) => usageAnswer(usage),
    usageAnswer({ tokens: 0, cachedTokens: 0, costNanoUsd: nanoUsd(0) }),
  ),
  metadata: field(z.nullable(z.record(z.string(), z.string())), ({ metadata }) => metadata, null),
});

export const BATCH_ANSWER = answerOf("Batch", "The batch.", BATCH);
