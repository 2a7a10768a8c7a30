// Receives an upload: form → chunks, sealed and stored one by one as they arrive. Memory holds one chunk, whatever the
// file's size.

import type * as z from "zod";
import { ApiError, apiError } from "../../shared/errors.ts";
import { nearest } from "../../shared/nearest.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";
import { UPLOAD_FIELDS, uploadFieldsSchema } from "../../shared/schemas/files.ts";
import { shownName } from "../../shared/schemas/shown.ts";
import { CHUNK_BYTES } from "./chunk-store.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { readForm } from "./multipart.ts";
import type { FileChunk, FilePlace } from "./types.ts";
import { FILE_LIMITS } from "./types.ts";

/** The largest form: the file and everything around it. */
export const FORM_BYTES_MAX = FILE_LIMITS.bytesMax + FILE_LIMITS.formBytesMax;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const FIELD_BYTES_MAX = 1024;
const FILENAME_LENGTH_MAX = 255;
const DRAIN_BYTES_MAX = 4 * 1024 * 1024;
const DRAIN_MS_MAX = 1000;

const decoder = new TextDecoder();

export interface Upload {
  readonly filename: string;
  readonly bytes: number;
  readonly lines: number;
  readonly chunks: readonly FileChunk[];
  /** Undefined: the default. */
  readonly lifeMs: number | undefined;
}

/**
 * Reads the form to its end and stores its file in chunks of `chunkBytes`. Throws ApiError; the caller then deletes the
 * chunks that were stored.
 */
export async function receiveUpload(
  pieces: AsyncIterable<Uint8Array>,
  boundary: string,
  store: Pick<ChunkStore, "write">,
  place: FilePlace,
  chunkBytes: number = CHUNK_BYTES,
): Promise<Upload> {
  try {
    return await receive(pieces, boundary, store, place, chunkBytes);
  } catch (error) {
    // Closing a connection with unread bytes resets it, and the reset may overtake the refusal.
    await Promise.race([drain(pieces), scheduler.wait(DRAIN_MS_MAX)]);
    throw error;
  }
}

async function receive(
  pieces: AsyncIterable<Uint8Array>,
  boundary: string,
  store: Pick<ChunkStore, "write">,
  place: FilePlace,
  chunkBytes: number,
): Promise<Upload> {
  const fields: Record<string, string> = {};
  let file: FileWriter | undefined;
  let part: FileWriter | FieldReader | undefined;
  for await (const event of readForm(pieces, boundary)) {
    if (event.kind === "data") {
      await part?.take(event.bytes);
      continue;
    }
    if (part instanceof FieldReader) fields[part.name] = part.text();
    if (event.name === "file") {
      if (file !== undefined) throw apiError("invalid_value", "`file` appears twice: send one file per call.", "file");
      file = new FileWriter(store, place, cleanName(event.filename), chunkBytes);
      part = file;
    } else part = new FieldReader(knownField(event.name, fields));
  }
  if (part instanceof FieldReader) fields[part.name] = part.text();
  const parsed = parseFields(fields);
  if (file === undefined) throw apiError("missing_field", "`file` is missing: it must be a JSONL file.", "file");
  const seconds = parsed["expires_after[seconds]"];
  return { ...(await file.end()), lifeMs: seconds === undefined ? undefined : seconds * 1000 };
}

