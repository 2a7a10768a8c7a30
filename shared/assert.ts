// Checks for our own mistakes. They stay on in production, because a wrong balance is worse than a 500. Faults in a
// caller's input are values (errors.ts), never assertions.

class AssertionError extends Error {
  override name = "AssertionError";
}

/**
 * Throws AssertionError if `condition` is false. `message` says what should be true, without a secret or a customer's text;
 * one that is put together is a function, since it is hardly ever read.
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === "string" ? message : message());
}

/** The default of an exhaustive switch: the compiler refuses the call while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

/** Returns `value`, which cannot be absent by construction; `what` names it in the error. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`missing: ${what}`);
  return value;
}
