// The fields of `POST /v1/files` besides the file itself. They come from a form, so all are text. OpenAI's names.
// Rules: docs/batches.md.

import * as z from "zod";
import { oneOf } from "./fields.ts";

const SECONDS_RULE = "whole seconds from 3600 to 2592000";

export const uploadFieldsSchema = z.strictObject({
  purpose: oneOf(["batch"]),
  "expires_after[anchor]": oneOf(["created_at"]).optional(),
  "expires_after[seconds]": z
    .string()
    .regex(/^\d{4,7}$/, { error: () => SECONDS_RULE })
    .transform(Number)
    .refine((seconds) => seconds >= 3600 && seconds <= 2_592_000, { error: SECONDS_RULE })
    .optional(),
});

/** The names of the form's fields, for "did you mean". */
export const UPLOAD_FIELDS = ["file", ...Object.keys(uploadFieldsSchema.shape)] as const;
