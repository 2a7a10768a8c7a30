// Every error code of both programs, in one table. A fault is a value; one place at the edge turns it into an HTTP
// answer. What each means: docs/errors.md. 422 is not used, because some clients retry it.

type ErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "insufficient_quota"
  | "permission_error"
  | "not_found_error"
  | "rate_limit_error"
  | "server_error";

export interface ErrorSpec {
  readonly status: 400 | 401 | 402 | 403 | 404 | 405 | 409 | 413 | 415 | 429 | 431 | 499 | 500 | 503 | 504;
  readonly type: ErrorType;
  /** Whether the same call may succeed later: decides `x-should-retry`. */
  readonly retry: boolean;
  /** The most that `Retry-After` says, in seconds; absent: RETRY_AFTER_S_MAX. */
  readonly retryAfterSMax?: number;
}

/** OpenAI's Node SDK ignores a `Retry-After` above a minute. */
const RETRY_AFTER_S_MAX = 60;

const invalid = (status: ErrorSpec["status"] = 400): ErrorSpec => ({
  status,
  type: "invalid_request_error",
  retry: false,
});

export const ERRORS = {
  invalid_request: invalid(),
  invalid_json: invalid(),
  invalid_type: invalid(),
  invalid_value: invalid(),
  missing_field: invalid(),
  unknown_field: invalid(),
  empty_input: invalid(),
  too_many_inputs: invalid(),
  too_many_tokens: invalid(),
  context_length_exceeded: invalid(),
  text_too_complex: invalid(),
  invalid_token_id: invalid(),
  invalid_dimensions: invalid(),
  incompatible_options: invalid(),
  result_too_large: invalid(),
  max_cost_exceeded: invalid(),
  invalid_header: invalid(),
  idempotency_key_reused: invalid(),
  limit_reached: invalid(),
  limit_exceeded: invalid(),
  missing_api_key: { status: 401, type: "authentication_error", retry: false },
  invalid_api_key: { status: 401, type: "authentication_error", retry: false },
  expired_api_key: { status: 401, type: "authentication_error", retry: false },
  insufficient_credit: { status: 402, type: "insufficient_quota", retry: false },
  key_cap_reached: { status: 402, type: "insufficient_quota", retry: false },
  monthly_limit_reached: { status: 402, type: "insufficient_quota", retry: false },
  insufficient_scope: { status: 403, type: "permission_error", retry: false },
  model_not_allowed: { status: 403, type: "permission_error", retry: false },
  address_not_allowed: { status: 403, type: "permission_error", retry: false },
  cross_origin_refused: { status: 403, type: "permission_error", retry: false },
  account_suspended: { status: 403, type: "permission_error", retry: false },
  model_not_found: { status: 404, type: "not_found_error", retry: false },
  route_not_found: { status: 404, type: "not_found_error", retry: false },
  object_not_found: { status: 404, type: "not_found_error", retry: false },
  payments_not_offered: { status: 404, type: "not_found_error", retry: false },
  method_not_allowed: invalid(405),
  revision_changed: invalid(409),
  not_sealed_yet: invalid(409),
  idempotency_in_progress: { status: 409, type: "invalid_request_error", retry: true, retryAfterSMax: 1 },
  body_too_large: invalid(413),
  unsupported_media_type: invalid(415),
  headers_too_large: invalid(431),
  rate_limit_exceeded: { status: 429, type: "rate_limit_error", retry: true },
  /** Calls that end give credit back at once, and a client that is told to wait for the last of them fails instead. */
  credit_held: { status: 429, type: "rate_limit_error", retry: true, retryAfterSMax: 1 },
  /** Only in the last line of a stream. */
  client_not_reading: { status: 499, type: "invalid_request_error", retry: true },
  /** Only in logs and usage: the client left before the answer. */
  client_closed_request: { status: 499, type: "invalid_request_error", retry: false },
  internal_error: { status: 500, type: "server_error", retry: true },
  vector_not_finite: { status: 500, type: "server_error", retry: false },
  model_not_ready: { status: 503, type: "server_error", retry: true, retryAfterSMax: 30 },
  overloaded: { status: 503, type: "server_error", retry: true, retryAfterSMax: 5 },
  backend_unavailable: { status: 503, type: "server_error", retry: true },
  ledger_unavailable: { status: 503, type: "server_error", retry: true },
  directory_unavailable: { status: 503, type: "server_error", retry: true },
  payment_unavailable: { status: 503, type: "server_error", retry: true },
  deadline_exceeded: { status: 504, type: "server_error", retry: true },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

/** A fault as a value: what is wrong, where, and what would be right. No stack, no secret, no input text. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  /** The field or item at fault, as the caller wrote it: `input[17]`, `dimensions`. */
  readonly param: string | null;
  /** Seconds, as far as this place knows; callers are told `shownRetryAfterS()`. */
  readonly retryAfterS?: number;
}

/** What callers are told to wait: whole seconds, from 1 to the most of the fault's code. Undefined: nothing. */
export function shownRetryAfterS({ code, retryAfterS: known }: Fault): number | undefined {
  if (known === undefined) return undefined;
  const { retryAfterSMax = RETRY_AFTER_S_MAX }: ErrorSpec = ERRORS[code];
  return Math.min(retryAfterSMax, Math.max(1, Math.ceil(known)));
}

/** What a caller reads of a fault. */
export interface ErrorObject {
  readonly message: string;
  readonly type: ErrorType;
  readonly param: string | null;
  readonly code: ErrorCode;
}

export function errorObject({ code, message, param }: Fault): ErrorObject {
  return { message, type: ERRORS[code].type, param, code };
}

/**
 * A thrown Fault, for places that cannot return it; caught in one place per program (edge/middleware/errors,
 * gpu-backend/server).
 */
export class ApiError extends Error {
  override name = "ApiError";
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** Shorthand: `throw apiError("empty_input", "…", "input[3]")`. */
export function apiError(
  code: ErrorCode,
  message: string,
  param: string | null = null,
  retryAfterS?: number,
): ApiError {
  return new ApiError({ code, message, param, ...(retryAfterS === undefined ? {} : { retryAfterS }) });
}
