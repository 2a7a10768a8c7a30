// What several routes answer: the schema for the document, and for the tests that hold every answer against it, and the
// function that makes it.

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

export const orNull = <Schema extends z.ZodType>(schema: Schema) => z.nullable(schema);

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: unixSeconds,
  owned_by: z.string(),
  name: z.string(),
  description: z.string(),
  license: z.string(),
  status: z.enum(["live", "warming", "coming_soon"]),
  context_length: count,
  native_dimensions: count,
  permitted_dimensions: z.object({ min: count, max: count }),
  default_query_instruction: orNull(z.string()).describe("Null where the model's query prompt has another form."),
  prompts: z
    .object({ query: z.string(), document: z.string(), default: z.string() })
    .describe(
      'What is put before a text: by `input_type`, and without one. The caller\'s `instruction` replaces "query".',
    ),
  pooling: z.string(),
  revision: orNull(z.string()),
  throughput_tokens_per_second: orNull(z.number().nonnegative()),
  pricing: z.object({
    price_nano_usd_per_million_tokens: amountNanoUsd,
    hit_price_nano_usd_per_million_tokens: amountNanoUsd,
    batch_price_nano_usd_per_million_tokens: amountNanoUsd,
    batch_hit_price_nano_usd_per_million_tokens: amountNanoUsd,
    minimum_charge_nano_usd: amountNanoUsd,
  }),
});

/** A list in OpenAI's shape. */
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ object: z.literal("list"), data: z.array(item) });
