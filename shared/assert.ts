// Checks of our own mistakes. They stay on in production (a wrong balance is worse than a 500); input faults of
// callers are values (errors.ts), never assertions.

class AssertionError extends Error {
  override name = "AssertionError";
}

/** Throws AssertionError when `condition` is false. `message` says what should have been true; it holds no secret and no text. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The end of an exhaustive switch: the compiler refuses the call while a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

/** `value`, which must be there by construction; `what` names it in the error. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`missing: ${what}`);
  return value;
}
