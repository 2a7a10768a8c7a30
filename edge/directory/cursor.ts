// Opaque cursors of lists that D1 answers: the position behind which the next page begins, as base64url of JSON. They
// carry no secret and are believed no more than any other input.

/** A position as text; callers pass it back unread. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return btoa(JSON.stringify(position)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The position that `text` encodes; undefined: not a cursor that we issued. */
export function decodeCursor(text: string): readonly unknown[] | undefined {
  if (text.length > 200) return undefined;
  try {
    const position: unknown = JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
    return Array.isArray(position) ? position : undefined;
  } catch {
    return undefined;
  }
}
