// The catalogue for the pages: exactly the answer of GET /v1/models, so that no page promises what the API does not.

import type { Hono } from "hono";
import * as z from "zod";
import type { AppEnv, Context } from "../context.ts";

const price = z.number();
const modelSchema = z.object({
  id: z.string(),
  kind: z.enum(["embedding", "reranker"]).nullable(),
  owned_by: z.string(),
  name: z.string(),
  description: z.string(),
  license: z.string(),
  status: z.enum(["live", "warming", "coming_soon"]),
  context_length: z.number(),
  native_dimensions: z.number(),
  permitted_dimensions: z.object({ min: z.number(), max: z.number() }),
  default_query_instruction: z.string().nullable(),
  prompts: z.object({ query: z.string(), instruction: z.string().nullable() }).nullable(),
  architecture: z.string().nullable(),
  pooling: z.string(),
  revision: z.string().nullable(),
  reproducible: z.boolean().nullable(),
  float32_distance_max: z.number().nullable(),
  throughput_tokens_per_second: z.number().nullable(),
  pricing: z.object({
    price_nano_usd_per_million_tokens: price,
    hit_price_nano_usd_per_million_tokens: price,
    batch_price_nano_usd_per_million_tokens: price,
    batch_hit_price_nano_usd_per_million_tokens: price,
    minimum_charge_nano_usd: price,
  }),
});
const listSchema = z.object({ data: z.array(modelSchema) });

/** A model as GET /v1/models shows it. */
export type PublicModel = Readonly<z.infer<typeof modelSchema>>;

/** All models, in the API's order. */
export async function publicModels(c: Context, app: Hono<AppEnv>): Promise<readonly PublicModel[]> {
  const request = new Request(new URL("/v1/models", c.req.url));
  const response = await app.fetch(request, c.env, c.executionCtx);
  return listSchema.parse(await response.json()).data;
}

/** What is not known yet is shown as an embedding model. */
export function isReranker({ kind }: PublicModel): boolean {
  return kind === "reranker";
}

export const STATUS_LABELS: Readonly<Record<PublicModel["status"], string>> = {
  live: "Live",
  warming: "Warming up",
  coming_soon: "Coming soon",
};
