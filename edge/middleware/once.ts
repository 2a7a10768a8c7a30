// `Idempotency-Key` on a POST that creates something (for calls of models: idempotent-call.ts): the call that header
// and body name, and the answer to a repeat.

import type { Context } from "../context.ts";
import { bodyHashOf, idempotentCall } from "../metering/idempotent-call.ts";
import type { Once } from "../lib/made-once.ts";
import { readIdempotencyKey } from "../metering/call-options.ts";
import { apiError } from "../../shared/errors.ts";

const encoder = new TextEncoder();

/** The call that the header names; undefined without one. Called after `readJson`. Throws `invalid_header`. */
export function onceOf(c: Context): Once | undefined {
  const key = readIdempotencyKey(c);
  return key === undefined ? undefined : idempotentCall(c, key);
}

/** The same for an upload, whose body is not held: `facts` stand for its bytes. */
export async function onceOfUpload(c: Context, facts: string): Promise<Once | undefined> {
  c.set("bodyHash", await bodyHashOf(c.get("services").config.CACHE_HMAC_KEY, encoder.encode(facts)));
  return onceOf(c);
}

/** Answers a repeat with what the first call created, marked as a replay. */
export function answerRepeat(c: Context, body: object, status: 200 | 201): Response {
  c.header("x-idempotent-replayed", "true");
  return c.json(body, status);
}

/** For a key that was used with another body. */
export function keyReused() {
  return apiError(
    "idempotency_key_reused",
    "This `Idempotency-Key` was used with another body: send a new one for a new request.",
    "Idempotency-Key",
  );
}
