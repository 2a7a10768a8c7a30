// Opaque cursors of lists in D1: the position after which the next page begins, as base64url of JSON. They hold no
// secret and are validated like any other input.

/** Encodes a position; clients pass it back unread. */
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
