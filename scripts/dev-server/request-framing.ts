// Finds where one HTTP/1.1 request ends and the next begins, read strictly (RFC 9112). Pure: bytes in, bytes to pass on
// or a refusal out; no I/O, no clock. In production Cloudflare does this in front of the Worker. Without it, the local
// Workers runtime would answer what its parser dislikes with a bare "500 Internal Server Error", or accept what another
// hop would read differently (a folded header, a space before a colon).

import type { ErrorCode } from "../../shared/errors.ts";

const HEAD_BYTES_MAX = 64 * 1024;
const HEADERS_MAX = 256;
/**
 * Only uploads take larger bodies. Their head is passed on first, without the body, because it is likely to be refused.
 */
const BODY_HELD_BYTES = 8 * 1024 * 1024;
const CHUNK_LINE_BYTES_MAX = 256;
const TRAILER_BYTES_MAX = 8 * 1024;

export const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** Nothing of this request was passed on, so the proxy must answer. Otherwise the Worker answers a body cut short. */
  readonly unanswered: boolean;
}

export interface Framed {
  /** Bytes to pass on, in order. */
  readonly pieces: readonly Buffer[];
  /** Set: nothing after `pieces` is passed on. */
  readonly refusal?: Refusal;
  /** `pieces` ends with the head of a body over BODY_HELD_BYTES; the next `push` continues with the body. */
  readonly held?: true;
}

type State =
  | { readonly kind: "head" }
  /** `left` bytes of a body, or of a chunk with its line end. */
  | { readonly kind: "bytes"; readonly left: number; readonly after: "head" | "chunk-size" }
  | { readonly kind: "chunk-size" }
  | { readonly kind: "trailers"; readonly seen: number };

class RefusedError extends Error {
  override name = "RefusedError";
  readonly code: ErrorCode;

  constructor(message: string, code: ErrorCode = "invalid_request") {
    super(message);
    this.code = code;
  }
}

