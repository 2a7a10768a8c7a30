// HTTP by hand over a socket: requests that no client library would send, and answers read without trusting them.
import { connect } from "node:net";
import type { Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** Everything that came, head included, as latin1: for what must not be in it. */
  readonly raw: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** One connection. Answers are read one after the other, whatever they belong to. */
export class RawConnection {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("data", (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
    });
    this.#socket.on("error", () => undefined);
    for (const event of ["end", "close"]) {
      this.#socket.on(event, () => {
        this.#closed = true;
        this.#wake();
      });
    }
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The next answer, or undefined when the connection closes without one. */
  async read(): Promise<RawAnswer | undefined> {
    for (;;) {
      const answer = this.#parse();
      if (answer !== undefined) return answer;
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #parse(): RawAnswer | undefined {
    const text = this.#bytes.toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const from = end + 4;
    const length = headers.get("content-length");
    const bodyEnd =
      length !== undefined
        ? from + Number(length)
        : headers.get("transfer-encoding") === "chunked"
          ? text.indexOf("0\r\n\r\n", from) + 5
          : status === 204
            ? from
            : Number.NaN;
    if (!(bodyEnd >= from + (length === undefined && status !== 204 ? 5 : 0)) || text.length < bodyEnd) {
      return undefined;
    }
    this.#bytes = this.#bytes.subarray(bodyEnd);
    const body = this.#bytes.length >= 0 ? text.slice(from, bodyEnd) : "";
    return { status, raw: text.slice(0, bodyEnd), headers, body: Buffer.from(body, "latin1").toString("utf8") };
  }
}

/** Header lines of a request, in order, repeats allowed. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** A request with exactly these lines: nothing is added, nothing checked. */
export function rawRequest(requestLine: string, headers: HeaderLines, body: string | Buffer = ""): Buffer {
  const head = [requestLine, ...headers.map(([name, value]) => `${name}: ${value}`)].join("\r\n");
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, "latin1"), Buffer.isBuffer(body) ? body : Buffer.from(body)]);
}
