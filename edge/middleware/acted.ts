// Checks the account object's answer to a key's action. An isolate remembers rights for a lease's life, so a key may
// still pass here after it was revoked or its account deleted. The object then refuses, or knows no such account; both
// become an error for the caller.

import { isRefused } from "../keys/acting-key.ts";
import type { Refused } from "../keys/acting-key.ts";
import { faultOfRefusal } from "../metering/refusals.ts";
import { ApiError, apiError } from "../../shared/errors.ts";

/** Returns the answer; throws the refusal's fault, or `invalid_api_key` where the account does not exist. */
export function acted<Answer>(answer: Answer): Done<Answer> {
  if (isDone(answer)) return answer;
  if (isRefused(answer)) throw new ApiError(faultOfRefusal(answer.refused));
  throw apiError("invalid_api_key", "This API key is not known any more: it was revoked, or its account is gone.");
}

type Done<Answer> = Exclude<Answer, Refused | undefined>;

function isDone<Answer>(answer: Answer): answer is Done<Answer> {
  return answer !== undefined && !isRefused(answer);
}
