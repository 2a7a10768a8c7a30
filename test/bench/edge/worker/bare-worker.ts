// The Worker of bare-process.ts.

import { FRAME_CONTENT_TYPE, decodeFrame, encodeFrame } from "../../../../shared/frame.ts";
import { parseEmbeddingsRequest } from "../../../../shared/schemas/embeddings.ts";
import { WIRE_VERSION, readEmbedAnswer } from "../../../../shared/wire.ts";
import type { EmbeddingsBody } from "../../../../edge/answer/embeddings-body.ts";
import { CHUNK_BYTES, bodyBytesMax, wholeBody, writeBody } from "../../../../edge/answer/embeddings-body.ts";
import { must } from "../../../../shared/assert.ts";

declare const ORIGIN: string;

/** The runtime has it, its type package not yet. */
const toBase64 = (bytes: Uint8Array): string => (bytes as Uint8Array & { toBase64(): string }).toBase64();

const ANSWER_HEADERS = { "content-type": "application/json; charset=utf-8", "x-request-id": "req_bare" };

// oxlint-disable-next-line import/no-default-export -- a Worker's entry
export default {
  async fetch(request: Request): Promise<Response> {
    const { model, input, encoding } = parseEmbeddingsRequest(await request.json());
    if (input.kind === "ids") return new Response(null, { status: 400 });
    const frame = encodeFrame(
      JSON.stringify({
        version: WIRE_VERSION,
        model,
        revision: null,
        account: "bare",
        tier: "interactive",
        truncate: "none",
        prefix: "",
        texts: input.texts,
      }),
      new Uint8Array(),
    );
    const answer = await fetch(`${ORIGIN}/embed`, {
      method: "POST",
      headers: { "content-type": FRAME_CONTENT_TYPE },
      body: frame,
    });
    const decoded = decodeFrame(new Uint8Array(await answer.arrayBuffer()));
    const header = decoded.kind === "frame" ? readEmbedAnswer(decoded.header) : undefined;
    if (decoded.kind !== "frame" || header === undefined) return new Response(null, { status: 502 });
    const { dimensions, tokens } = header;
    const bits = new Uint16Array(decoded.payload.buffer, decoded.payload.byteOffset, dimensions * tokens.length);
    const vectors = tokens.map((_, index) => bits.subarray(index * dimensions, (index + 1) * dimensions));
    const total = tokens.reduce((sum, count) => sum + count, 0);
    const usage = { prompt_tokens: total, total_tokens: total };
    const body = { vectors, dimensions, dtype: "float", encoding, model, usage, pairs: false } as const;
    return new Response(contentOf(body), { headers: ANSWER_HEADERS });
  },
};

/** In one piece, however long. Short texts, and base64, are a string; the buffer for other short texts holds no long one. */
function contentOf(body: EmbeddingsBody): string | Uint8Array<ArrayBuffer> {
  if (body.encoding === "base64" || bodyBytesMax(body) <= CHUNK_BYTES) return wholeBody(body, toBase64);
  const [whole] = writeBody(body, toBase64, Infinity);
  return must(whole, "one piece without a limit");
}
