// A token of a pair with its type in one number, so that pairs travel and are compared as texts are: a token of the second
// type is the complement of its id, which is negative.

/** `id` as a token of the second type. */
export function ofSecondType(id: number): number {
  return ~id;
}

export function tokenOf(id: number): number {
  return id < 0 ? ~id : id;
}

export function typeOf(id: number): 0 | 1 {
  return id < 0 ? 1 : 0;
}
