// The audit's connections: kept alive, and broken off where a planned client would.

import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

/** The API's own limit of a call is a minute. */
export const ANSWER_MS = 100_000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export class Wire {
  readonly #base: URL;
  readonly #key: string;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;

  constructor(url: string, key: string, concurrency: number) {
    this.#base = new URL(url);
    this.#key = key;
    const isHttps = this.#base.protocol === "https:";
    const settings = { keepAlive: true, maxSockets: 2 * concurrency };
    this.#agent = isHttps ? new HttpsAgent(settings) : new HttpAgent(settings);
    this.#request = isHttps ? httpsRequest : httpRequest;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** A request of which nothing was sent yet. */
  open(method: string, path: string, headers: Readonly<Record<string, string>>): ClientRequest {
    return this.#request(new URL(path, this.#base), {
      method,
      agent: this.#agent,
      headers: { authorization: `Bearer ${this.#key}`, ...headers },
    });
  }

  /** A whole exchange; undefined: the connection broke, or nothing came. */
  ask(
    method: string,
    path: string,
    body?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer | undefined> {
    const bytes = Buffer.from(body ?? "");
    const request = this.open(method, path, {
      ...(body !== undefined && { "content-type": "application/json", "content-length": String(bytes.byteLength) }),
      ...headers,
    });
    return new Promise((resolve) => {
      const timer = setTimeout(() => breakOff(request), ANSWER_MS);
      const end = (answer: Answer | undefined): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      request.on("error", () => end(undefined));
      request.on("response", (response) => void answerOf(response).then(end));
      request.end(bytes);
    });
  }
}

/** A reset, and not an orderly end: the server learns of it at once. */
export function breakOff(request: ClientRequest): void {
  request.socket?.resetAndDestroy();
  request.destroy();
}

async function answerOf(response: IncomingMessage): Promise<Answer | undefined> {
  const bytes = await readAll(response);
  const { statusCode: status = 0, headers } = response;
  return bytes && { status, headers, text: bytes.toString() };
}

/** Undefined: the connection broke before the end. */
export async function readAll(response: IncomingMessage, pauseMs = 0): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    const stream: AsyncIterable<Buffer> = response;
    for await (const piece of stream) {
      pieces.push(piece);
      if (pauseMs > 0) await sleep(pauseMs);
    }
    return Buffer.concat(pieces);
  } catch {
    return undefined;
  }
}

/** `Retry-After`, in ms. */
export function retryAfterMs(headers: IncomingHttpHeaders): number | undefined {
  const seconds = Number(headers["retry-after"] ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
