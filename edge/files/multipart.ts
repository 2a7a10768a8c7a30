// Reads multipart/form-data as it arrives (RFC 7578 over RFC 2046): a part's content is passed on piece by piece and
// never collected. Pure over an async iterable of bytes; the consumer of the events sets the pace.

import { apiError } from "../../shared/errors.ts";
import { joinBytes } from "../lib/collect-bytes.ts";

export type FormEvent =
  /** A part begins. Files have a `filename`. */
  | { readonly kind: "part"; readonly name: string; readonly filename: string | undefined }
  /** Content of the part that began last. */
  | { readonly kind: "data"; readonly bytes: Uint8Array };

const HEADER_BYTES_MAX = 8 * 1024;
const PARTS_MAX = 16;
const BOUNDARY_LENGTH_MAX = 70;
const CR = 0x0d;
const EMPTY = new Uint8Array();

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The boundary that `content-type` names; throws `unsupported_media_type` for anything but multipart/form-data. */
export function boundaryOf(contentType: string | undefined): string {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type !== "multipart/form-data") {
    throw apiError("unsupported_media_type", "A file is uploaded as `multipart/form-data` with `file` and `purpose`.");
  }
  const boundary = parametersOf((contentType ?? "").slice((contentType ?? "").indexOf(";"))).get("boundary") ?? "";
  if (boundary === "" || boundary.length > BOUNDARY_LENGTH_MAX || /[^\x20-\x7e]/.test(boundary)) {
    throw broken("its `Content-Type` names no usable boundary");
  }
  return boundary;
}

/** The form's parts as they arrive. Throws `invalid_request` when the form is broken or breaks off. */
export async function* readForm(pieces: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<FormEvent> {
  const delimiter = encoder.encode(`\r\n--${boundary}`);
  const source = new ByteSource(pieces);
  // The first delimiter may be the very first bytes: add the line end that others have before them.
  source.unshift(encoder.encode("\r\n"));
  for await (const preamble of source.until(delimiter)) void preamble;
  for (let parts = 0; ; parts += 1) {
    if (await isLast(source)) return;
    if (parts === PARTS_MAX) throw broken(`it has more than ${PARTS_MAX} parts`);
    yield await readHead(source);
    for await (const bytes of source.until(delimiter)) yield { kind: "data", bytes };
  }
}

/** Reads what follows a delimiter: `--` after the last part (true), else spaces and the end of the line. */
async function isLast(source: ByteSource): Promise<boolean> {
  const line = await source.take(2);
  if (line[0] === 0x2d && line[1] === 0x2d) return true;
  source.unshift(line);
  const padding = await source.upTo(encoder.encode("\r\n"), HEADER_BYTES_MAX);
  if (/[^ \t]/.test(decoder.decode(padding))) throw broken("a boundary is followed by something else");
  return false;
}

async function readHead(source: ByteSource): Promise<FormEvent> {
  source.unshift(encoder.encode("\r\n"));
  const head = decoder.decode(await source.upTo(encoder.encode("\r\n\r\n"), HEADER_BYTES_MAX));
  const disposition = head.split("\r\n").find((line) => /^content-disposition\s*:/i.test(line)) ?? "";
  const value = disposition.slice(disposition.indexOf(":") + 1);
  const parameters = parametersOf(value.slice(value.indexOf(";")));
  const name = parameters.get("name");
  if (!/^\s*form-data\s*;/i.test(value) || name === undefined) throw broken("a part has no name");
  return { kind: "part", name, filename: extendedOf(parameters.get("filename*")) ?? parameters.get("filename") };
}

/** `; a=b; c="d"` → a: b, c: d. Browsers write a quote inside as %22, curl as \". */
function parametersOf(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const pattern = /;\s*([\w*!#$&+.^`|~-]+)\s*=\s*(?:"((?:\\[\s\S]|[^"\\])*)"|([^;"\s]*))\s*/y;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [, name = "", quoted, plain = ""] = match;
    const value = quoted?.replaceAll(/\\(["\\])/g, "$1").replaceAll("%22", '"') ?? plain;
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
  }
  return parameters;
}

/** RFC 8187: `UTF-8''na%C3%AFve.jsonl`. */
function extendedOf(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.+)$/i.exec(value ?? "")?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function broken(why: string) {
  return apiError("invalid_request", `The form cannot be read: ${why}.`);
}

/** Bytes as they arrive; `unshift` puts back what was read too far. */
class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #held: Uint8Array = EMPTY;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  unshift(bytes: Uint8Array): void {
    this.#held = joined(bytes, this.#held);
  }

  async #more(): Promise<void> {
    const next = await this.#pieces.next();
    if (next.done === true) throw broken("it breaks off before its last boundary");
    this.#held = joined(this.#held, next.value);
  }

  /** Exactly `count` bytes. */
  async take(count: number): Promise<Uint8Array> {
    while (this.#held.length < count) await this.#more();
    return this.#cut(count, 0);
  }

  /** Everything before `end`, which is skipped: at most `bytesMax`. */
  async upTo(end: Uint8Array, bytesMax: number): Promise<Uint8Array> {
    for (let from = 0; ; from = Math.max(0, this.#held.length - end.length + 1), await this.#more()) {
      const found = indexOf(this.#held, end, from);
      if (found > bytesMax || (found < 0 && this.#held.length > bytesMax + end.length)) {
        throw broken(`a part's head is over ${HEADER_BYTES_MAX} bytes`);
      }
      if (found >= 0) return this.#cut(found, end.length);
    }
  }

  /** Everything before `end`, which is skipped, in pieces as they arrive. */
  async *until(end: Uint8Array): AsyncGenerator<Uint8Array> {
    for (;;) {
      const found = indexOf(this.#held, end, 0);
      if (found >= 0) {
        const last = this.#cut(found, end.length);
        if (last.length > 0) yield last;
        return;
      }
      // The last bytes may be the beginning of `end`.
      const sure = this.#held.length - end.length + 1;
      if (sure > 0) yield this.#cut(sure, 0);
      await this.#more();
    }
  }

  #cut(count: number, skipped: number): Uint8Array {
    const bytes = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count + skipped);
    return bytes;
  }
}

/** Index of the first `needle` (which begins with CR) in `bytes` at or after `from`; -1: none. */
function indexOf(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (at + needle.length > bytes.length) return -1;
    let index = 1;
    while (index < needle.length && bytes[at + index] === needle[index]) index += 1;
    if (index === needle.length) return at;
  }
  return -1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  return b.length === 0 ? a : joinBytes([a, b]);
}
