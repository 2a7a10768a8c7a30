// Parameters and answer headers that several routes have.

import type { Answer, JsonSchema, Parameter } from "./operation.ts";

const text = (description: string, schema: JsonSchema = { type: "string" }) => ({ description, schema });

export const CALL_HEADERS: readonly Parameter[] = [
  {
    name: "X-Tier",
    in: "header",
    ...text("`batch`: the batch price and its patience.", { enum: ["interactive", "batch"] }),
  },
  {
    name: "X-Max-Cost",
    in: "header",
    ...text("USD: refused before any work when the quote is higher.", {
      type: "string",
      pattern: "^\\d{1,7}(\\.\\d{1,9})?$",
    }),
  },
  { name: "Prefer", in: "header", ...text("`wait=N`: hold a call to a cold model so many seconds, up to 120.") },
  {
    name: "Idempotency-Key",
    in: "header",
    ...text("Per account and route, for 24 hours: the same call again gets the first answer and is charged once.", {
      type: "string",
      minLength: 1,
      maxLength: 255,
      pattern: "^[!-~]+$",
    }),
  },
  { name: "Cache-Control", in: "header", ...text("`no-store`: neither read nor write the embedding cache.") },
  { name: "X-Request-Id", in: "header", ...text("Echoed where it is well formed; for tracing alone.") },
];

const KEY_PATTERN = { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" };

/** Of routes that make something. */
export const ONCE: Parameter = {
  name: "Idempotency-Key",
  in: "header",
  ...text(
    "Per key and route, for 24 hours: the same call again makes nothing and is answered with what was made.",
    KEY_PATTERN,
  ),
};

const RATE_HEADERS: Answer["headers"] = {
  "x-ratelimit-limit-requests": text("Requests a minute."),
  "x-ratelimit-remaining-requests": text("As this part of the edge sees it."),
  "x-ratelimit-reset-requests": text("A duration: `250ms`, `6m0s`."),
  "x-ratelimit-limit-tokens": text("Tokens a minute."),
  "x-ratelimit-remaining-tokens": text("As this part of the edge sees it."),
  "x-ratelimit-reset-tokens": text("A duration."),
};

export const SPENDING_HEADERS: NonNullable<Answer["headers"]> = {
  "x-cache": text("What the embedding cache had.", { enum: ["hit", "miss", "partial"] }),
  "x-cost-usd": text("What the call cost."),
  "x-credit-remaining-usd": text("As this part of the edge sees it."),
  "x-model-revision": text("Vectors of one revision are comparable."),
  "server-timing": text("Milliseconds by stage."),
  ...RATE_HEADERS,
};

export const pathId = (name: string, description: string): Parameter => ({ name, in: "path", ...text(description) });

export const queryText = (name: string, description: string): Parameter => ({
  name,
  in: "query",
  ...text(description),
});
