// The upstream of every system under test, a process of its own: the same texts get the same vectors, over our wire
// (shared/wire.ts) for this edge, in OpenAI's shape for the others. Answers are made once and sent again and again, so
// that the upstream costs next to nothing. Told by IPC: nothing; tells: its port.

import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { float16BitsToFloat32 } from "../../../shared/float16.ts";
import { writeFloatText } from "../../../shared/float-text.ts";
import { FRAME_CONTENT_TYPE, decodeFrame, encodeFrame } from "../../../shared/frame.ts";
import type { EmbedRequest } from "../../../shared/wire.ts";
import { fakeVector } from "../../support/fake-backend-server.ts";
import { DIMENSIONS, MODEL } from "./shapes.ts";

const REVISION = "1".repeat(16);
const TOKENS_A_TEXT = 100;
const VECTOR = fakeVector("bench", REVISION, DIMENSIONS);
const frames = new Map<number, Buffer>();
const bodies = new Map<string, Buffer>();

const server = createServer((request, response) => void answer(request, response));
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.once("disconnect", () => process.exit(0));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url?.startsWith("/ready") === true) {
    send(response, "application/json", Buffer.from(JSON.stringify(ready())));
    return;
  }
  if (request.method !== "POST") {
    // LiteLLM looks around before it begins.
    response.writeHead(404).end();
    return;
  }
  const body = await read(request);
  if (request.url === "/embed" || request.url === "/tokenize") {
    const frame = decodeFrame(new Uint8Array(body));
    const count = frame.kind === "frame" ? (frame.header as EmbedRequest).texts.length : 0;
    const isEmbed = request.url === "/embed";
    send(response, FRAME_CONTENT_TYPE, isEmbed ? known(frames, count, frameOf) : tokenFrameOf(count));
    return;
  }
  const { input, encoding_format: encoding } = JSON.parse(body.toString()) as {
    input: string | string[];
    encoding_format?: string;
  };
  const count = typeof input === "string" ? 1 : input.length;
  const name = `${count} ${encoding === "base64" ? "base64" : "float"}`;
  send(response, "application/json", known(bodies, name, bodyOf));
}

function known<Key>(made: Map<Key, Buffer>, key: Key, make: (key: Key) => Buffer): Buffer {
  const bytes = made.get(key) ?? make(key);
  made.set(key, bytes);
  return bytes;
}

function frameOf(count: number): Buffer {
  const payload = new Uint16Array(count * DIMENSIONS);
  for (let index = 0; index < count; index += 1) payload.set(VECTOR, index * DIMENSIONS);
  const header = {
    version: 1,
    revision: REVISION,
    dimensions: DIMENSIONS,
    tokens: Array.from({ length: count }, () => TOKENS_A_TEXT),
    truncated: Array.from({ length: count }, () => false),
    load: { queueSeconds: 0 },
    timings: { tokenizeMs: 0, queueMs: 0, runMs: 0 },
  };
  return Buffer.from(encodeFrame(JSON.stringify(header), new Uint8Array(payload.buffer)));
}

/** Before a refusal the edge has the exact tokens counted. */
function tokenFrameOf(count: number): Buffer {
  const tokens = Array.from({ length: count }, () => TOKENS_A_TEXT);
  const header = { version: 1, revision: REVISION, tokens, truncated: tokens.map(() => false) };
  return Buffer.from(encodeFrame(JSON.stringify(header), new Uint8Array(count * TOKENS_A_TEXT * 4)));
}

function bodyOf(name: string): Buffer {
  const [count, encoding] = name.split(" ");
  const values = float16BitsToFloat32(VECTOR);
  const embedding =
    encoding === "base64" ? JSON.stringify(Buffer.from(values.buffer).toString("base64")) : `[${textsOf(values)}]`;
  const data = Array.from(
    { length: Number(count) },
    (_, index) => `{"object":"embedding","index":${index},"embedding":${embedding}}`,
  );
  const tokens = TOKENS_A_TEXT * data.length;
  const usage = JSON.stringify({ prompt_tokens: tokens, total_tokens: tokens });
  return Buffer.from(`{"object":"list","data":[${data.join(",")}],"model":"${MODEL}","usage":${usage}}`);
}

function textsOf(values: Float32Array): string {
  const scratch = new Uint8Array(32);
  return Array.from(values, (value) =>
    Buffer.from(scratch.subarray(0, writeFloatText(value, scratch, 0))).toString(),
  ).join(",");
}

function ready(): object {
  return {
    status: "ready",
    model: MODEL,
    revision: REVISION,
    dimensions: DIMENSIONS,
    contextTokens: 8192,
    vocabularySize: 50_000,
    endTokenId: 0,
    pooling: "last",
    load: { queueSeconds: 0 },
    tokensPerSecond: 1_000_000,
  };
}

function send(response: ServerResponse, type: string, bytes: Buffer): void {
  response.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
