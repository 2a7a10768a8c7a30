// One backend as this isolate knows it: its last report, how much work is queued there, and whether it may get calls.
// State only: client.ts makes the calls, choose.ts chooses among several.

import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendLoad, BackendReady } from "../../shared/wire.ts";
import type { ReadyResult } from "./client.ts";
import { writeLog } from "../lib/log.ts";
import { Breaker } from "./breaker.ts";
import type { Candidate } from "./choose.ts";

/** A load report older than this is ignored. */
const LOAD_LIFE_MS = 10_000;
const FORBIDDEN = 403;
/** Assumed until a backend reports its own figure. */
const TOKENS_PER_SECOND_GUESS = 1000;

/** `refused`: it rejects our secret. */
export type Health = "unknown" | "ready" | "warming" | "draining" | "refused" | "down";

export class Backend {
  readonly model: string;
  readonly origin: string;
  /** A replica that may be absent by design: it runs only under load. */
  readonly standby: boolean;
  readonly breaker = new Breaker();
  #health: Health = "unknown";
  #ready: BackendReady | undefined;
  #takesSecret = false;
  #reason: string | undefined;
  #queueSeconds = 0;
  #loadAtMs = Number.NEGATIVE_INFINITY;
  #inFlight = 0;
  /** Estimated seconds of work that this isolate has sent since the last report. */
  #sentSeconds = 0;

  constructor(model: string, origin: string, standby = false) {
    this.model = model;
    this.origin = origin;
    this.standby = standby;
  }

  /** An absent standby is no failure, and no call waits for it. */
  get isOnStandby(): boolean {
    return this.standby && (this.#health === "down" || this.#health === "unknown");
  }

  get health(): Health {
    return this.#health;
  }

  /** Why it gets no calls, for an operator; undefined while it may get some. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get isLost(): boolean {
    return this.#health === "down" || this.#health === "refused";
  }

  /** Its last report; kept while it is down, for what it says about the model. */
  get ready(): BackendReady | undefined {
    return this.#ready;
  }

  /** Whether it may get a call of `account` now for `revision` (undefined: any). */
  serves(revision: ModelRevision | undefined, account: string, nowMs: number): boolean {
    if (this.#health !== "ready" || !this.breaker.admits(account, nowMs)) return false;
    return revision === undefined || this.#ready?.revision === revision;
  }

  heard(result: ReadyResult, nowMs: number): void {
    switch (result.kind) {
      case "warming":
        this.#health = "warming";
        this.#reason = undefined;
        return;
      case "refused":
        return this.#lose("refused", `refuses BACKEND_SECRET (status ${result.status})`);
      case "down":
        return this.#lose("down", result.reason);
      default:
        // Another model at this origin is a configuration mistake: it must not answer for this one.
        if (result.ready.model !== this.model) return this.#lose("down", "does not serve this model");
        this.#ready = result.ready;
        this.#health = result.ready.status;
        this.#reason = undefined;
        this.loaded(result.ready.load, nowMs);
    }
  }

  /** It answered a call, so it accepts our secret. */
  answered(): void {
    this.#takesSecret = true;
    this.breaker.success();
  }

  /**
   * A call was answered with 401 or 403. After calls that were accepted, a 403 is a firewall's, about this call's text.
   */
  refused(status: number, nowMs: number): void {
    this.breaker.inconclusive();
    if (status !== FORBIDDEN || !this.#takesSecret) this.heard({ kind: "refused", status }, nowMs);
  }

  /** It broke off a call: it gets no others until /ready says it is well. */
  lost(): void {
    this.#health = "down";
  }

  /** Logged once per reason and isolate, not with each call. */
  #lose(health: "down" | "refused", reason: string): void {
    this.#health = health;
    if (reason === this.#reason || this.isOnStandby) return;
    this.#reason = reason;
    const event = health === "refused" ? "backend_refuses_secret" : "backend_down";
    writeLog({ level: "error", event, model: this.model, origin: this.origin, message: reason });
  }

  loaded(load: BackendLoad, nowMs: number): void {
    this.#queueSeconds = load.queueSeconds;
    this.#loadAtMs = nowMs;
    this.#sentSeconds = 0;
  }

  begin(account: string, tokens: number, nowMs: number): void {
    this.#inFlight += 1;
    this.#sentSeconds += tokens / (this.#ready?.tokensPerSecond ?? TOKENS_PER_SECOND_GUESS);
    this.breaker.begin(account, nowMs);
  }

  end(): void {
    this.#inFlight -= 1;
  }

  /** Its load for choose.ts: the last report, less the time since, plus what this isolate has sent since. */
  candidate(nowMs: number): Candidate {
    const age = nowMs - this.#loadAtMs;
    if (age > LOAD_LIFE_MS) return { queueSeconds: undefined, inFlight: this.#inFlight };
    return {
      queueSeconds: Math.max(0, this.#queueSeconds - age / 1000) + this.#sentSeconds,
      inFlight: this.#inFlight,
    };
  }
}
