// The request body: read with a limit, inflated with a limit, decoded strictly. 413 is answered from Content-Length
// alone where there is one, otherwise as soon as the limit is passed. A body that stalls or breaks off is the caller's
// fault, never ours: it holds memory that other requests need.

import type { CallTimer } from "../lib/call-timer.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import { parseMemory } from "../lib/memory-budget.ts";
import { othersTurn } from "../lib/others-turn.ts";
import { joinBytes } from "../lib/collect-bytes.ts";
import type { Context } from "../context.ts";
import { begunCall, callTimer } from "../context.ts";
import { IDEMPOTENCY_HEADER, bodyHashOf } from "../metering/idempotent-call.ts";
import { bodyBrokeOff, bodyPieces, inflate, isGzip } from "./body-pieces.ts";
import { hasMoreValues } from "./json-size.ts";
import type { Config } from "../settings.ts";
import { oweRequest } from "../metering/refused-request.ts";
import { ApiError, apiError } from "../../shared/errors.ts";
import { REQUEST_TOKENS_MAX } from "../../shared/schemas/input.ts";

/** The media type of lines of JSON. */
export const LINES_TYPE = "application/x-ndjson";
/**
 * A body announced to be at most this long is read in one piece, which costs half of reading a stream. At the pace that
 * longer ones must keep (`bodyPatience`) it arrives within five seconds.
 */
export const SHORT_BYTES_MAX = 64 * 1024;
/** This much of it fits into the memory that every request has (`bodyMemory(0)`) until its answer is made. */
const FREE_BYTES = 14 * 1024;
/** Routes with a limit no higher than this take no gzip. */
const PLAIN_BYTES_MAX = 64 * 1024;
/** A larger body is read only for a key that may call now, and counts as a call even if it is refused. */
const LARGE_BYTES = 256 * 1024;
/** The most values of a large body: all token ids of a request, each text's array, and room for the rest. */
const VALUES_MAX = REQUEST_TOKENS_MAX + 20_000;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The parsed JSON body of at most `bytesMax` bytes (inflated). Throws ApiError: 413, 415, `invalid_json`. */
export async function readJson(c: Context, bytesMax: number): Promise<unknown> {
  checkMediaType(c);
  const bytes = await readBytes(c, bytesMax);
  if (bytes.length === 0) throw apiError("invalid_json", "The body is empty: it must be a JSON object.");
  if (c.req.header(IDEMPOTENCY_HEADER) !== undefined) {
    c.set("bodyHash", await bodyHashOf(c.get("services").config.CACHE_HMAC_KEY, bytes));
  }
  if (bytes.length > LARGE_BYTES) return await parseLarge(bytes);
  return parseShort(bytes);
}

/** The JSON in a short body. Throws `invalid_json`. */
export function parseShort(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw notJson(error);
  }
}

/** The same, with pauses for the isolate's other requests. */
async function parseLarge(bytes: Uint8Array): Promise<unknown> {
  await othersTurn(bytes.length);
  if (hasMoreValues(bytes, VALUES_MAX)) throw tooManyValues();
  await othersTurn(bytes.length);
  try {
    const text = decoder.decode(bytes);
    await othersTurn(text.length);
    const value: unknown = JSON.parse(text);
    await othersTurn(text.length);
    return value;
  } catch (error) {
    throw notJson(error);
  }
}

function notJson(error: unknown): ApiError {
  return apiError("invalid_json", `The body is not valid JSON in UTF-8${positionOf(error)}.`);
}

/** Without a type, or with curl's default one, JSON is assumed; other types are refused. */
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

/** Whether the body is lines of JSON. */
export function sendsLines(c: Context): boolean {
  return c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase() === LINES_TYPE;
}

/** Throws `body_too_large` for a body that announces more than `bytesMax`. */
export function checkAnnouncedLength(c: Context, bytesMax: number): void {
  if (Number(c.req.header("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);
}

function readBytes(c: Context, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer> {
  checkAnnouncedLength(c, bytesMax);
  const { body } = c.req.raw;
  const gzip = isGzip(c, bytesMax > PLAIN_BYTES_MAX);
  if (body === null) return new Uint8Array();
  const announced = Number(c.req.header("content-length") ?? Infinity);
  if (gzip || announced > SHORT_BYTES_MAX) return longBody(c, body, { announced, gzip, bytesMax });
  const read = begunCall(c)?.body;
  if (read === undefined) return shortBody(c.req.raw, callTimer(c), c.get("services").config, c.get("memory"));
  holdShort(read, c.get("memory"));
  return read;
}

async function longBody(
  c: Context,
  body: ReadableStream<Uint8Array>,
  { announced, gzip, bytesMax }: { readonly announced: number; readonly gzip: boolean; readonly bytesMax: number },
): Promise<Uint8Array<ArrayBuffer>> {
  // Checked before the body is read: it is too much to read for a key that may not call, and gzip may hold more.
  if (gzip || (announced > LARGE_BYTES && announced < Infinity)) await oweRequest(c);
  const received = await collect(c, body, bytesMax);
  const bytes = gzip ? inflate(received, bytesMax) : received;
  if (bytes === undefined) throw tooLarge(bytesMax);
  c.get("memory")?.grow(parseMemory(bytes.length));
  return bytes;
}

/** All of `stream`. Memory is taken as bytes arrive: an announced body that is never sent must not keep others out. */
async function collect(
  c: Context,
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of bodyPieces(stream, c.get("services").config.limits.bodyPatience)) {
    total += piece.length;
    if (total > bytesMax) throw tooLarge(bytesMax);
    c.get("memory")?.grow(piece.length);
    pieces.push(piece);
    if (total > LARGE_BYTES) await oweRequest(c);
  }
  return joinBytes(pieces);
}

/**
 * The whole body in one piece. While it arrives, the memory that every request has (`bodyMemory(0)`) is enough. Rejects with
 * ApiError.
 */
export async function shortBody(
  request: Request,
  timer: CallTimer,
  { limits }: Pick<Config, "limits">,
  memory: MemoryLease | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { idleMs } = limits.bodyPatience;
  let arrived = (): void => undefined;
  const arriving = new Promise<ArrayBuffer>((resolve, reject) => {
    const late = (): void => reject(apiError("invalid_request", `The body did not arrive within ${idleMs / 1000} s.`));
    arrived = timer.after(idleMs, late);
    request.arrayBuffer().then(resolve, reject);
  });
  try {
    const bytes = new Uint8Array(await arriving);
    holdShort(bytes, memory);
    return bytes;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw bodyBrokeOff();
  } finally {
    arrived();
  }
}

function holdShort(bytes: Uint8Array, memory: MemoryLease | undefined): void {
  if (bytes.length > FREE_BYTES) memory?.grow(bytes.length + parseMemory(bytes.length));
}

function tooManyValues() {
  return apiError(
    "too_many_tokens",
    `The body holds over ${VALUES_MAX} JSON values: a request takes at most ${REQUEST_TOKENS_MAX} token ids, and fewer texts.`,
  );
}

function tooLarge(bytesMax: number) {
  return apiError(
    "body_too_large",
    `The body is over the limit of ${bytesMax} bytes: send fewer texts a request, or a batch.`,
  );
}

/** V8's message names the position; the rest of it quotes the input, and is not passed on. */
function positionOf(error: unknown): string {
  const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? "" : ` (at character ${position})`;
}
