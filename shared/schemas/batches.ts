// `POST /v1/batches` and the lines of its input file: OpenAI's fields. Rules: docs/batches.md.

import * as z from "zod";
import { integer, oneOf, text } from "./fields.ts";

const BATCH_ENDPOINTS = ["/v1/embeddings", "/v1/rerank"] as const;
export type BatchEndpoint = (typeof BATCH_ENDPOINTS)[number];

const METADATA_MAX = 16;
const METADATA_KEY_LENGTH_MAX = 64;
const METADATA_VALUE_LENGTH_MAX = 512;
const METADATA_VALUE_RULE = `a string of at most ${METADATA_VALUE_LENGTH_MAX} characters`;
const METADATA_RULE = `an object of at most ${METADATA_MAX} strings of at most ${METADATA_VALUE_LENGTH_MAX} characters, under names of at most ${METADATA_KEY_LENGTH_MAX}`;
const EXPIRES_S_MIN = 3600;
const EXPIRES_S_MAX = 2_592_000;

/** OpenAI's expiry of a file: seconds from its creation. */
const expiresAfterSchema = z.strictObject(
  { anchor: oneOf(["created_at"]), seconds: integer(EXPIRES_S_MIN, EXPIRES_S_MAX) },
  { error: () => 'an object like {"anchor": "created_at", "seconds": 86400}' },
);

export const createBatchSchema = z.strictObject({
  input_file_id: text("the id of an uploaded file").min(1, { error: "the id of an uploaded file" }),
  endpoint: oneOf(BATCH_ENDPOINTS),
  completion_window: oneOf(["24h"]),
  metadata: z
    .record(
      z.string().max(METADATA_KEY_LENGTH_MAX),
      z.string({ error: () => METADATA_VALUE_RULE }).max(METADATA_VALUE_LENGTH_MAX, { error: METADATA_VALUE_RULE }),
      { error: () => METADATA_RULE },
    )
    .refine((value) => Object.keys(value).length <= METADATA_MAX, { error: METADATA_RULE })
    .optional(),
  output_expires_after: expiresAfterSchema.optional(),
});
