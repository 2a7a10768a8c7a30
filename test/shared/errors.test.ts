// What callers are told to wait: a client of OpenAI's waits as long, and fails where it is told to wait too long.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ERRORS, isErrorCode, shownRetryAfterS } from "../../shared/errors.ts";

/** The most of each code, in seconds, as the contract says; of others a minute. */
const MOST: Readonly<Record<string, number>> = {
  credit_held: 1,
  idempotency_in_progress: 1,
  overloaded: 5,
  model_not_ready: 30,
};

test("Retry-After is a whole number of seconds, from 1 to the most of its code, and absent where nothing is known", () => {
  const known = fc.oneof(fc.double({ noNaN: true }), fc.double({ min: 0, max: 200, noNaN: true }));
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(ERRORS)), known, (code, seconds) => {
      if (!isErrorCode(code)) throw new TypeError(code);
      const most = MOST[code] ?? 60;
      const told = shownRetryAfterS({ code, message: "", param: null, retryAfterS: seconds });
      expect(told).toBe(seconds >= most ? most : Math.max(1, Math.ceil(seconds)));
    }),
  );
  for (const code of Object.keys(ERRORS).filter(isErrorCode))
    expect(shownRetryAfterS({ code, message: "", param: null })).toBeUndefined();
});
