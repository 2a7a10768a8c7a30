// The public API, called as a good client does: failures that may pass are retried, and never sooner than the API says.
// Answers are checked; a refusal keeps the API's own words.

import * as z from "zod";
import type { Pace } from "./pace.ts";
import { Stop } from "./stop.ts";

export interface Clock {
  readonly now: () => number;
  /** Rejects when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** A request that the API refuses for good, in its own words. Nothing was charged for it. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly status: number;
  readonly code: string;
  /** The item of the request that it is about: 17 for `input[17]`. */
  readonly item: number | undefined;

  constructor(status: number, code: string, message: string, param: string | null) {
    super(message);
    this.status = status;
    this.code = code;
    const index = /^input\[(\d+)\]/.exec(param ?? "")?.[1];
    this.item = index === undefined ? undefined : Number(index);
  }
}

/** The job has to end: Ctrl-C, or another request's fault. */
export class Stopped extends Error {
  override name = "Stopped";
}

const TRIES_MAX = 30;
/** The most tries in all, counting those that the account's rate limit refuses: a day's worth of minutes. */
const LIMITED_MAX = 1440;
/** The number of failed tries from which on a failure is shown, once for all requests. */
const TRIES_QUIET = 3;
const QUIET_MS = 30_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** The API's own time limit (a minute, and two more for a cold model), plus the network's time. */
const TIMEOUT_MS = 240_000;
const COLD_WAIT_S = 120;

const errorSchema = z.object({
  error: z.object({ message: z.string(), code: z.nullable(z.string()), param: z.nullable(z.string()) }),
});

export interface Call {
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A code that the caller handles better than by a retry. */
  readonly final?: string;
  /** Fewer tries than within a job. */
  readonly triesMax?: number;
}

export interface ApiAnswer {
  readonly headers: Headers;
  readonly json: unknown;
  readonly sentMs: number;
}

interface Failure {
  readonly error: Error;
  /** Ms until a retry may help; undefined: by the back-off. */
  readonly waitMs: number | undefined;
  /** The account's own rate limit, which is no failure. */
  readonly isLimit: boolean;
}

export class Api {
  readonly url: string;
  readonly #key: string;
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #say: (line: string) => void;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(url: string, key: string, { pace, clock, stop, say }: ApiContext) {
    this.url = url;
    this.#key = key;
    this.#pace = pace;
    this.#clock = clock;
    this.#stop = stop;
    this.#say = say;
  }

  /** Throws Refusal if the API refuses for good, Stop if it does not answer, Stopped if the job has to end. */
  async call(call: Call): Promise<ApiAnswer> {
    const { triesMax = TRIES_MAX } = call;
    let failures = 0;
    for (let tried = 1; ; tried += 1) {
      await this.#untilReady();
      const answer = await this.#once(call);
      if (!("error" in answer)) return answer;
      const { error, waitMs, isLimit } = answer;
      if (!isLimit) failures += 1;
      if (failures === triesMax || tried === LIMITED_MAX) {
        throw new Stop(`The API has not served a request in ${tried} tries: ${error.message}`);
      }
      if (failures === TRIES_QUIET) this.#tell(error.message);
      if (waitMs !== undefined) this.#pace.refused(this.#clock.now(), waitMs);
      // Under a rate limit the API says when: waiting longer would leave part of the limit unused.
      const backoffMs = isLimit ? BACKOFF_FIRST_MS : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (failures - 1));
      await this.#sleep((waitMs ?? 0) + backoffMs * (0.5 + Math.random() / 2));
    }
  }

  #tell(message: string): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#toldMs < QUIET_MS) return;
    this.#toldMs = nowMs;
    this.#say(`Trying again: ${message}`);
  }

  async #untilReady(): Promise<void> {
    if (this.#stop.aborted) throw new Stopped();
    for (;;) {
      const waitMs = this.#pace.pausedUntilMs - this.#clock.now();
      if (waitMs <= 0) return;
      await this.#sleep(waitMs);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await this.#clock.sleep(ms, this.#stop).catch(() => undefined);
    if (this.#stop.aborted) throw new Stopped();
  }

  /** An answer, or a failure that is worth a retry. */
  async #once({ path, body, headers, final }: Call): Promise<ApiAnswer | Failure> {
    const sentMs = this.#clock.now();
    let response;
    let text;
    try {
      response = await fetch(this.url + path, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          authorization: `Bearer ${this.#key}`,
          ...(body === undefined ? {} : { "content-type": "application/json", prefer: `wait=${COLD_WAIT_S}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        // The key is sent only to the host that was named.
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch (error) {
      return {
        error: new Error(`${this.url} cannot be reached: ${causeOf(error)}`),
        waitMs: undefined,
        isLimit: false,
      };
    }
    const json = parsed(text);
    if (response.ok && json !== undefined) return { headers: response.headers, json, sentMs };
    return this.#failed(response, json, final);
  }

  /** A failure that is worth a retry; throws for any other. */
  #failed({ status, headers }: Response, json: unknown, final: string | undefined): Failure {
    const { data } = errorSchema.safeParse(json);
    const code = data?.error.code ?? "";
    const message = data?.error.message ?? `${this.url} answers ${status}, and not as this API does: is --url right?`;
    if (code === final || !isWorthAnotherTry(status, code, headers)) {
      if (data === undefined) throw new Stop(message);
      throw new Refusal(status, code, message, data.error.param);
    }
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    const waitMs = Number.isFinite(seconds) ? seconds * 1000 : undefined;
    return { error: new Error(message), waitMs, isLimit: status === 429 };
  }
}

export interface ApiContext {
  readonly pace: Pace;
  readonly clock: Clock;
  /** Aborts when the job has to end; a request that was sent is awaited all the same. */
  readonly stop: AbortSignal;
  readonly say: (line: string) => void;
}

function isWorthAnotherTry(status: number, code: string, headers: Headers): boolean {
  if (headers.get("x-should-retry") === "false") return false;
  return status === 408 || status === 429 || status >= 500 || code === "idempotency_in_progress";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return "no connection";
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
}
