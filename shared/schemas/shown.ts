// How an error message names the value that a caller sent. A field's value is shown, shortened. A customer's text or a
// key is never shown: the message says only its kind.

/** The most characters of a caller's value in a message. */
const SHOWN_LENGTH_MAX = 40;
const NAME_LENGTH_MAX = 64;

/** Fields that hold texts to embed, instructions or secrets. */
const PRIVATE_FIELDS: ReadonlySet<PropertyKey> = new Set([
  "input",
  "instruction",
  "query",
  "documents",
  "text",
  "pairs",
  "source",
  "targets",
  "images",
  "requests",
  "title",
  "key",
]);

/** Whether the value at `path` of a body may be a customer's text or a secret. */
export function isPrivate(path: readonly PropertyKey[]): boolean {
  return path.some((part) => PRIVATE_FIELDS.has(part));
}

/** The value itself, strings quoted, shortened and without invisible characters. Not for customers' texts. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value === "" ? describe(value) : quoted(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return describe(value);
  const fields = Object.keys(value).length;
  return `an object of ${fields} ${fields === 1 ? "field" : "fields"}`;
}

/** The kind of a value, without its content. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  switch (typeof value) {
    case "string":
      return value === "" ? "an empty string" : "a string";
    case "number":
    case "boolean":
      return String(value);
    case "object":
      return "an object";
    default:
      return typeof value;
  }
}

function quoted(text: string): string {
  // Shortened first, because it may be megabytes.
  const characters = Array.from(text.slice(0, 2 * SHOWN_LENGTH_MAX + 2));
  const cut = characters.slice(0, SHOWN_LENGTH_MAX).join("");
  const plain = JSON.stringify(cut).replaceAll(/(?! )[\p{C}\p{Z}]/gu, escaped);
  return characters.length > SHOWN_LENGTH_MAX ? `${plain.slice(0, -1)}…"` : plain;
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** A caller's field name, made safe to echo: it may be a megabyte or hold control characters. */
export function shownName(name: string): string {
  const clean = name.slice(0, NAME_LENGTH_MAX + 1).replaceAll(/[^\w.$[\]-]/g, "?");
  return clean.length > NAME_LENGTH_MAX ? `${clean.slice(0, NAME_LENGTH_MAX)}…` : clean;
}

/** `["input", 17, 3]` → `input[17][3]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    text += typeof part === "number" ? `[${part}]` : `${text === "" ? "" : "."}${shownName(String(part))}`;
  }
  return text;
}
