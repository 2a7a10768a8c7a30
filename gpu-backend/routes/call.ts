// One HTTP call as the routes see it: its body, its deadline, whether its caller is still there, and what is said back.

import type { IncomingMessage, ServerResponse } from "node:http";

import { apiError, ApiError, ERRORS, type ErrorCode } from "../../shared/errors.ts";
import { FRAME_CONTENT_TYPE, REQUEST_FRAME_BYTES_MAX } from "../../shared/frame.ts";
import { type BackendFault, DEADLINE_HEADER, REQUEST_ID_HEADER } from "../../shared/wire.ts";
import { type Stage, STAGES } from "../metrics.ts";
import { TextFault } from "../tokenizer/text-fault.ts";

/** Why a call was aborted by its caller, who reads no answer. */
export class CallerGone extends Error {
  override name = "CallerGone";
}

export interface CallLimits {
  readonly deadlineMsDefault: number;
  readonly deadlineMsMax: number;
}

/** Bytes that calls hold at once: bodies, vectors, frames. */
export class Holdings {
  bytes = 0;
  readonly max: number;
  readonly onRefusal: () => void;
  constructor(max: number, onRefusal: () => void) {
    this.max = max;
    this.onRefusal = onRefusal;
  }
}

export class Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly receivedAt = performance.now();
  readonly stages = new Map<Stage, number>();
  readonly #gone = new AbortController();
  readonly #limits: CallLimits;
  readonly #holdings: Holdings;
  #held = 0;

  constructor(request: IncomingMessage, response: ServerResponse, limits: CallLimits, holdings: Holdings) {
    this.request = request;
    this.response = response;
    this.#limits = limits;
    this.#holdings = holdings;
    response.once("close", () => {
      this.#holdings.bytes -= this.#held;
      if (!response.writableFinished) this.#gone.abort(new CallerGone("the caller closed the connection"));
    });
  }

  /** Aborted with CallerGone when the connection closes before the answer is out. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Reserves memory until the answer is out. Throws ApiError when too much is in flight. */
  hold(bytes: number): void {
    this.signal.throwIfAborted(); // once closed, nothing would give it back
    if (this.#holdings.bytes + bytes > this.#holdings.max) {
      this.#holdings.onRefusal();
      throw apiError("overloaded", "The backend holds as much as it may. Try again after the time given.", null, 1);
    }
    this.#holdings.bytes += bytes;
    this.#held += bytes;
  }

  get requestId(): string {
    const given = this.request.headers[REQUEST_ID_HEADER];
    return typeof given === "string" && /^[A-Za-z0-9._:-]{1,128}$/.test(given) ? given : "none";
  }

  get traceparent(): string | undefined {
    const given = this.request.headers["traceparent"];
    return typeof given === "string" ? given : undefined;
  }

  /** Milliseconds left of the caller's deadline. Throws ApiError once it has passed. */
  deadlineLeftMs(): number {
    const given = Number(this.request.headers[DEADLINE_HEADER] ?? this.#limits.deadlineMsDefault);
    const allowed = Number.isFinite(given)
      ? Math.min(given, this.#limits.deadlineMsMax)
      : this.#limits.deadlineMsDefault;
    const left = allowed - (performance.now() - this.receivedAt);
    if (left > 0) return left;
    throw apiError("deadline_exceeded", "The deadline passed before the work was done.");
  }

  /** The signal of the caller and the deadline together. */
  async withinDeadline<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const error = apiError("deadline_exceeded", "The deadline passed before the work was done.");
    const timer = setTimeout(() => late.abort(error), this.deadlineLeftMs());
    try {
      return await work(AbortSignal.any([this.signal, late.signal]));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Measures `work` as one stage. */
  async stage<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await work();
    } finally {
      this.stages.set(stage, performance.now() - began);
    }
  }

  /** The whole body. Throws ApiError when it is larger than the limit: at once if Content-Length says so. */
  async body(): Promise<Uint8Array<ArrayBuffer>> {
    const most = REQUEST_FRAME_BYTES_MAX;
    const announced = Number(this.request.headers["content-length"] ?? Number.NaN);
    if (announced > most) throw this.#tooLarge();
    this.hold(Number.isNaN(announced) ? most : announced);
    let bytes = new Uint8Array(Number.isNaN(announced) ? 64 * 1024 : announced);
    let length = 0;
    try {
      for await (const chunk of this.request as AsyncIterable<Buffer>) {
        if (length + chunk.length > most) throw this.#tooLarge();
        if (length + chunk.length > bytes.length) bytes = grown(bytes, length + chunk.length, most);
        bytes.set(chunk, length);
        length += chunk.length;
      }
    } catch (error) {
      throw error instanceof ApiError ? error : new CallerGone("the body broke off");
    }
    return length === bytes.length ? bytes : bytes.slice(0, length);
  }

  #tooLarge(): ApiError {
    return apiError("body_too_large", `The body is larger than the limit of ${REQUEST_FRAME_BYTES_MAX} bytes.`);
  }

  sendFrame(frame: Uint8Array): void {
    this.#send(200, FRAME_CONTENT_TYPE, frame, { "server-timing": this.#serverTiming() });
  }

  sendJson(status: number, value: unknown): void {
    this.#send(status, "application/json", Buffer.from(JSON.stringify(value)), {});
  }

  sendText(text: string, contentType: string): void {
    this.#send(200, contentType, Buffer.from(text), {});
  }

  sendFault(fault: BackendFault, headers: Readonly<Record<string, string>> = {}): void {
    const retry = fault.retryAfterS === null ? {} : { "retry-after": String(fault.retryAfterS) };
    // A body that was not read to its end would be taken for the next request's beginning.
    const close = this.request.complete ? {} : { connection: "close" };
    const body = Buffer.from(JSON.stringify({ error: fault }));
    this.#send(ERRORS[fault.code].status, "application/json", body, { ...headers, ...retry, ...close });
  }

  #send(status: number, contentType: string, body: Uint8Array, headers: Readonly<Record<string, string>>): void {
    if (this.response.headersSent || this.response.destroyed) return;
    this.response.writeHead(status, {
      "content-type": contentType,
      "content-length": body.length,
      "cache-control": "no-store",
      ...headers,
    });
    this.response.end(body);
  }

  #serverTiming(): string {
    return STAGES.flatMap((stage) => {
      const ms = this.stages.get(stage);
      return ms === undefined ? [] : [`${stage};dur=${ms.toFixed(2)}`];
    }).join(", ");
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, needed: number, most: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.min(most, Math.max(needed, bytes.length * 2)));
  larger.set(bytes);
  return larger;
}

/** Any error as the one shape of the wire; undefined for one that is ours and says nothing to a caller. */
export function faultOf(error: unknown): BackendFault | undefined {
  if (error instanceof TextFault) return error.fault;
  if (!(error instanceof ApiError)) return undefined;
  const { code, message, retryAfterS } = error.fault;
  return plainFault(code, message, retryAfterS ?? null);
}

export function plainFault(code: ErrorCode, message: string, retryAfterS: number | null = null): BackendFault {
  return { code, message, index: null, facts: {}, retryAfterS };
}
