// What several routes answer, as schemas for the document and for the tests that hold every answer against it.

import * as z from "zod";
import { MENDABLE } from "../keys/refused-keys.ts";
import { SCOPES } from "../ledger/types.ts";

export const count = z.int().nonnegative();
export const nanoUsd = z.int().describe("Integer of nano-USD (1e-9 $).");
export const unixSeconds = z.int().nonnegative().describe("Unix seconds.");
export const orNull = <Schema extends z.ZodType>(schema: Schema) => z.nullable(schema);

const usage = z.object({
  prompt_tokens: count.describe("Ids the model read: instruction and ending token included, after truncation."),
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count }),
  cost: z.number().nonnegative().describe("USD."),
});

const embedding = z.object({
  object: z.literal("embedding"),
  index: count,
  embedding: z.union([z.array(z.number()), z.string()]).describe("Numbers, or base64."),
});

export const embeddings = z.object({
  object: z.literal("list"),
  data: z.array(embedding),
  similarities: z.array(z.number()).optional().describe("Cosine of each pair, where pairs were sent."),
  model: z.string(),
  usage,
});

export const similarity = z.object({
  object: z.literal("list"),
  data: z.array(z.object({ index: count, similarity: z.number().min(-1).max(1) })),
  model: z.string(),
  usage,
});

const ranked = z.object({
  index: count.describe("Which of the documents."),
  relevance_score: z.number().min(0).max(1).describe("Cosine to the query, negative ones as 0."),
  document: z.object({ text: z.string() }).optional(),
});

export const rerank = z.object({
  id: z.string(),
  object: z.literal("list"),
  results: z.array(ranked).describe("Best first."),
  data: z.array(ranked).describe("The same items, for clients that read this name."),
  model: z.string(),
  usage,
  meta: z.object({ api_version: z.object({ version: z.string() }), billed_units: z.object({ input_tokens: count }) }),
});

export const tokens = z.object({
  object: z.literal("list"),
  data: z.array(z.object({ index: count, tokens: z.array(count), count, fits: z.boolean() })),
  model: z.string(),
  total_tokens: count,
  cost_usd: z.number().nonnegative().describe("The most that embedding these texts costs: every text a cache miss."),
  cost_nano_usd: nanoUsd,
  batch_cost_nano_usd: nanoUsd,
  fits: z.boolean().describe("False: a text is over the context, and shown as `truncate: end` would cut it."),
});

export const model = z.object({
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
    price_nano_usd_per_million_tokens: nanoUsd,
    hit_price_nano_usd_per_million_tokens: nanoUsd,
    batch_price_nano_usd_per_million_tokens: nanoUsd,
    batch_hit_price_nano_usd_per_million_tokens: nanoUsd,
    minimum_charge_nano_usd: nanoUsd,
  }),
});

export const account = z.object({
  id: z.string(),
  object: z.literal("account"),
  name: z.string(),
  status: z.enum(["active", "suspended"]),
  created_at: orNull(unixSeconds),
  balance_usd: z.string(),
  balance_nano_usd: nanoUsd,
  spendable_usd: z.string(),
  spendable_nano_usd: nanoUsd,
  held_usd: z
    .string()
    .describe(
      "Of the balance: set aside for calls that run, or ran a moment ago. What they do not use comes back by itself, at the latest 35 s after the last call.",
    ),
  held_nano_usd: nanoUsd,
  spent_this_month_usd: z.string(),
  spent_this_month_nano_usd: nanoUsd,
  limits: z.object({ requests_per_minute: count, tokens_per_minute: count, monthly_nano_usd: orNull(nanoUsd) }),
});

const usd = z.string();

/** The operator's view of an account. */
export const books = account.extend({
  email: z.nullable(z.string()),
  granted_usd: usd,
  granted_nano_usd: nanoUsd,
  topped_up_usd: usd,
  topped_up_nano_usd: nanoUsd,
  expired_usd: usd,
  expired_nano_usd: nanoUsd,
  refunded_usd: usd,
  refunded_nano_usd: nanoUsd,
  charged_usd: usd,
  charged_nano_usd: nanoUsd,
  written_off_usd: usd,
  written_off_nano_usd: nanoUsd,
  receivable_usd: usd,
  receivable_nano_usd: nanoUsd,
  lost_bound_usd: usd,
  lost_bound_nano_usd: nanoUsd,
});

export const key = z.object({
  id: z.string(),
  object: z.literal("api_key"),
  name: z.string(),
  prefix: z.string().describe("The beginning of the key, to recognise it by."),
  scopes: z.array(z.enum(SCOPES)),
  models: orNull(z.array(z.string())),
  expires_at: orNull(unixSeconds),
  cap_nano_usd: orNull(nanoUsd),
  cap_reset: orNull(z.enum(["day", "week", "month"])),
  ip_allow: orNull(z.array(z.string())),
  requests_per_minute: orNull(count),
  tokens_per_minute: orNull(count),
  cache: z.enum(["off", "standard", "eager"]),
  created_at: orNull(unixSeconds),
  last_used_at: orNull(unixSeconds),
  last_refusal: orNull(z.object({ at: orNull(unixSeconds), code: z.enum(MENDABLE) })).describe(
    "The last call refused for what you can mend (credit, cap, limit, expiry, scope, model, address); in lists and GET alone.",
  ),
  unusable_because: orNull(z.string()).describe(
    "Why this key can do nothing: it has expired, or it is older than the checks.",
  ),
});

export const createdKey = key.extend({
  key: orNull(z.string()).describe("The key itself: shown this once; null in a repeat that comes over a minute later."),
});

/** A list in OpenAI's shape. */
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ object: z.literal("list"), data: z.array(item) });

/** A page of a list in OpenAI's shape. */
export const pageAnswer = <Item extends z.ZodType>(item: Item) =>
  z.object({
    object: z.literal("list"),
    data: z.array(item),
    first_id: z.nullable(z.string()),
    last_id: z.nullable(z.string()),
    has_more: z.boolean(),
  });

export const pageExample = (data: readonly { readonly id: string }[]) => ({
  object: "list",
  data,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
  has_more: false,
});
