// Who gets a call. Several backends per model, their origins from configuration alone. Rules (product.md, 503/504):
//   - a backend gets calls while /ready says so, its breaker is closed, and its revision is the one asked for;
//   - the least loaded first (choose.ts); a large request is split over several (split.ts);
//   - one retry, elsewhere, on a broken connection, a 503 or an answer that is none: no work is accepted three times;
//   - nobody ready: the call is held while /ready is asked again, then 503;
//   - deadline and cancellation travel along; a request never mixes revisions.

import { ERRORS } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendLoad, BackendReady, EmbedRequest } from "../../shared/wire.ts";
import { Backend } from "./backend.ts";
import type { PoolCall } from "./call-clock.ts";
import { CallClock } from "./call-clock.ts";
import { choose } from "./choose.ts";
import type { BackendResult, Embedded, Fetch, Tokenized } from "./client.ts";
import { embed, tokenize } from "./client.ts";
import type { Failed } from "./faults.ts";
import { cancelledError, coldError, deadlineError, failedError } from "./faults.ts";
import { Group } from "./group.ts";
import { estimateTokens, join, split } from "./split.ts";
import type { Part } from "./split.ts";
import type { BackendTexts } from "./wire-request.ts";
import { AccountNames, wireRequest } from "./wire-request.ts";

/** A call and one retry. Connections that were refused do not count, since nothing was accepted; but neither are they endless. */
const ATTEMPTS_MAX = 2;
const REFUSED_MAX = 2;
/** A connection that fails faster than this, to a backend whose /ready fails too, was refused. */
const REFUSED_MS = 250;
const HOLD_STEP_MS = 100;
const HOLD_STEP_MS_MAX = 1000;
/** A call without an answer for so long asks, and again each time, whether its backend is alive at all. */
const WATCH_MS = 5000;
/** A call that waited at least this long without an answer speaks against its backend. */
const HUNG_MS = 5000;

export interface PoolOptions {
  readonly backends: readonly { readonly model: string; readonly origin: string }[];
  readonly secret: string;
  readonly now: () => number;
  readonly fetch?: Fetch;
  /** Ends early when `signal` aborts; never rejects. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random?: () => number;
}

/** No ready backend serves the pinned revision any more, another is current: look up again and pin that. */
export class RevisionGone extends Error {
  override name = "RevisionGone";
}

/** What one backend did, as an operator sees it. */
export interface BackendState {
  readonly model: string;
  readonly origin: string;
  readonly health: Backend["health"];
  readonly breaker: "closed" | "open";
  readonly revision: ModelRevision | null;
  readonly queueSeconds: number | null;
  readonly tokensPerSecond: number | null;
}

/** What every answer has: the revision it is of, and the load where the route reports one. */
interface AnyAnswer {
  readonly revision: ModelRevision;
  readonly load?: BackendLoad;
}

type Send<Answer> = (
  call: Parameters<typeof embed>[0],
  request: EmbedRequest,
  ids: Uint32Array,
) => Promise<BackendResult<Answer>>;

export class Pool {
  readonly #groups = new Map<string, Group>();
  readonly #ports;
  readonly #random: () => number;
  readonly #accountNames: AccountNames;

  constructor(options: PoolOptions) {
    this.#ports = {
      secret: options.secret,
      now: options.now,
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
      sleep: options.sleep ?? sleep,
    };
    this.#random = options.random ?? Math.random;
    this.#accountNames = new AccountNames(options.secret);
    for (const { model } of options.backends) {
      if (this.#groups.has(model)) continue;
      const own = options.backends.filter((backend) => backend.model === model);
      this.#groups.set(
        model,
        new Group(
          own.map(({ origin }) => new Backend(model, origin)),
          this.#ports,
        ),
      );
    }
  }

