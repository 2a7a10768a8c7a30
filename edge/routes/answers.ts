// What the answers of several resources have in common. Schemas are for the document, and for the tests that hold every
// answer against it.

import * as z from "zod";
import type { Answer } from "../openapi/operation.ts";

export const count = z.int().nonnegative();
export const amountNanoUsd = z.int().describe("Integer of nano-USD (1e-9 $).");
export const unixSeconds = z.int().nonnegative().describe("Unix seconds.");
/** An id for examples. */
export const MODEL = "gigarouter/demo-embedding";

/** Milliseconds as the API writes a time; none is null. */
export function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}

/** What a DELETE answers: `object` with `id` is gone. */
export const deletedAnswer = (name: string, object: string, id: string, description = "It is gone."): Answer => ({
  description,
  name,
  schema: z.object({ id: z.string(), object: z.literal(object), deleted: z.literal(true) }),
  example: { id, object, deleted: true },
});
