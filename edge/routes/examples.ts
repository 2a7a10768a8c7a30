// Values that the document shows. A test holds each against its schema.

import { MODEL } from "./answers.ts";

export const MODEL_ANSWER = {
  id: MODEL,
  object: "model",
  created: 1_793_491_200,
  owned_by: "gigarouter",
  name: "Demo Embedding",
  description: "The embedded demo.",
  license: "apache-2.0",
  status: "live",
  context_length: 8192,
  native_dimensions: 256,
  permitted_dimensions: { min: 1, max: 256 },
  default_query_instruction: "Given a web search query, retrieve relevant passages that answer the query",
  prompts: {
    query: "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
    document: "",
    default: "",
  },
  pooling: "last_token",
  revision: "0123456789abcdef",
  throughput_tokens_per_second: null,
  pricing: {
    price_nano_usd_per_million_tokens: 8_000_000,
    hit_price_nano_usd_per_million_tokens: 4_000_000,
    batch_price_nano_usd_per_million_tokens: 4_000_000,
    batch_hit_price_nano_usd_per_million_tokens: 2_000_000,
    minimum_charge_nano_usd: 0,
  },
};
