// One frame of a stream as a paid call: it has a request's context of its own, is admitted and charged in order, and once.
// Faults that pass are waited for.

import { Context as HonoContext } from "hono";
import type { AppEnv, Context } from "../context.ts";
import { callTimer } from "../context.ts";
import { checkDimensions } from "../endpoints/dimensions.ts";
import { embeddings } from "../endpoints/embeddings.ts";
import { isEmbedded } from "../embedding/types.ts";
import type { TextResult } from "../embedding/types.ts";
import { STREAM_ROUTE, frameKey, storedFrame } from "../ledger/stream-frames.ts";
import { sleep } from "../lib/cancel.ts";
import type { CallText } from "../lib/call-text.ts";
import { bodyMemory } from "../lib/memory-budget.ts";
import type { MemoryLease } from "../lib/memory-budget.ts";
import { bodyHashOf } from "../metering/idempotent-call.ts";
import { embedMetered } from "../metering/metered-call.ts";
import type { MeteredResult } from "../metering/admitted-call.ts";
import type { MeteredTexts } from "../metering/metered-call.ts";
import { recordRefused } from "../metering/refused-request.ts";
import { must } from "../../shared/assert.ts";
import { ApiError, ERRORS, apiError, shownRetryAfterS } from "../../shared/errors.ts";
import { newId } from "../../shared/ids.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { halvesOf } from "./frames.ts";
import type { Frame, Halves } from "./frames.ts";
import { parseStreamLine } from "./stream-line.ts";
import type { StreamLine } from "./stream-line.ts";
import type { StreamTerms } from "./stream-terms.ts";

/** What became of a line: a vector, or a fault. */
export interface AnsweredLine {
  readonly line: StreamLine;
  readonly result: TextResult;
}

export interface AnsweredFrame {
  /** The first line behind it. */
  readonly end: number;
  readonly lines: readonly AnsweredLine[];
  readonly result: MeteredResult;
  /** Held until its lines are written. */
  readonly memory: MemoryLease;
}

/** Where a frame stands among the others. */
export interface FrameTurn {
  /** Resolves when the frame before this one has been charged: then this one may be. */
  readonly before: Promise<unknown>;
  /** Called when the ledger has admitted this one: then the next one may ask. */
  readonly begun: () => void;
  /** The only revision that will do. */
  readonly revision: ModelRevision | undefined;
  /** What is left of `X-Max-Cost`. */
  readonly maxCostNanoUsd: NanoUsd | undefined;
  /** The answer has begun: what fails now is waited for, or ends the stream. */
  readonly isAnswered: boolean;
}

/** The longest that a frame waits for faults that pass: a backend that restarts; a rate limit, which takes a minute at most. */
const PATIENCE_MS = 65_000;
const RETRY_S = 1;

const encoder = new TextEncoder();

export class FrameCalls {
  readonly #c: Context;
  readonly #terms: StreamTerms;
  readonly #signal: AbortSignal;

  /** `signal` aborts what is not charged yet. */
  constructor(c: Context, terms: StreamTerms, signal: AbortSignal) {
    this.#c = c;
    this.#terms = terms;
    this.#signal = signal;
  }

