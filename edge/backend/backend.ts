// One backend as this isolate sees it: what it last said of itself, how much work waits there, whether it is to be left
// alone. State only; the calls are client.ts, the choice among several is choose.ts.

import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendLoad, BackendReady } from "../../shared/wire.ts";
import type { ReadyResult } from "./client.ts";
import { writeLog } from "../lib/log.ts";
import { Breaker } from "./breaker.ts";
import type { Candidate } from "./choose.ts";

/** A report of load older than this says nothing. */
const LOAD_LIFE_MS = 10_000;
const FORBIDDEN = 403;
/** Until a backend has measured itself. */
const TOKENS_PER_SECOND_GUESS = 1000;

/** `refused`: it does not take our secret. */
export type Health = "unknown" | "ready" | "warming" | "draining" | "refused" | "down";

export class Backend {
  readonly model: string;
  readonly origin: string;
  /** It may be absent by design: a replica that runs only under load. */
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

  /** A standby may be absent: no call waits for it, and it is no failure. */
  get isOnStandby(): boolean {
    return this.standby && (this.#health === "down" || this.#health === "unknown");
  }

  get health(): Health {
    return this.#health;
  }

  /** Why it gets no calls, for an operator; undefined while it may. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get isLost(): boolean {
    return this.#health === "down" || this.#health === "refused";
  }

  /** Its last report; kept while it is down, for what it says of the model. */
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
        // Another model behind the origin is a mistake of configuration: it must not answer for this one.
        if (result.ready.model !== this.model) return this.#lose("down", "serves another model");
        this.#ready = result.ready;
        this.#health = result.ready.status;
        this.#reason = undefined;
        this.loaded(result.ready.load, nowMs);
    }
  }

  /** It answered a call: it takes our secret. */
  answered(): void {
    this.#takesSecret = true;
    this.breaker.success();
  }

  /** A call was answered with 401 or 403. Where it took our secret before, a firewall's 403 is about that call's text. */
  refused(status: number, nowMs: number): void {
    this.breaker.inconclusive();
    if (status !== FORBIDDEN || !this.#takesSecret) this.heard({ kind: "refused", status }, nowMs);
  }

  /** It broke a call: no more until /ready says otherwise. */
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

  /** As choose.ts wants it: the report aged by the time that passed, plus what we have sent since. */
  candidate(nowMs: number): Candidate {
    const age = nowMs - this.#loadAtMs;
    if (age > LOAD_LIFE_MS) return { queueSeconds: undefined, inFlight: this.#inFlight };
    return {
      queueSeconds: Math.max(0, this.#queueSeconds - age / 1000) + this.#sentSeconds,
      inFlight: this.#inFlight,
    };
  }
}