/** Reads and drops up to DRAIN_BYTES_MAX of the rest of a refused form, then cancels it. */
async function drain(pieces: AsyncIterable<Uint8Array>): Promise<void> {
  let left = DRAIN_BYTES_MAX;
  try {
    for await (const piece of pieces) {
      left -= piece.length;
      if (left < 0) return;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The form breaks off or stalls: it is refused already.
  }
}

function knownField(name: string, seen: Readonly<Record<string, string>>): string {
  if (!UPLOAD_FIELDS.some((known) => known === name)) {
    const close = nearest(name, UPLOAD_FIELDS);
    const hint = close === undefined ? `Known fields: ${UPLOAD_FIELDS.join(", ")}.` : `Did you mean \`${close}\`?`;
    throw apiError("unknown_field", `Unknown field \`${shownName(name)}\`. ${hint}`, shownName(name));
  }
  if (Object.hasOwn(seen, name)) throw apiError("invalid_value", `\`${name}\` appears twice.`, name);
  return name;
}

function parseFields(fields: Readonly<Record<string, string>>): z.output<typeof uploadFieldsSchema> {
  const result = uploadFieldsSchema.safeParse(fields);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const param = String(issue?.path[0] ?? "purpose");
  const rule = issue?.message ?? "right";
  if (Object.hasOwn(fields, param)) throw wrongValue(param, rule, fields[param]);
  throw apiError("missing_field", `\`${param}\` is missing: it must be ${rule}.`, param);
}

/** The last segment of a path, without characters that break a header or a terminal. */
function cleanName(name: string | undefined): string {
  const last = (name ?? "").split(/[/\\]/).at(-1) ?? "";
  const clean = last
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "")
    .slice(0, FILENAME_LENGTH_MAX)
    .toWellFormed()
    .trim();
  return clean === "" ? "upload.jsonl" : clean;
}

class FieldReader {
  readonly name: string;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(name: string) {
    this.name = name;
  }

  async take(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#bytes > FIELD_BYTES_MAX) throw apiError("invalid_value", `\`${this.name}\` is too long.`, this.name);
    this.#pieces.push(bytes);
  }

  text(): string {
    return this.#pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
  }
}

class FileWriter {
  readonly #store: Pick<ChunkStore, "write">;
  readonly #place: FilePlace;
  readonly #filename: string;
  readonly #buffer: Uint8Array;
  readonly #chunks: FileChunk[] = [];
  #filled = 0;
  #bytes = 0;
  #lines = 0;
  /** Whether the current line has a character other than white space. */
  #hasText = false;

  constructor(store: Pick<ChunkStore, "write">, place: FilePlace, filename: string, chunkBytes: number) {
    this.#buffer = new Uint8Array(chunkBytes);
    this.#store = store;
    this.#place = place;
    this.#filename = filename;
  }

  async take(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#bytes > FILE_LIMITS.bytesMax) throw fileTooLarge();
    this.#count(bytes);
    for (let from = 0; from < bytes.length;) {
      const part = bytes.subarray(from, from + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      from += part.length;
      if (this.#filled === this.#buffer.length) await this.#flush();
    }
  }

  async end(): Promise<Omit<Upload, "lifeMs">> {
    if (this.#hasText) this.#lines += 1;
    if (this.#lines === 0) throw apiError("empty_input", "`file` is empty: it must have at least one line.", "file");
    this.#checkLines();
    if (this.#filled > 0) await this.#flush();
    return { filename: this.#filename, bytes: this.#bytes, lines: this.#lines, chunks: this.#chunks };
  }

  async #flush(): Promise<void> {
    const name = String(this.#chunks.length);
    this.#chunks.push(await this.#store.write(this.#place, name, this.#buffer.subarray(0, this.#filled)));
    this.#filled = 0;
  }

  /** One loop without calls: a call per line or byte would cost seconds for 100 MB of line ends. */
  #count(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte > SPACE) this.#hasText = true;
      else if (byte === NEWLINE && this.#hasText) {
        this.#lines += 1;
        this.#hasText = false;
      }
    }
    this.#checkLines();
  }

  #checkLines(): void {
    if (this.#lines <= FILE_LIMITS.linesMax) return;
    throw apiError(
      "limit_reached",
      `\`file\` has more than ${FILE_LIMITS.linesMax} lines: split it over several batches.`,
      "file",
    );
  }
}

export function fileTooLarge(): ApiError {
  return apiError(
    "body_too_large",
    `The file is over the limit of ${FILE_LIMITS.bytesMax} bytes: split it over several batches.`,
    "file",
  );
}

/** Passes `pieces` on until they exceed `bytesMax`, then throws `body_too_large`. */
export async function* uploadPieces(
  pieces: AsyncIterable<Uint8Array>,
  bytesMax: number = FORM_BYTES_MAX,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const piece of pieces) {
    total += piece.length;
    if (total > bytesMax) throw fileTooLarge();
    yield piece;
  }
}
