// Throws when an invariant is broken.

export class Violation extends Error {
  override name = "Violation";
}

export function insist(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}
