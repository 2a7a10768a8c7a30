// The request body: read with a cap, inflated with a cap, decoded strictly. 413 from Content-Length alone where it is
// announced; otherwise the moment the cap is passed.

import { bodyMemory } from "../answer/memory-budget.ts";
import { collectBytes } from "../collect-bytes.ts";
import type { Context } from "../context.ts";
import { IDEMPOTENCY_HEADER, bodyHashOf } from "../idempotent-call.ts";
import { apiError } from "../../shared/errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** The parsed JSON body of at most `bytesMax` bytes (inflated). Throws ApiError: 413, 415, `invalid_json`. */
export async function readJson(c: Context, bytesMax: number): Promise<unknown> {
  checkMediaType(c);
  const bytes = await readBytes(c, bytesMax);
  // A length that was not announced, or that of the inflated text, is only known now.
  const announced = c.req.header("content-encoding") === undefined ? Number(c.req.header("content-length") ?? 0) : 0;
  if (bytes.length > announced) c.get("memory")?.grow(bodyMemory(bytes.length));
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

async function readBytes(c: Context, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  if (Number(c.req.header("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const { body } = c.req.raw;
  if (body === null) return new Uint8Array();
  const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity") return collect(body, bytesMax);
  if (encoding !== "gzip") throw apiError("unsupported_media_type", "The content encoding must be gzip or none.");
  try {
    return await collect(body.pipeThrough(new DecompressionStream("gzip")), bytesMax);
  } catch (error) {
    if (error instanceof TypeError) throw apiError("invalid_json", "The body is not valid gzip.");
    throw error;
  }
}

async function collect(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await collectBytes(stream, bytesMax);
  if (bytes === undefined) throw tooLarge(bytesMax);
  return bytes;
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
