// What an account's object answered to an act of a key. Rights live for one lease TTL in an isolate's memory: for so long a
// key may be taken for valid which was revoked, or whose account was deleted. The object then says so, or knows nothing
// of it, and the answer is a refusal, not our mistake.

import { isRefused } from "../keys/acting-key.ts";
import type { Refused } from "../keys/acting-key.ts";
import { faultOfRefusal } from "../metering/refusals.ts";
import { ApiError, apiError } from "../../shared/errors.ts";

/** The answer itself; throws the fault of a refusal, or `invalid_api_key` where there is no such account. */
export function acted<Answer>(answer: Answer): Done<Answer> {
  if (isDone(answer)) return answer;
  if (isRefused(answer)) throw new ApiError(faultOfRefusal(answer.refused));
  throw apiError("invalid_api_key", "This API key is not known any more: it was revoked, or its account is gone.");
}

type Done<Answer> = Exclude<Answer, Refused | undefined>;

function isDone<Answer>(answer: Answer): answer is Done<Answer> {
  return answer !== undefined && !isRefused(answer);
}
