// A backend over real HTTP that speaks the wire (shared/wire.ts), runs no model, and fails on demand, for e2e tests of
// the edge, its soak and its benches. A text's vector depends only on the text and the revision.

import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { float32ToFloat16Bits } from "../../shared/float16.ts";
import { FRAME_CONTENT_TYPE, decodeFrame, encodeFrame } from "../../shared/frame.ts";
import { embedRequestSchema } from "../../shared/wire.ts";
import type { EmbedRequest } from "../../shared/wire.ts";

export type Fault =
  | "none"
  | "hangs"
  | "hangs, /ready too"
  | "resets"
  | "garbage"
  | "wrong count"
  | "wrong revision"
  | "half a frame"
  | "damaged frame"
  | "503";

export interface FakeBackendOptions {
  readonly model: string;
  readonly secret: string;
  readonly dimensions?: number;
  readonly revision?: string;
  /** The delay before each answer. */
  readonly delayMs?: number;
}

/** The most vectors kept, so that repeating a large answer costs the fake almost nothing. */
const KNOWN_MAX = 4096;
const OTHER_REVISION = "f".repeat(16);

export class FakeBackendServer {
  fault: Fault = "none";
  revision: string;
  delayMs: number;
  /** Requests for work that arrived. */
  calls = 0;
  /** Texts that were answered. */
  texts = 0;
  /** Calls whose connection the edge closed before the answer. */
  abandoned = 0;
  readonly #options: FakeBackendOptions;
  readonly #dimensions: number;
  readonly #known = new Map<string, Uint16Array>();
  #held: Promise<void> = Promise.resolve();
  #server: Server | undefined;
  #port = 0;

  constructor(options: FakeBackendOptions) {
    this.#options = options;
    this.#dimensions = options.dimensions ?? 64;
    this.revision = options.revision ?? "1".repeat(16);
    this.delayMs = options.delayMs ?? 0;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens; after `stop`, on the same port again. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      // The request broke off while it was read, so nobody waits for an answer.
      this.#serve(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Like `kill -9` from outside: every connection breaks, and new ones are refused. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  /** Answers to work wait until the function that this gives is called. */
  hold(): () => void {
    let release = (): void => undefined;
    this.#held = new Promise((resolve) => (release = resolve));
    return release;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization } = request.headers;
    const isReady = request.url?.startsWith("/ready") === true;
    const isProbe = isReady && authorization === undefined;
    if (!isProbe && authorization !== `Bearer ${this.#options.secret}`) {
      json(response, 401, { error: faultOf("invalid_api_key", 1) });
      return;
    }
    if (isReady) {
      if (this.fault !== "hangs, /ready too") json(response, 200, this.#ready());
      return;
    }
    this.calls += 1;
    response.once("close", () => {
      if (!response.writableFinished) this.abandoned += 1;
    });
    const body = await read(request);
    if (this.fault === "hangs" || this.fault === "hangs, /ready too") return;
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    await this.#held;
    if (this.fault === "resets") request.socket.resetAndDestroy();
    else if (this.fault === "garbage")
      response.writeHead(200, { "content-type": "text/html" }).end("<html>hello</html>");
    else if (this.fault === "503") json(response, 503, { error: faultOf("overloaded", 2) });
    else this.#answer(request.url ?? "", parse(body), response);
  }

  #answer(path: string, wire: EmbedRequest, response: ServerResponse): void {
    if (wire.revision !== null && wire.revision !== this.revision) {
      json(response, 503, { error: faultOf("model_not_ready", 1) });
      return;
    }
    const texts = this.fault === "wrong count" ? wire.texts.slice(1) : wire.texts;
    const tokens = texts.map(tokensOf);
    const header = {
      version: 1,
      revision: this.fault === "wrong revision" ? OTHER_REVISION : this.revision,
      tokens,
      truncated: tokens.map(() => false),
    };
    if (path === "/tokenize") {
      const ids = new Uint32Array(tokens.reduce((sum, count) => sum + count, 0));
      this.#send(response, encodeFrame(JSON.stringify(header), new Uint8Array(ids.buffer)));
      return;
    }
    this.texts += texts.length;
    const embedded = {
      ...header,
      dimensions: this.#dimensions,
      load: { queueSeconds: 0 },
      timings: { tokenizeMs: 0.1, queueMs: 0.1, runMs: 1 },
    };
    this.#send(response, encodeFrame(JSON.stringify(embedded), this.#vectors(texts)));
  }

  #send(response: ServerResponse, frame: Uint8Array): void {
    if (this.fault === "damaged frame") frame[frame.length - 5] = (frame[frame.length - 5] ?? 0) ^ 1;
    response.writeHead(200, { "content-type": FRAME_CONTENT_TYPE, "content-length": frame.length });
    if (this.fault !== "half a frame") response.end(frame);
    else response.write(frame.subarray(0, frame.length >> 1), () => response.destroy());
  }

  #vectors(texts: EmbedRequest["texts"]): Uint8Array {
    const values = texts.length * this.#dimensions;
    const payload = new Uint16Array(values + (values % 2));
    for (const [index, text] of texts.entries()) {
      payload.set(this.#vector(text), index * this.#dimensions);
    }
    return new Uint8Array(payload.buffer);
  }

  #vector(text: string | number): Uint16Array {
    const name = `${this.revision}${text}`;
    const known = this.#known.get(name) ?? fakeVector(text, this.revision, this.#dimensions);
    if (this.#known.size < KNOWN_MAX) this.#known.set(name, known);
    return known;
  }

  #ready(): object {
    return {
      status: "ready",
      model: this.#options.model,
      revision: this.revision,
      dimensions: this.#dimensions,
      contextTokens: 8192,
      vocabularySize: 50_000,
      endTokenId: 0,
      pooling: "last",
      load: { queueSeconds: 0 },
      tokensPerSecond: 1000,
    };
  }
}

/** One token for each letter, and one for the end. */
export function tokensOf(text: string | number): number {
  return (typeof text === "number" ? text : text.length) + 1;
}

/** The canonical vector that a fake backend gives `text`. */
export function fakeVector(text: string | number, revision: string, dimensions: number): Uint16Array {
  let seed = 2_166_136_261;
  for (const unit of `${revision}${text}`) seed = Math.imul(seed ^ (unit.codePointAt(0) ?? 0), 16_777_619);
  const values = new Float32Array(dimensions);
  let squares = 0;
  for (let index = 0; index < dimensions; index += 1) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    values[index] = seed / 2 ** 31;
    squares += (seed / 2 ** 31) ** 2;
  }
  const norm = Math.sqrt(squares);
  return float32ToFloat16Bits(values.map((value) => value / norm));
}

function parse(body: Uint8Array<ArrayBuffer>): EmbedRequest {
  const frame = decodeFrame(body);
  if (frame.kind !== "frame") throw new Error(`a request that ${frame.reason}`);
  return embedRequestSchema.parse(frame.header);
}

function faultOf(code: string, retryAfterS: number): object {
  return { code, message: code, index: null, facts: {}, retryAfterS };
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

async function read(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new Uint8Array(Buffer.concat(chunks));
}
