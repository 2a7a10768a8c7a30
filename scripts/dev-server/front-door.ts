// A TCP proxy in front of the local Workers runtime that only checks where requests begin and end. Well-formed bytes
// pass unchanged in both directions, and so do the client's resets. Anything else is answered here in the API's error
// shape; in production, Cloudflare answers it (in its own form) before a Worker would see it.

import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { METHODS, RequestFraming } from "./request-framing.ts";
import type { Refusal } from "./request-framing.ts";
import { assert } from "../../shared/assert.ts";
import { ERRORS } from "../../shared/errors.ts";

/** A head that is not complete by then is refused, so that idle connections end. */
const HEAD_WAIT_MS = 10_000;
/** How long the Worker may take to refuse a large body before the body follows its head. */
const BODY_HOLD_MS = 500;
/** How long a client may continue to send after its last answer. */
const LINGER_MS = 5000;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
};

export interface FrontDoor {
  readonly url: string;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1:`port` (0: a free one) and passes requests on to 127.0.0.1:`upstreamPort`. */
export async function openFrontDoor(port: number, upstreamPort: number): Promise<FrontDoor> {
  const clients = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    clients.add(client);
    client.once("close", () => clients.delete(client));
    passOn(client, upstreamPort, urlOf(server));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: urlOf(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
}

function urlOf(server: Server): string {
  const address = server.address();
  assert(address !== null && typeof address === "object", "a server that listens on TCP");
  return `http://127.0.0.1:${address.port}`;
}

function passOn(client: Socket, upstreamPort: number, origin: string): void {
  const upstream = connect({ host: "127.0.0.1", port: upstreamPort, allowHalfOpen: true, noDelay: true });
  const framing = new RequestFraming();
  let refused: Refusal | undefined;
  let headTimer: NodeJS.Timeout | undefined;

  // Passes no more of the client's bytes on, but still reads and drops them: closing a socket with unread bytes resets
  // it, and the reset may overtake the answer.
  const deafen = (): void => {
    clearTimeout(headTimer);
    client.off("data", onData);
    client.resume();
  };
  // A half-close lets running requests finish; our own answer follows theirs.
  const refuse = (refusal: Refusal): void => {
    refused = refusal;
    deafen();
    upstream.end();
  };
  const finish = (): void => {
    if (client.writableEnded) return;
    deafen();
    client.end(refused?.unanswered === true ? answerOf(refused, origin) : "");
    setTimeout(() => client.destroy(), LINGER_MS).unref();
  };
  // Waits for an answer to the head: a body would only fill the socket of a runtime that has stopped reading.
  const hold = (): void => {
    client.pause();
    const timer = setTimeout(() => {
      upstream.off("data", answered);
      client.resume();
      onData(Buffer.alloc(0));
    }, BODY_HOLD_MS);
    const answered = (): void => {
      clearTimeout(timer);
      deafen();
      upstream.end();
    };
    upstream.once("data", answered);
    client.once("close", () => clearTimeout(timer));
  };
  const onData = (bytes: Buffer): void => {
    const { pieces, refusal, held } = framing.push(bytes);
    let hasRoom = true;
    for (const piece of pieces) hasRoom = upstream.write(piece);
    if (refusal !== undefined) return refuse(refusal);
    if (held === true) return hold();
    if (!hasRoom) client.pause();
    if (!framing.isInsideHead) {
      clearTimeout(headTimer);
      headTimer = undefined;
    } else headTimer ??= setTimeout(() => refuse(lateHead()), HEAD_WAIT_MS);
    return undefined;
  };

  client.on("data", onData);
  upstream.on("drain", () => client.resume());
  upstream.pipe(client, { end: false });
  upstream.once("end", finish);
  upstream.once("error", finish);
  client.once("end", () => upstream.end());
  // A reset is passed on as a reset, which tells the Worker that nobody waits for its answer.
  client.once("error", () => upstream.resetAndDestroy());
  client.once("close", () => {
    clearTimeout(headTimer);
    upstream.destroy();
  });
}

function lateHead(): Refusal {
  return {
    code: "invalid_request",
    message: `The request's headers did not arrive within ${HEAD_WAIT_MS / 1000} s.`,
    unanswered: true,
  };
}

/** A whole answer in the shape of edge/middleware/errors.ts. */
function answerOf(refusal: Refusal, origin: string): string {
  const { status, type } = ERRORS[refusal.code];
  const message = `${refusal.message} See ${origin}/docs/errors#${refusal.code}`;
  const body = JSON.stringify({ error: { message, type, param: null, code: refusal.code } });
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Error"}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "Access-Control-Allow-Origin: *",
    "X-Should-Retry: false",
    ...(refusal.code === "method_not_allowed" ? [`Allow: ${METHODS.join(", ")}`] : []),
    "Connection: close",
  ];
  return `${headers.join("\r\n")}\r\n\r\n${body}`;
}
