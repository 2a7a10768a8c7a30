// One stream: its body is cut into frames, some of which are computed at once. Each is charged in its turn, and its lines
// go out in order: what is charged was written, or is next to be. A stream that ends early says in its last line why, and
// where to go on.

import type { Context } from "../context.ts";
import { callTimer, elapsedMs, waitUntilOf } from "../context.ts";
import { accountStub } from "../account/account-stub.ts";
import type { ChargedFrame } from "../ledger/stream-frames.ts";
import { standingHeaders } from "../metering/usage-answer.ts";
import { allHeaders } from "../middleware/answer-headers.ts";
import { LINES_TYPE } from "../middleware/body.ts";
import { errorBody, faultOf } from "../middleware/errors.ts";
import { noteRefusal } from "../middleware/note-refusals.ts";
import { must } from "../../shared/assert.ts";
import { ApiError, apiError } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import { ZERO_NANO_USD, nanoUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { answerLines, jsonLine } from "./answer-lines.ts";
import { FrameCalls } from "./frame-call.ts";
import type { AnsweredFrame } from "./frame-call.ts";
import { framesOf } from "./frames.ts";
import type { Frame, Halves } from "./frames.ts";
import { LineWriter, ReaderGone } from "./line-writer.ts";
import { resumeToken } from "./resume-token.ts";
import { StreamBody } from "./stream-body.ts";
import { logStream } from "./stream-log.ts";
import type { StreamTerms } from "./stream-terms.ts";
import { Totals } from "./totals.ts";

export const STREAM_LIMITS = {
  /** Frames that are computed, or wait to be written, or are being written. */
  inFlight: 4,
  /** A stream ends by itself then, and is resumed. */
  totalMs: 3_600_000,
  /** Likewise. A frame is three subrequests and more; Cloudflare lets a request have 10,000. */
  frames: 1000,
} as const;

interface Started {
  readonly outcome: Promise<AnsweredFrame | Halves>;
  /** Resolves when the frame has been admitted. */
  readonly begun: Promise<void>;
}

export class Stream {
  readonly #c: Context;
  readonly #terms: StreamTerms;
  readonly #body: StreamBody;
  readonly #calls: FrameCalls;
  readonly #totals: Totals;
  /** Aborts what is not charged yet. */
  readonly #stopper = new AbortController();
  readonly #source: AsyncGenerator<Started, void>;
  /** Frames that were asked for, in order. */
  readonly #asked: Promise<IteratorResult<Started, void>>[] = [];
  /** How many frames may be asked for while one is awaited or written. */
  #ahead = 0;
  /** Why it ends early, and our own fault behind it. */
  #fault: Fault | undefined;
  #cause: unknown;
  #first: AnsweredFrame | undefined;
  /** By frames of this answer, written or not. */
  #chargedNanoUsd: NanoUsd = ZERO_NANO_USD;

  constructor(c: Context, terms: StreamTerms, creditNanoUsd: NanoUsd) {
    this.#c = c;
    this.#terms = terms;
    this.#body = new StreamBody(c);
    this.#calls = new FrameCalls(c, terms, this.#stopper.signal);
    this.#totals = new Totals(terms.start.line, creditNanoUsd);
    this.#source = this.#start();
  }

  /** Resolves once the first frame has been charged. Throws ApiError. */
  async answer(): Promise<Response> {
    const c = this.#c;
    const { signal } = c.req.raw;
    signal.addEventListener("abort", () => this.#stop(undefined));
    try {
      this.#first = await this.#next();
    } catch (error) {
      this.#stop(undefined);
      throw error;
    }
    const { result } = this.#first ?? {};
    if (result !== undefined) c.set("charge", result.charge);
    // The cost of what runs must be known before more may run.
    if (this.#terms.options.maxCostNanoUsd === undefined) this.#ahead = STREAM_LIMITS.inFlight - 1;
    const memory = c.get("memory");
    if (memory !== undefined) memory.isStreaming = true;
    memory?.admit();
    const { readable, writable } = new IdentityTransformStream();
    waitUntilOf(c)(this.#write(writable));
    const headers = {
      "content-type": LINES_TYPE,
      ...(result !== undefined && { "x-model-revision": result.revision, ...standingHeaders(result.standing) }),
    };
    return new Response(readable, { headers: allHeaders(c, headers) });
  }

  /** Starts each frame when the one before it has been admitted, and more are asked for. */
  async *#start(): AsyncGenerator<Started, void> {
    let before: Promise<unknown> = Promise.resolve();
    let frames = 0;
    for await (const whole of framesOf(this.#body.pieces, this.#terms.start.line, (from) => this.#charged(from))) {
      const parts = [whole];
      for (let frame = parts.shift(); frame !== undefined; frame = parts.shift()) {
        if (this.#stopper.signal.aborted) return;
        if (elapsedMs(this.#c) > STREAM_LIMITS.totalMs || frames === STREAM_LIMITS.frames) throw tooLong();
        frames += 1;
        const started = this.#startFrame(frame, before);
        yield started;
        const halves = await Promise.race([started.begun, started.outcome.then(halvesIn)]);
        if (halves === undefined) before = started.outcome;
        else parts.unshift(...halves);
      }
    }
  }

  #startFrame(frame: Frame, before: Promise<unknown>): Started {
    const { start, options } = this.#terms;
    let begin = (): void => undefined;
    let chargedBefore = this.#chargedNanoUsd;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const call = this.#calls.run(frame, {
      before,
      begun: () => {
        this.#c.set("admitted", true);
        chargedBefore = this.#chargedNanoUsd;
        begin();
      },
      revision: this.#totals.revision ?? start.revision,
      maxCostNanoUsd: leftOf(options.maxCostNanoUsd, this.#chargedNanoUsd),
      isAnswered: this.#first !== undefined,
    });
    const outcome = call.then((ran) => (isHalved(ran) ? ran : this.#withCredit(ran, chargedBefore)));
    // Whoever awaits it hears of a failure; until then it is nobody's.
    outcome.catch(() => undefined);
    return { outcome, begun };
  }

  /** Credit as of the frame's charge. It was told of when the frame was admitted, and other frames were charged since. */
  #withCredit(frame: AnsweredFrame, chargedBefore: NanoUsd): AnsweredFrame {
    const since = this.#chargedNanoUsd - chargedBefore;
    if (!frame.result.replayed) this.#chargedNanoUsd = nanoUsd(this.#chargedNanoUsd + frame.result.charge.costNanoUsd);
    const { standing } = frame.result;
    const creditNanoUsd = nanoUsd(Math.max(0, standing.creditNanoUsd - since));
    return { ...frame, result: { ...frame.result, standing: { ...standing, creditNanoUsd } } };
  }

  /** The stream's charged frames from line `from` on: a page of them. */
  async #charged(from: number): Promise<readonly ChargedFrame[]> {
    const { start, isNew } = this.#terms;
    if (isNew) return [];
    try {
      const stub = accountStub(this.#c.env, this.#c.get("key").accountId);
      return (await stub.chargedFrames(start.stream, from)) ?? [];
    } catch (cause) {
      const unknown = apiError(
        "ledger_unavailable",
        "The ledger did not say in time what was charged before.",
        null,
        1,
      );
      unknown.cause = cause;
      throw unknown;
    }
  }

  /** The next frame, once it is charged; undefined: there is none. Throws ApiError. */
  async #next(): Promise<AnsweredFrame | undefined> {
    for (;;) {
      this.#ask(1);
      const started = await must(this.#asked.shift(), "a frame that was asked for");
      if (started.done === true) return undefined;
      this.#ask(this.#ahead);
      const outcome = await started.value.outcome;
      if (!isHalved(outcome)) return outcome;
    }
  }

  #ask(count: number): void {
    while (this.#asked.length < count) {
      const next = this.#source.next();
      next.catch(() => undefined);
      this.#asked.push(next);
    }
  }

  async #write(writable: WritableStream<Uint8Array>): Promise<void> {
    const c = this.#c;
    const writer = new LineWriter(callTimer(c), writable, {
      touch: () => c.get("memory")?.touch(),
      notReading: () => {
        if (!this.#body.hasEnded) this.#stop(NOT_READING);
      },
    });
    try {
      await this.#writeFrames(writer);
      await writer.send(jsonLine(await this.#lastLine()));
      await writer.close();
    } catch (error) {
      // The answer breaks off: nobody reads it, or it cannot be written.
      if (!(error instanceof ReaderGone)) this.#fail(error);
      await writer.abort(error);
    } finally {
      this.#stop(undefined);
      this.#dropRest();
      c.get("memory")?.release();
      logStream(c, this.#totals, this.#fault, this.#cause);
    }
  }

  /** Ends without an error where the stream ends early: `#fault` says why. Throws ReaderGone. */
  async #writeFrames(writer: LineWriter): Promise<void> {
    await this.#sendProgress(writer);
    for (let frame = this.#first; frame !== undefined;) {
      await this.#sendLines(writer, frame);
      if (this.#totals.isProgressDue) await this.#sendProgress(writer);
      try {
        frame = await writer.whileWaiting(this.#next(), () => this.#sendProgress(writer));
      } catch (error) {
        if (error instanceof ReaderGone) throw error;
        this.#fail(error);
        return;
      }
    }
  }

  async #sendLines(writer: LineWriter, frame: AnsweredFrame): Promise<void> {
    try {
      for (const piece of answerLines(frame, this.#terms.output)) await writer.send(piece);
      this.#totals.add(frame);
    } finally {
      frame.memory.release();
    }
  }

  #fail(error: unknown): void {
    const c = this.#c;
    if (this.#fault === undefined) this.#cause = error instanceof ApiError ? error.cause : error;
    const fault = faultOf(error, c);
    this.#stop(fault);
    // As a refused call's: it stands beside the key.
    c.set("fault", fault);
    noteRefusal(c);
  }

  async #sendProgress(writer: LineWriter): Promise<void> {
    await writer.send(jsonLine({ ...this.#totals.told(), resume: await this.#resume() }));
  }

  async #lastLine(): Promise<object> {
    const fault = this.#fault;
    return {
      complete: fault === undefined,
      ...this.#totals.told(),
      failed: this.#totals.failed,
      model: this.#terms.sample.model.id,
      ...(this.#totals.revision !== undefined && { revision: this.#totals.revision }),
      resume: await this.#resume(),
      ...(fault !== undefined && errorBody(this.#c, fault)),
    };
  }

  #resume(): Promise<string> {
    const { start } = this.#terms;
    const { config } = this.#c.get("services");
    const point = { ...start, line: this.#totals.line, revision: this.#totals.revision ?? start.revision };
    return resumeToken(config.CACHE_HMAC_KEY, this.#c.get("key").accountId, point, Date.now());
  }

  /** Reads, computes and charges nothing more. What is charged already is still written. */
  #stop(fault: Fault | undefined): void {
    this.#fault ??= fault;
    if (this.#stopper.signal.aborted) return;
    this.#stopper.abort();
    waitUntilOf(this.#c)(this.#body.stop());
  }

  /** Of frames that nobody will write. */
  #dropRest(): void {
    for (const asked of this.#asked.splice(0)) drop(asked).catch(() => undefined);
  }
}

async function drop(asked: Promise<IteratorResult<Started, void>>): Promise<void> {
  const started = await asked;
  if (started.done === true) return;
  const outcome = await started.value.outcome;
  if (!isHalved(outcome)) outcome.memory.release();
}

function isHalved(outcome: AnsweredFrame | Halves): outcome is Halves {
  return Array.isArray(outcome);
}

function halvesIn(outcome: AnsweredFrame | Halves): Halves | undefined {
  return isHalved(outcome) ? outcome : undefined;
}

const NOT_READING: Fault = {
  code: "client_not_reading",
  message:
    "The client sends and does not read the answer, so the stream has ended: read while you send, or go on from `resume` with the rest of the lines.",
  param: null,
};

function tooLong(): ApiError {
  return apiError("limit_reached", "A stream ends by itself after an hour, or a thousand frames: go on from `resume`.");
}

function leftOf(max: NanoUsd | undefined, charged: NanoUsd): NanoUsd | undefined {
  return max === undefined ? undefined : nanoUsd(Math.max(0, max - charged));
}
