// The request body: read with a cap, inflated with a cap, decoded strictly. 413 from Content-Length alone where it is
// announced; otherwise the moment the cap is passed. A body that stalls or breaks off is the caller's fault, never ours:
// it holds memory that other requests need.

import { pieceMemory } from "../answer/memory-budget.ts";
import { collectBytes } from "../collect-bytes.ts";
import type { Context } from "../context.ts";
import { IDEMPOTENCY_HEADER, bodyHashOf } from "../idempotent-call.ts";
import { ApiError, apiError } from "../../shared/errors.ts";

/**
 * A body that is announced to be no longer is read in one piece, which costs half of reading it as a stream: it fits
 * what a client sends before it waits for an acknowledgement, so that either all of it is there or the client stalls.
 */
const SHORT_BYTES_MAX = 14 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The parsed JSON body of at most `bytesMax` bytes (inflated). Throws ApiError: 413, 415, `invalid_json`. */
export async function readJson(c: Context, bytesMax: number): Promise<unknown> {
  checkMediaType(c);
  const bytes = await readBytes(c, bytesMax);
  if (bytes.length === 0) throw apiError("invalid_json", "The body is empty: it must be a JSON object.");
  if (c.req.header(IDEMPOTENCY_HEADER) !== undefined) {
    c.set("bodyHash", await bodyHashOf(c.get("services").config.CACHE_HMAC_KEY, bytes));
  }
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return value;
  } catch (error) {
    throw apiError("invalid_json", `The body is not valid JSON in UTF-8${positionOf(error)}.`);
  }
}

/** JSON is assumed where no type is named (curl users forget it); a form or XML is refused. */
function checkMediaType(c: Context): void {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  const isJson =
    type === undefined ||
    type === "application/json" ||
    type.endsWith("+json") ||
    type === "application/x-www-form-urlencoded";
  if (!isJson)
    throw apiError("unsupported_media_type", "The body must be JSON: send `Content-Type: application/json`.");
}

/** Refuses a body that announces more than `bytesMax`. Throws `body_too_large`. */
export function checkAnnouncedLength(c: Context, bytesMax: number): void {
  if (Number(c.req.header("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);
}

async function readBytes(c: Context, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  checkAnnouncedLength(c, bytesMax);
  const { body } = c.req.raw;
  if (body === null) return new Uint8Array();
  const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "identity";
  const idleMs = c.get("services").config.limits.bodyIdleMs;
  if (encoding !== "identity" && encoding !== "gzip")
    throw apiError("unsupported_media_type", "The content encoding must be gzip or none.");
  const isGzip = encoding === "gzip";
  const isShort = !isGzip && Number(c.req.header("content-length") ?? Infinity) <= SHORT_BYTES_MAX;
  const stall = new StallTimer(idleMs);
  // Memory is taken as bytes arrive, inflated ones: what is announced and never sent must not keep others out.
  const arrived = (bytes: number): void => {
    stall.touch();
    c.get("memory")?.grow(pieceMemory(bytes));
  };
  try {
    const stream = isGzip ? body.pipeThrough(new DecompressionStream("gzip")) : body;
    const reading = isShort ? shortBody(c) : collectBytes(stream, bytesMax, arrived);
    const bytes = await Promise.race([reading, stall.stalled]);
    if (bytes === undefined) throw tooLarge(bytesMax);
    return bytes;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (isGzip && error instanceof TypeError) throw apiError("invalid_json", "The body is not valid gzip.");
    // What else the runtime throws here is about the connection: a chunk size that is no number, a body cut short.
    throw apiError("invalid_request", "The body broke off, or its framing (Content-Length, chunks) is wrong.");
  } finally {
    stall.stop();
  }
}

/** It takes no more memory than every request has (`bodyMemory(0)`). */
async function shortBody(c: Context): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await c.req.raw.arrayBuffer());
}

/** Rejects `stalled` when nothing arrived for `idleMs`. One timer that looks at the clock, not one a piece. */
class StallTimer {
  readonly stalled: Promise<never>;
  #lastMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(idleMs: number) {
    this.stalled = new Promise((_, reject) => {
      const look = (): void => {
        const leftMs = this.#lastMs + idleMs - performance.now();
        if (leftMs > 0) this.#timer = setTimeout(look, leftMs);
        else reject(apiError("invalid_request", `Nothing more of the body arrived for ${idleMs / 1000} s.`));
      };
      this.#timer = setTimeout(look, idleMs);
    });
  }

  touch(): void {
    this.#lastMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function tooLarge(bytesMax: number) {
  return apiError(
    "body_too_large",
    `The body is over the limit of ${bytesMax} bytes: send fewer texts a request, or a batch.`,
  );
}

/** V8 names the position in its message; the rest of that message quotes the input and stays inside. */
function positionOf(error: unknown): string {
  const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? "" : ` (at character ${position})`;
}
