// What the document says about one route, as data. document.ts makes OpenAPI of it, llms.ts the page for agents.

import type * as z from "zod";
import type { Vendor } from "../lib/vendor.ts";
import type { ErrorCode } from "../../shared/errors.ts";

export const TAGS = {
  Embeddings: "Vectors, similarities, rankings and quotes for texts.",
  "Other vendors' forms": "The same calls as clients of other APIs make them: same models, keys, prices and limits.",
  Models: "What is served, at which price.",
  "Files and batches": "Large jobs at the batch price, in OpenAI's shape.",
  Account: "Credit, statement, usage, alerts, webhooks, export and deletion.",
  Keys: "API keys and their limits.",
  Service: "Whether this deployment is alive and ready.",
  Operator: "For the operator of this deployment, with the operator's key.",
} as const;
type Tag = keyof typeof TAGS;

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: JsonSchema;
  readonly required?: boolean;
  /** Errors of a wrong value. */
  readonly errors?: readonly ErrorCode[];
}

export interface Body {
  /** Name of the schema among the document's components. */
  readonly name: string;
  readonly schema: z.ZodType;
  readonly example: unknown;
  readonly mediaType?: string;
  /** The media type of another form of the body, and what one line of it is. */
  readonly lines?: { readonly mediaType: string; readonly schema: JsonSchema; readonly example: string };
  /** Names of required properties that the zod schema leaves to a hand-written parser. */
  readonly required?: readonly string[];
  /** Further rules between properties, as JSON Schema keywords. */
  readonly rules?: JsonSchema;
  /** Errors of a wrong body; default: BODY_ERRORS. */
  readonly errors?: readonly ErrorCode[];
}

export interface Answer {
  readonly description: string;
  /** Absent: no body, or one that is not JSON. */
  readonly name?: string;
  readonly schema?: z.ZodType;
  readonly example?: unknown;
  /** Default: `application/json`. A body that is not JSON has no schema. */
  readonly mediaType?: string;
  /** Another form of the same answer. */
  readonly alternative?: string;
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>;
}

export interface Operation {
  /** Whose API the route speaks; absent: ours. */
  readonly vendor?: Vendor;
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** OpenAPI's form: `/v1/keys/{id}`. */
  readonly path: string;
  readonly id: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  /** `optional`: no key is needed, but one that is sent must be in force. `call`: a key, for a call of a model. */
  readonly auth: "none" | "optional" | "key" | "call" | "operator";
  readonly parameters?: readonly Parameter[];
  readonly body?: Body;
  readonly answers: Readonly<Record<number, Answer>>;
  /** Further error codes of this route, besides those of its `auth`, its parameters, its body and of every route. */
  readonly errors?: readonly ErrorCode[];
}

/** Errors of every route. */
export const COMMON_ERRORS = ["invalid_request", "headers_too_large", "internal_error"] as const;

/** Errors of a key that is sent although none is needed. */
export const SHOWN_KEY_ERRORS = [
  "missing_api_key",
  "invalid_api_key",
  "expired_api_key",
  "account_suspended",
  "address_not_allowed",
] as const;

export const KEY_ERRORS = [
  ...SHOWN_KEY_ERRORS,
  "insufficient_scope",
  "rate_limit_exceeded",
  "ledger_unavailable",
] as const;

export const OPERATOR_ERRORS = [
  "missing_api_key",
  "invalid_api_key",
  "rate_limit_exceeded",
  "route_not_found",
  "directory_unavailable",
] as const;

export const BODY_ERRORS = [
  "invalid_json",
  "invalid_type",
  "invalid_value",
  "missing_field",
  "unknown_field",
  "body_too_large",
  "unsupported_media_type",
] as const;

/** Errors of routes that embed texts or count their tokens. */
export const TEXT_ERRORS = [
  ...BODY_ERRORS,
  "invalid_header",
  "empty_input",
  "too_many_inputs",
  "too_many_tokens",
  "context_length_exceeded",
  "text_too_complex",
  "invalid_token_id",
  "incompatible_options",
  "model_not_found",
  "revision_changed",
  "model_not_ready",
  "overloaded",
  "backend_unavailable",
  "deadline_exceeded",
] as const;

/** Errors of routes that spend. */
export const SPENDING_ERRORS = [
  ...TEXT_ERRORS,
  "invalid_dimensions",
  "max_cost_exceeded",
  "result_too_large",
  "idempotency_key_reused",
  "idempotency_in_progress",
  "insufficient_credit",
  "key_cap_reached",
  "monthly_limit_reached",
  "credit_held",
  "limit_exceeded",
  "model_not_allowed",
  "vector_not_finite",
] as const;
