// How many tokens a request, or a line of a batch, may have.

import { apiError } from "../../shared/errors.ts";
import { REQUEST_TOKENS_MAX } from "../../shared/schemas/input.ts";

/** Throws `too_many_tokens`, naming `field`. `exact` is called only where `bound` is over the limit. */
export async function checkTokenLimit(field: string, bound: number, exact: () => Promise<number>): Promise<void> {
  if (bound <= REQUEST_TOKENS_MAX) return;
  const tokens = await exact();
  if (tokens <= REQUEST_TOKENS_MAX) return;
  throw apiError(
    "too_many_tokens",
    `\`${field}\` has ${tokens} tokens; a request, or a line of a batch, takes at most ${REQUEST_TOKENS_MAX}: send several.`,
    field,
  );
}