  /** The halves of a frame that is over a limit as a whole. Throws ApiError. Either way nothing is charged then. */
  async run(frame: Frame, turn: FrameTurn): Promise<AnsweredFrame | Halves> {
    const untilMs = turn.isAnswered ? Date.now() + PATIENCE_MS : 0;
    for (;;) {
      const c = this.#context();
      try {
        return await this.#attempt(c, frame, turn);
      } catch (error) {
        const code = error instanceof ApiError ? error.fault.code : "internal_error";
        const halves = code === "limit_exceeded" ? halvesOf(frame) : undefined;
        if (halves !== undefined) return halves;
        const waitMs = error instanceof ApiError ? waitOf(error) : undefined;
        if (waitMs === undefined || this.#signal.aborted || Date.now() + waitMs > untilMs) {
          // One before the answer is the request's own refusal.
          if (turn.isAnswered && !this.#signal.aborted) recordRefused(c, ERRORS[code].status);
          throw inStream(error, frame);
        }
        await sleep(waitMs, this.#signal);
      }
    }
  }

  async #attempt(c: Context, frame: Frame, turn: FrameTurn): Promise<AnsweredFrame> {
    const { memory: budget } = this.#c.get("services");
    const memory = budget.take(bodyMemory(frame.bytes));
    c.set("memory", memory);
    try {
      const lines = await this.#checked(frame.taken.map(parseStreamLine));
      const result = await embedMetered(c, await this.#call(frame, lines, turn));
      return { end: frame.first + frame.lines, lines: answered(lines, result.texts), result, memory };
    } catch (error) {
      memory.release();
      throw error;
    }
  }

  /** Lines whose own `dimensions` are impossible are at fault, and those of a kind that the options do not allow. */
  async #checked(lines: readonly StreamLine[]): Promise<readonly StreamLine[]> {
    const { sample, context } = this.#terms;
    const faults = new Map<number, ApiError>();
    for (const count of new Set(lines.map(({ dimensions }) => dimensions))) {
      if (count === undefined) continue;
      try {
        await checkDimensions(context, sample.model, { count, isSuffix: false }, this.#terms.output.dtype);
      } catch (error) {
        if (!(error instanceof ApiError) || ERRORS[error.fault.code].retry) throw error;
        faults.set(count, error);
      }
    }
    return lines.map((line) => {
      const refused = line.text && this.#terms.refused[line.text.kind];
      const fault = line.dimensions === undefined ? refused : (faults.get(line.dimensions)?.fault ?? refused);
      return fault === undefined ? line : { ...line, text: undefined, fault };
    });
  }

  async #call(frame: Frame, lines: readonly StreamLine[], turn: FrameTurn): Promise<MeteredTexts> {
    const { sample, options, start, encoding } = this.#terms;
    const { config } = this.#c.get("services");
    const texts = lines.flatMap(({ text }) => {
      if (text === undefined) return [];
      return text.kind === "ids" && encoding !== undefined ? [{ ...text, encoding }] : [text];
    });
    const content = JSON.stringify([
      start.terms,
      frame.lines,
      lines.map(({ index, text }) => [index, contentOf(text)]),
    ]);
    const bodyHash = await bodyHashOf(config.CACHE_HMAC_KEY, encoder.encode(content));
    return {
      ...sample,
      texts,
      scope: embeddings.scope,
      revision: turn.revision,
      options: { ...options, idempotencyKey: undefined, maxCostNanoUsd: turn.maxCostNanoUsd },
      itemOf: () => "input",
      charged: (results: readonly TextResult[]) => results.filter(isEmbedded),
      once: {
        terms: { route: STREAM_ROUTE, key: frameKey(start.stream, frame.first), bodyHash },
        stored: () => storedFrame(frame.lines),
        again: (_stored, compute) => compute(),
        begun: turn.begun,
        turn: turn.before,
      },
    };
  }

  /** What a call reads of its request and notes about itself, apart from the other frames'. */
  #context(): Context {
    const c = this.#c;
    const { url, headers } = c.req.raw;
    const request = new Request(url, { method: "POST", headers, signal: this.#signal });
    const own = new HonoContext<AppEnv>(request, { env: c.env, executionCtx: c.executionCtx, path: c.req.path });
    for (const name of ["services", "key", "called", "shownRequestId", "traceparent"] as const)
      own.set(name, c.get(name));
    own.set("requestId", newId("request"));
    own.set("startedMs", performance.now());
    own.set("timer", callTimer(c));
    return own;
  }
}

/** What a line says, without the options. */
function contentOf(text: CallText | undefined): string | readonly number[] | undefined {
  return text?.kind === "ids" ? text.ids : text?.text;
}

/** How long to wait for a fault to pass; undefined: it does not by itself. */
function waitOf({ fault }: ApiError): number | undefined {
  if (!ERRORS[fault.code].retry || fault.code === "internal_error") return undefined;
  return (shownRetryAfterS(fault) ?? RETRY_S) * 1000;
}

/** The fault in a stream's words. */
function inStream(error: unknown, { first, lines, taken }: Frame): unknown {
  if (!(error instanceof ApiError)) return error;
  const range = `the lines from ${first} to ${first + lines - 1}`;
  switch (error.fault.code) {
    case "limit_exceeded": {
      const line = `Line ${(taken[0]?.line ?? 1) - 1} alone, counted from 0, is over a limit`;
      const cure = "shorten it, send a blank line in its place, or raise the limit; then go on from `resume`";
      return apiError("limit_exceeded", `${line}: ${cure}. ${error.fault.message}`);
    }
    case "invalid_token_id":
      return apiError("invalid_token_id", `In ${range}: ${error.fault.message}`);
    case "idempotency_key_reused":
      return apiError(
        "idempotency_key_reused",
        `This stream was charged for ${range}, or some of them, with other texts: send the same lines again, or begin a new stream.`,
        "resume",
      );
    case "idempotency_in_progress":
      return apiError("idempotency_in_progress", `Another request of this stream still computes ${range}.`, null, 1);
    default:
      return error;
  }
}

function answered(lines: readonly StreamLine[], results: readonly TextResult[]): readonly AnsweredLine[] {
  let next = 0;
  return lines.map((line) => {
    if (line.fault !== undefined) return { line, result: { fault: line.fault } };
    const result = must(results[next], "every text of a frame has a result");
    next += 1;
    return { line, result };
  });
}
