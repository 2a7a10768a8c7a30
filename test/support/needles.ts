// Searches bytes for a secret or a text that must not be in them, as it is and in every form that storage or a log
// might give it. Only the forms listed here are found. base64 is searched at all three alignments, because what
// precedes a text shifts it.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Every form of `needle` to search for, by name. */
function formsOf(needle: Uint8Array | string): ReadonlyMap<string, Buffer> {
  const bytes = Buffer.from(needle);
  const forms = new Map<string, Buffer>([
    ["bytes", bytes],
    ["hex", Buffer.from(bytes.toString("hex"))],
    ["HEX", Buffer.from(bytes.toString("hex").toUpperCase())],
    ["reversed", Buffer.from(bytes.toReversed())],
  ]);
  if (typeof needle === "string") {
    forms.set("utf-16", Buffer.from(needle, "utf16le"));
    forms.set("utf-16, big-endian", Buffer.from(needle, "utf16le").swap16());
    forms.set("url", Buffer.from(encodeURIComponent(needle)));
  }
  for (const offset of [0, 1, 2]) {
    // Characters at the edges also hold bits of neighbouring bytes; those between hold only bits of the needle.
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replaceAll("=", "");
    const inner = text.slice(offset === 0 ? 0 : 4, text.length - 2);
    forms.set(`base64 + ${offset}`, Buffer.from(inner));
    forms.set(`base64url + ${offset}`, Buffer.from(inner.replaceAll("+", "-").replaceAll("/", "_")));
  }
  return forms;
}

/** The names of the forms of `needle` in `haystack`. */
export function findNeedle(haystack: Uint8Array, needle: Uint8Array | string): readonly string[] {
  const bytes = Buffer.from(haystack.buffer, haystack.byteOffset, haystack.byteLength);
  return [...formsOf(needle)].filter(([, form]) => bytes.includes(form)).map(([name]) => name);
}

/** Every file below `folder` with its bytes: write-ahead logs, blobs and caches too. */
export function filesBelow(folder: string): ReadonlyMap<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path)];
    }),
  );
}
