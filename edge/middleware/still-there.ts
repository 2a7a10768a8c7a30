// Rights live for one lease TTL in an isolate's memory: for so long a key may be taken for valid whose account was
// deleted, or which was revoked itself. The object then knows nothing of it, and the answer is a 401, not our mistake.

import { apiError } from "../../shared/errors.ts";

/** What an account's object answered for a valid key, or throws `invalid_api_key`. */
export function stillThere<Value>(answer: Value | undefined): Value {
  if (answer !== undefined) return answer;
  throw apiError("invalid_api_key", "This API key is not known any more: it was revoked, or its account is gone.");
}