  /** Models that have a backend configured, whether ready or not. */
  models(): string[] {
    return [...this.#groups.keys()];
  }

  states(): BackendState[] {
    return [...this.#groups.values()].flatMap((group) =>
      group.backends.map(({ model, origin, health, breaker, ready }) => ({
        model,
        origin,
        health,
        breaker: breaker.state,
        revision: ready?.revision ?? null,
        queueSeconds: ready?.load.queueSeconds ?? null,
        tokensPerSecond: ready?.tokensPerSecond ?? null,
      })),
    );
  }

  /** What `model`'s backends say of it; undefined while none was ever ready. Waits only when nothing recent is known. */
  async announced(model: string, waitUntil: PoolCall["waitUntil"]): Promise<BackendReady | undefined> {
    return this.#groups.get(model)?.announced(waitUntil);
  }

  /** As `announced`, but holds the call while the model is cold. Throws ApiError `model_not_ready`. */
  async awaitReady(model: string, call: PoolCall): Promise<BackendReady> {
    const group = this.#group(model);
    const announced = await group.announced(call.waitUntil);
    if (announced !== undefined) return announced;
    await this.#hold(group, model, call, new CallClock(call, this.#ports.now), () => group.current() !== undefined);
    const current = group.current();
    if (current === undefined) throw coldError(model);
    return current;
  }

  /** Vectors for texts, of exactly `revision`. Throws ApiError, or RevisionGone. */
  async embed(texts: BackendTexts, revision: ModelRevision, call: PoolCall): Promise<Embedded> {
    const group = this.#group(texts.model);
    const { request, ids } = wireRequest(texts, await this.#accountNames.nameOf(texts.accountId), revision);
    const now = this.#ports.now();
    const parts = split(request, ids, group.backends.filter((backend) => backend.serves(revision, now)).length);
    const clock = new CallClock(call, this.#ports.now);
    if (parts.length === 1) return this.#attempt(group, { request, ids, offset: 0 }, call, clock, embed);
    const stop = new AbortController();
    const shared = { ...call, signal: AbortSignal.any([call.signal, stop.signal]) };
    try {
      return join(await Promise.all(parts.map((part) => this.#attempt(group, part, shared, clock, embed))));
    } catch (error) {
      // One part failed: the others' work is worth nothing any more.
      stop.abort();
      throw error;
    }
  }

  /** Exact token ids of texts; nothing is run. Throws ApiError. */
  async tokenize(texts: BackendTexts, call: PoolCall): Promise<Tokenized> {
    const group = this.#group(texts.model);
    await group.announced(call.waitUntil);
    const { request, ids } = wireRequest(texts, await this.#accountNames.nameOf(texts.accountId), null);
    return this.#attempt(group, { request, ids, offset: 0 }, call, new CallClock(call, this.#ports.now), tokenize);
  }

  #group(model: string): Group {
    const group = this.#groups.get(model);
    if (group === undefined) throw coldError(model);
    return group;
  }

  async #attempt<Answer extends AnyAnswer>(
    group: Group,
    part: Part,
    call: PoolCall,
    clock: CallClock,
    send: Send<Answer>,
  ): Promise<Answer> {
    const tried = new Set<Backend>();
    let attempts = 0;
    let refused = 0;
    for (;;) {
      const backend = await this.#pick(group, part.request, tried, call, clock);
      const startedMs = this.#ports.now();
      const result = await this.#send(group, backend, part, call, clock, send);
      if (result.kind === "answer") return result.answer;
      tried.add(backend);
      const isFast = this.#ports.now() - startedMs < REFUSED_MS;
      await this.#afterFailure(group, backend, part.request, result);
      if (result.kind === "unreachable" && isFast && backend.health === "down") refused += 1;
      else attempts += 1;
      const error = failedError(result, part.request.model, (index) => call.itemOf?.(part.offset + index) ?? null);
      if (attempts === ATTEMPTS_MAX || refused > REFUSED_MAX || !mayRetry(result)) throw error;
      if (!this.#retryIsPossible(group, part.request, tried, result)) throw error;
    }
  }

  /** Elsewhere now, or, where the backend was lost rather than busy or wrong, here once it is back. */
  #retryIsPossible(group: Group, request: EmbedRequest, tried: ReadonlySet<Backend>, result: Failed): boolean {
    if (this.#candidates(group, request, tried).length > 0) return true;
    return result.kind === "unreachable" || (result.kind === "fault" && result.fault.code === "model_not_ready");
  }

  async #send<Answer extends AnyAnswer>(
    group: Group,
    backend: Backend,
    { request, ids }: Part,
    call: PoolCall,
    clock: CallClock,
    send: Send<Answer>,
  ): Promise<BackendResult<Answer>> {
    const { fetch, secret, now } = this.#ports;
    const startedMs = now();
    const ended = new AbortController();
    const dead = new AbortController();
    void this.#watch(group, backend, ended.signal, dead);
    const sent = await send(
      {
        fetch,
        secret,
        origin: backend.origin,
        requestId: call.requestId,
        traceparent: call.traceparent,
        deadlineMs: clock.leftMs,
        signal: AbortSignal.any([call.signal, dead.signal]),
      },
      request,
      ids,
    );
    ended.abort();
    backend.end();
    const isDead = sent.kind === "cancelled" && dead.signal.aborted && !call.signal.aborted;
    const result: BackendResult<Answer> = isDead ? { kind: "unreachable", reason: "hangs" } : sent;
    const checked = checkRevision(result, request.revision);
    noteOutcome(backend, checked, startedMs, now());
    return checked;
  }

  /** While a call runs long: a backend that no longer answers /ready is given up, not waited for until the deadline. */
  async #watch(group: Group, backend: Backend, ended: AbortSignal, dead: AbortController): Promise<void> {
    for (;;) {
      await this.#ports.sleep(WATCH_MS, ended);
      if (ended.aborted) return;
      await group.ask(backend);
      if (backend.health !== "down") continue;
      dead.abort();
      return;
    }
  }

  async #afterFailure(group: Group, backend: Backend, request: EmbedRequest, result: Failed): Promise<void> {
    if (result.kind === "unreachable" || (result.kind === "fault" && result.fault.code === "model_not_ready")) {
      // It broke off, drains, or a rolling update has replaced it: what it says now decides where this call and the
      // next ones go. (A single reset must not keep a healthy backend idle.) Where it is known to be down, it was asked.
      if (backend.health !== "down") {
        backend.lost();
        await group.ask(backend);
      }
      if (request.revision !== null && isGone(group, request.revision)) throw new RevisionGone(request.model);
    }
  }

  #candidates(group: Group, request: EmbedRequest, tried: ReadonlySet<Backend>): Backend[] {
    const now = this.#ports.now();
    const revision = request.revision ?? group.current()?.revision;
    return group.backends.filter((backend) => !tried.has(backend) && backend.serves(revision, now));
  }

  async #pick(
    group: Group,
    request: EmbedRequest,
    tried: ReadonlySet<Backend>,
    call: PoolCall,
    clock: CallClock,
  ): Promise<Backend> {
    if (this.#candidates(group, request, tried).length === 0) {
      await this.#hold(group, request.model, call, clock, () => {
        if (request.revision !== null && isGone(group, request.revision)) throw new RevisionGone(request.model);
        return this.#candidates(group, request, new Set()).length > 0;
      });
    }
    const others = this.#candidates(group, request, tried);
    const candidates = others.length > 0 ? others : this.#candidates(group, request, new Set());
    const now = this.#ports.now();
    const chosen =
      candidates[
        choose(
          candidates.map((backend) => backend.candidate(now)),
          this.#random,
        )
      ];
    if (chosen === undefined) throw coldError(request.model);
    // At once: the next choice, a moment later, must see this one.
    chosen.begin(
      estimateTokens(request).reduce((sum, count) => sum + count, 0),
      now,
    );
    return chosen;
  }

  /** Asks /ready again and again until `until` is true. Throws ApiError when the hold, or the caller, ends first. */
  async #hold(group: Group, model: string, call: PoolCall, clock: CallClock, until: () => boolean): Promise<void> {
    let stepMs = HOLD_STEP_MS;
    while (!until()) {
      if (call.signal.aborted) throw cancelledError();
      if (clock.leftMs <= 0) throw deadlineError();
      if (clock.holdLeftMs <= 0) throw coldError(model);
      const pauseMs = Math.min(stepMs, clock.holdLeftMs);
      await clock.held(async () => {
        await group.refresh(call.waitUntil);
        if (!until()) await this.#ports.sleep(pauseMs);
      });
      stepMs = Math.min(stepMs * 1.5, HOLD_STEP_MS_MAX);
    }
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return scheduler.wait(ms, signal === undefined ? {} : { signal }).catch(() => undefined);
}

