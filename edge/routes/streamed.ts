// An answer that is written while it is made, so that memory is bounded by a piece and not by an account's size.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/**
 * Answers `texts` one by one, with the headers of `c`. The work ends when the client leaves, because a write to its
 * stream fails, or when a piece fails, which breaks the body off. HEAD takes no piece: its stream is never read.
 */
export function streamed(c: Context, texts: AsyncIterable<string>): Response {
  if (c.req.method === "HEAD") return c.body(null);
  const { readable, writable } = new IdentityTransformStream();
  waitUntilOf(c)(writeAll(texts, writable.getWriter()));
  return c.body(readable);
}

async function writeAll(texts: AsyncIterable<string>, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  const encoder = new TextEncoder();
  try {
    for await (const text of texts) if (text !== "") await writer.write(encoder.encode(text));
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
  }
}