const HEAD_END = "\r\n\r\n";
const REQUEST_LINE = /^(\S+) (\S+) HTTP\/1\.([01])$/;
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/s;
// oxlint-disable-next-line no-control-regex -- finding control characters is the point
const CONTROL = /[\u0000-\u0008\u000A-\u001F\u007F]/;
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;
/** Headers by which Cloudflare tells the Worker the caller's address. A client could forge them. */
const FRONTS_OWN = /^cf-connecting-ip(?:v6)?:/i;
const ABSOLUTE = /^https?:\/\/([^/?#]*)([^#]*)$/i;
const LENGTH = /^\d{1,15}$/;
const CHUNK_SIZE = /^[\da-f]{1,8}$/i;

/** One connection's requests. */
export class RequestFraming {
  #state: State = { kind: "head" };
  #rest: Buffer = Buffer.alloc(0);
  #isHeld = false;

  /** Whether a request's head has begun and not ended; the proxy limits that time. */
  get isInsideHead(): boolean {
    return this.#state.kind === "head" && this.#rest.length > 0;
  }

  /** Processes the bytes that arrived. Must not be called after a refusal. */
  push(bytes: Buffer): Framed {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const pieces: Buffer[] = [];
    try {
      for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
        pieces.push(piece);
        if (this.#isHeld) {
          this.#isHeld = false;
          return { pieces, held: true };
        }
      }
      return { pieces };
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const unanswered = this.#state.kind === "head";
      return { pieces, refusal: { code: error.code, message: error.message, unanswered } };
    }
  }

  /** The next piece to pass on, or undefined until more arrives. */
  #next(): Buffer | undefined {
    const state = this.#state;
    if (this.#rest.length === 0) return undefined;
    switch (state.kind) {
      case "head":
        return this.#head();
      case "bytes": {
        const piece = this.#take(Math.min(state.left, this.#rest.length));
        const left = state.left - piece.length;
        this.#state = left === 0 ? { kind: state.after } : { ...state, left };
        return piece;
      }
      case "chunk-size":
        return this.#chunkSize();
      case "trailers":
        return this.#trailers(state.seen);
      default:
        return undefined;
    }
  }

  #head(): Buffer | undefined {
    // A line end before a request line is ignored (RFC 9112, 2.2).
    while (this.#rest.length >= 2 && this.#rest[0] === 13 && this.#rest[1] === 10) this.#take(2);
    const end = this.#rest.indexOf(HEAD_END, 0, "latin1");
    if (end < 0 ? this.#rest.length > HEAD_BYTES_MAX : end > HEAD_BYTES_MAX) {
      throw new RefusedError(`The headers are over the limit of ${HEAD_BYTES_MAX} bytes.`, "headers_too_large");
    }
    if (end < 0) {
      // A head with a bare line feed never ends, and its client would only run into the time limit.
      if (/[^\r]\n/.test(this.#rest.toString("latin1"))) throw new RefusedError("Lines must end with CRLF.");
      return undefined;
    }
    const head = readHead(this.#rest.toString("latin1", 0, end));
    this.#take(end + HEAD_END.length);
    if (head.chunked) this.#state = { kind: "chunk-size" };
    else if (head.length > 0) this.#state = { kind: "bytes", left: head.length, after: "head" };
    this.#isHeld = head.length > BODY_HELD_BYTES;
    return Buffer.from(head.text + HEAD_END, "latin1");
  }

  /** Passes a size line on without its extension. */
  #chunkSize(): Buffer | undefined {
    const line = this.#line(CHUNK_LINE_BYTES_MAX);
    if (line === undefined) return undefined;
    const size = line.split(";")[0]?.trimEnd() ?? "";
    if (!CHUNK_SIZE.test(size)) throw new RefusedError("A chunk's size must be a hexadecimal number.");
    const bytes = Number.parseInt(size, 16);
    this.#state =
      bytes === 0 ? { kind: "trailers", seen: 0 } : { kind: "bytes", left: bytes + "\r\n".length, after: "chunk-size" };
    return Buffer.from(`${size}\r\n`, "latin1");
  }

  /** Reads and drops trailers, which we do not use. */
  #trailers(seen: number): Buffer | undefined {
    const line = this.#line(TRAILER_BYTES_MAX - seen);
    if (line === undefined) return undefined;
    this.#state = line === "" ? { kind: "head" } : { kind: "trailers", seen: seen + line.length + 2 };
    return line === "" ? Buffer.from("\r\n", "latin1") : Buffer.alloc(0);
  }

  #line(bytesMax: number): string | undefined {
    const end = this.#rest.indexOf("\r\n", 0, "latin1");
    if ((end < 0 ? this.#rest.length : end) > bytesMax)
      throw new RefusedError("A line of the chunked body is too long.");
    if (end < 0) return undefined;
    const line = this.#take(end + 2).toString("latin1", 0, end);
    if (CONTROL.test(line)) throw new RefusedError("Lines must end with CRLF and hold no control characters.");
    return line;
  }

  #take(bytes: number): Buffer {
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return taken;
  }
}

interface Head {
  /** The head that is passed on, without its last two line ends. */
  readonly text: string;
  readonly chunked: boolean;
  readonly length: number;
}

function readHead(text: string): Head {
  const [requestLine = "", ...lines] = text.split("\r\n");
  const target = readRequestLine(requestLine);
  if (lines.length > HEADERS_MAX) {
    throw new RefusedError(`More than ${HEADERS_MAX} headers.`, "headers_too_large");
  }
  const values = new Map<string, string[]>();
  for (const line of lines) {
    if (line.startsWith(" ") || line.startsWith("\t")) throw new RefusedError("A header must stand on one line.");
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined || CONTROL.test(value)) {
      throw new RefusedError("A header line must be `Name: value`, without control characters.");
    }
    const key = name.toLowerCase();
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  const [host, ...moreHosts] = values.get("host") ?? [];
  if (host === undefined || moreHosts.length > 0 || !HOST.test(host)) {
    throw new RefusedError("A request needs exactly one `Host` header with a host's name.");
  }
  const passed = withHost(lines, target.host).filter((line) => !FRONTS_OWN.test(line));
  return { text: [target.requestLine, ...passed].join("\r\n"), ...readLength(values) };
}

/** The request line with its target as a path; an absolute target, as proxies send it, also gives the host. */
function readRequestLine(line: string): { requestLine: string; host: string | undefined } {
  const [, method = "", target = "", minor] = REQUEST_LINE.exec(line) ?? [];
  if (minor === undefined || CONTROL.test(line)) throw new RefusedError("This is no HTTP/1.1 request.");
  if (!METHODS.includes(method)) {
    throw new RefusedError(`The method must be one of ${METHODS.join(", ")}.`, "method_not_allowed");
  }
  if (target.startsWith("/")) return { requestLine: line, host: undefined };
  const [, host = "", path = ""] = ABSOLUTE.exec(target) ?? [];
  if (!HOST.test(host)) throw new RefusedError("The request's target must be a path that begins with `/`.");
  const rooted = path.startsWith("/") ? path : `/${path}`;
  return { requestLine: `${method} ${rooted} HTTP/1.${minor}`, host };
}

function withHost(lines: readonly string[], host: string | undefined): readonly string[] {
  return host === undefined ? lines : lines.map((line) => (/^host:/i.test(line) ? `Host: ${host}` : line));
}

/** How the body ends. Two statements of that allow request smuggling, so they are refused even if they agree. */
function readLength(values: ReadonlyMap<string, readonly string[]>): { chunked: boolean; length: number } {
  const codings = values.get("transfer-encoding") ?? [];
  const lengths = values.get("content-length") ?? [];
  if (codings.length + lengths.length > 1) {
    throw new RefusedError("A body has one `Content-Length` or one `Transfer-Encoding`, not several.");
  }
  const [coding] = codings;
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") throw new RefusedError("`Transfer-Encoding` can only be chunked.");
    return { chunked: true, length: 0 };
  }
  const [length = "0"] = lengths;
  if (!LENGTH.test(length)) throw new RefusedError("`Content-Length` must be a number of bytes.");
  return { chunked: false, length: Number(length) };
}