/** Another revision is served and this one is not. */
function isGone(group: Group, revision: ModelRevision): boolean {
  const ready = group.backends.filter(({ health }) => health === "ready");
  return ready.length > 0 && ready.every((backend) => backend.ready?.revision !== revision);
}

/** A vector of another revision than the one asked for is as wrong as a damaged frame. */
function checkRevision<Answer extends AnyAnswer>(
  result: BackendResult<Answer>,
  revision: ModelRevision | null,
): BackendResult<Answer> {
  if (result.kind !== "answer" || revision === null || result.answer.revision === revision) return result;
  return { kind: "garbage", reason: "vectors of another revision" };
}

function noteOutcome(backend: Backend, result: BackendResult<AnyAnswer>, startedMs: number, nowMs: number): void {
  switch (result.kind) {
    case "answer":
      backend.breaker.success();
      if (result.answer.load !== undefined) backend.loaded(result.answer.load, nowMs);
      return;
    case "unreachable":
    case "garbage":
      backend.breaker.failure(nowMs);
      return;
    case "deadline":
      if (nowMs - startedMs >= HUNG_MS) backend.breaker.failure(nowMs);
      else backend.breaker.inconclusive();
      return;
    case "fault":
      // A refusal of the input is a healthy answer; an inner failure is not; a 503 says "elsewhere", no more.
      if (ERRORS[result.fault.code].status === 500) backend.breaker.failure(nowMs);
      else if (ERRORS[result.fault.code].status < 500) backend.breaker.success();
      else backend.breaker.inconclusive();
      return;
    default:
      backend.breaker.inconclusive();
  }
}

function mayRetry(failed: Failed): boolean {
  if (failed.kind === "fault") return ERRORS[failed.fault.code].status === 503;
  return failed.kind === "unreachable" || failed.kind === "garbage";
}
