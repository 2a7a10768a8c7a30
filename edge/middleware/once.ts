// `Idempotency-Key` on a POST that makes something (calls of models: idempotent-call.ts): the call as its header and body
// name it, and the answer to a repeat.

import type { Context } from "../context.ts";
import { bodyHashOf, idempotentCall } from "../metering/idempotent-call.ts";
import type { Once } from "../lib/made-once.ts";
import { readIdempotencyKey } from "../metering/call-options.ts";
import { apiError } from "../../shared/errors.ts";

const encoder = new TextEncoder();

/** The call, after `readJson` has read its body; undefined without the header. Throws `invalid_header`. */
export function onceOf(c: Context): Once | undefined {
  const key = readIdempotencyKey(c);
  return key === undefined ? undefined : idempotentCall(c, key);
}

/** The same of an upload, whose body nobody holds: `facts` stand for its bytes. */
export async function onceOfUpload(c: Context, facts: string): Promise<Once | undefined> {
  c.set("bodyHash", await bodyHashOf(c.get("services").config.CACHE_HMAC_KEY, encoder.encode(facts)));
  return onceOf(c);
}

/** Answers a repeat with what was made, and says that it is one. */
export function answerRepeat(c: Context, body: object, status: 200 | 201): Response {
  c.header("x-idempotent-replayed", "true");
  return c.json(body, status);
}

/** The fault of another body under a key that was used. */
export function keyReused() {
  return apiError(
    "idempotency_key_reused",
    "This `Idempotency-Key` was used with another body: send a new one for a new request.",
    "Idempotency-Key",
  );
}
