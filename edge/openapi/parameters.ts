// Parameters and headers in the descriptions of routes.

import type { JsonSchema, Parameter } from "./operation.ts";

/** The value of a header or parameter; text by default. */
export const text = (description: string, schema: JsonSchema = { type: "string" }) => ({ description, schema });

export const pathId = (name: string, description: string): Parameter => ({ name, in: "path", ...text(description) });

export const queryText = (name: string, description: string, schema?: JsonSchema): Parameter => ({
  name,
  in: "query",
  ...text(description, schema),
  errors: ["invalid_value"],
});

export const header = (name: string, description: string, schema?: JsonSchema): Parameter => ({
  name,
  in: "header",
  ...text(description, schema),
});

export const idempotencyKey = (description: string): Parameter =>
  header("Idempotency-Key", description, { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" });

/** For routes that create something. */
export const ONCE: Parameter = {
  ...idempotencyKey(
    "Per key and route, for 24 hours: a repeat of the call creates nothing and returns what the first one created.",
  ),
  errors: ["invalid_header", "idempotency_key_reused"],
};
