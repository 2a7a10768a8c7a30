// A stream as a client sees it.

import type { Api, ApiAnswer } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";
import { linesOf } from "../../support/stream-lines.ts";
import type { Lines } from "../../support/stream-lines.ts";

export interface StreamCall {
  readonly key: string;
  readonly body: BodyInit;
  readonly query?: string;
  readonly headers?: Record<string, string>;
}

export async function stream(
  api: Api,
  { key, body, query = "", headers = {} }: StreamCall,
): Promise<Lines & ApiAnswer> {
  const answer = await api.call(`/v1/embeddings?model=${MODEL}${query}`, {
    method: "POST",
    key,
    headers: { "content-type": "application/x-ndjson", ...headers },
    body,
  });
  return { ...answer, ...linesOf(answer.status === 200 ? answer.text : "") };
}

/** A client that sends and reads as it likes. */
export class Duplex {
  readonly response: Promise<Response>;
  /** Everything that was read. */
  text = "";
  readonly #leave = new AbortController();
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(api: Api, { key, query = "", headers = {} }: Omit<StreamCall, "body">) {
    const { readable, writable } = new IdentityTransformStream();
    this.#writer = writable.getWriter();
    this.response = api.open(`/v1/embeddings?model=${MODEL}${query}`, {
      method: "POST",
      key,
      headers: { "content-type": "application/x-ndjson", ...headers },
      body: readable,
      signal: this.#leave.signal,
    });
  }

  /** Resolves when the bytes were taken. */
  async send(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text));
  }

  async end(): Promise<void> {
    await this.#writer.close();
  }

  /** Reads on until `enough` of what has come, or the end. */
  async readUntil(enough: (lines: Lines) => boolean): Promise<Lines> {
    this.#reader ??= (await this.response).body?.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const lines = linesOf(this.text.slice(0, this.text.lastIndexOf("\n") + 1));
      if (enough(lines)) return lines;
      const piece = await this.#reader?.read();
      if (piece?.value === undefined) return lines;
      this.text += decoder.decode(piece.value, { stream: true });
    }
  }

  /** The connection breaks. */
  async leave(): Promise<void> {
    this.#leave.abort();
    await this.#writer.abort().catch(() => undefined);
    await this.#reader?.cancel().catch(() => undefined);
  }
}

export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}

/** A text no other test has. */
export function texts(count: number, word = "text"): string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${index}`);
}
