// Which backend gets a call. A model has several backends; their origins come only from configuration. Rules:
//   - a backend gets calls while /ready says so, its breaker is closed, and it serves the requested revision;
//   - the least loaded first (choose.ts); a large request is split over several (split.ts);
//   - one retry, on another backend, after a broken connection, a 503 or an unusable answer: no work runs three times;
//   - while none is ready, the call is held and /ready asked again; then 503;
//   - deadline and cancellation are passed on; a request never mixes revisions.

import { assert } from "../../shared/assert.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendReady } from "../../shared/wire.ts";
import { atOnce } from "../lib/at-once.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { Cancel, sleep } from "../lib/cancel.ts";
import { Backend } from "./backend.ts";
import type { PoolCall } from "./call-clock.ts";
import { CallClock } from "./call-clock.ts";
import { choose } from "./choose.ts";
import type { Embedded, Fetch, Tokenized } from "./client.ts";
import { embed, tokenize } from "./client.ts";
import type { Failed } from "./faults.ts";
import { cancelledError, coldError, deadlineError, failedError, mayRetry, revisionError } from "./faults.ts";
import { Group } from "./group.ts";
import type { AnyAnswer, Send, Sending, Sent } from "./sender.ts";
import { Sender } from "./sender.ts";
import { estimateTokens, join, split } from "./split.ts";
import type { Part } from "./split.ts";
import type { BackendRequest, BackendTexts } from "./wire-request.ts";
import { AccountNames, wireRequest } from "./wire-request.ts";

/**
 * A call and one retry. Refused connections do not count, since nothing was accepted, but have a limit of their own.
 */
const ATTEMPTS_MAX = 2;
const REFUSED_MAX = 2;
/** A connection that fails faster than this, at a backend whose /ready fails too, counts as refused. */
const REFUSED_MS = 250;
const HOLD_STEP_MS = 100;
const HOLD_STEP_MS_MAX = 1000;
/** Requests of more estimated tokens than this are not sent twice. */
const HEDGE_TOKENS_MAX = 2048;

export interface BackendOrigin {
  readonly model: string;
  readonly origin: string;
  /** It may be absent by design (backend.ts). */
  readonly standby?: boolean;
}

export interface PoolOptions {
  readonly backends: readonly BackendOrigin[];
  readonly secret: string;
  readonly now: () => number;
  readonly fetch?: Fetch;
  /** Ends early when `signal` aborts; never rejects. */
  readonly sleep?: (ms: number, signal?: CancelSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random?: () => number;
  /** A short interactive call that has no answer after this long is sent to one more backend; undefined: never. */
  readonly hedgeAfterMs?: number;
  /** Revisions that calls get only where they require them, while another one is served. Default: none. */
  readonly superseded?: (model: string) => ReadonlySet<ModelRevision>;
}

/**
 * No ready backend serves the pinned revision any more, but another revision is current: look up again and pin that.
 */
export class RevisionGone extends Error {
  override name = "RevisionGone";
}

/** One backend's state, for an operator. */
export interface BackendState {
  readonly model: string;
  readonly origin: string;
  readonly health: Backend["health"];
  readonly breaker: "closed" | "open";
  /** Why it gets no calls; null while it may get some. */
  readonly reason: string | null;
  readonly revision: ModelRevision | null;
  readonly queueSeconds: number | null;
  readonly tokensPerSecond: number | null;
}

export class Pool {
  readonly #groups = new Map<string, Group>();
  readonly #ports;
  readonly #random: () => number;
  readonly #accountNames: AccountNames;
  readonly #sender: Sender;
  readonly #hedgeAfterMs: number | undefined;

  constructor(options: PoolOptions) {
    this.#ports = {
      secret: options.secret,
      now: options.now,
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
      sleep: options.sleep ?? sleep,
      superseded: options.superseded ?? (() => new Set<ModelRevision>()),
    };
    this.#random = options.random ?? Math.random;
    this.#accountNames = new AccountNames(options.secret);
    this.#sender = new Sender(this.#ports);
    this.#hedgeAfterMs = options.hedgeAfterMs;
    for (const { model } of options.backends) {
      if (this.#groups.has(model)) continue;
      const own = options.backends.filter((backend) => backend.model === model);
      this.#groups.set(
        model,
        new Group(
          own.map(({ origin, standby }) => new Backend(model, origin, standby)),
          this.#ports,
        ),
      );
    }
  }

  /** Models with a configured backend, ready or not. */
  models(): string[] {
    return [...this.#groups.keys()];
  }

  /** The state of every backend, except absent standbys. */
  states(): BackendState[] {
    return [...this.#groups.values()].flatMap((group) =>
      group.backends
        .filter(({ isOnStandby }) => !isOnStandby)
        .map(({ model, origin, health, breaker, reason, ready }) => ({
          model,
          origin,
          health,
          breaker: breaker.state,
          reason: reason ?? null,
          revision: ready?.revision ?? null,
          queueSeconds: ready?.load.queueSeconds ?? null,
          tokensPerSecond: ready?.tokensPerSecond ?? null,
        })),
    );
  }

  /**
   * `model`'s current report, or that of `required`; undefined while no backend was ever ready. Waits only when nothing
   * recent is known. Throws ApiError `revision_changed` where ready backends have other revisions only.
   */
  announced(
    model: string,
    waitUntil: PoolCall["waitUntil"],
    required?: ModelRevision,
  ): BackendReady | undefined | Promise<BackendReady | undefined> {
    const group = this.#groups.get(model);
    // What need not wait makes no promise.
    return required === undefined ? group?.announced(waitUntil) : this.#announcedIn(required, model, waitUntil);
  }

  async #announcedIn(
    required: ModelRevision,
    model: string,
    waitUntil: PoolCall["waitUntil"],
  ): Promise<BackendReady | undefined> {
    const group = this.#groups.get(model);
    const announced = await group?.announced(waitUntil, required);
    const current = announced ?? group?.current();
    if (current !== undefined && announced === undefined) {
      throw revisionError(model, required, current.revision);
    }
    return announced;
  }

  /** A report of each revision that ready backends have, as last known; while all are down, of the last ones. */
  served(model: string): readonly BackendReady[] {
    return this.#groups.get(model)?.served() ?? [];
  }

  /** The last known report, of `revision` where one is known, without asking. */
  lastAnnounced(model: string, revision?: ModelRevision): BackendReady | undefined {
    const group = this.#groups.get(model);
    return (revision === undefined ? undefined : group?.current(revision)) ?? group?.current();
  }

  /** Whether `model` can be called now, as last known; undefined: no backend is configured for it. */
  readiness(model: string): "ready" | "warming" | "secret_refused" | "unreachable" | undefined {
    const group = this.#groups.get(model);
    if (group === undefined) return undefined;
    if (group.backends.some(({ health }) => health === "ready")) return "ready";
    if (group.backends.some(({ health }) => health === "warming")) return "warming";
    return group.backends.some(({ health }) => health === "refused") ? "secret_refused" : "unreachable";
  }

  /** As `announced`, but waits while the model is cold. Throws ApiError `model_not_ready`, or `revision_changed`. */
  async awaitReady(model: string, call: PoolCall, required?: ModelRevision): Promise<BackendReady> {
    const group = this.#group(model);
    const announced = await this.announced(model, call.waitUntil, required);
    if (announced !== undefined) return announced;
    await this.#hold(group, model, call, new CallClock(call, this.#ports.now), () => group.current() !== undefined);
    const ready = await this.announced(model, call.waitUntil, required);
    if (ready === undefined) throw coldError(model);
    return ready;
  }

  /** Vectors for texts, or scores of pairs, of exactly `revision`. Rejects with ApiError, or RevisionGone. */
  embed(texts: BackendTexts, revision: ModelRevision, call: PoolCall): Promise<Embedded> {
    const account = this.#accountNames.nameOf(texts.accountId);
    return typeof account === "string"
      ? this.#embedFor(account, texts, revision, call)
      : account.then((name) => this.#embedFor(name, texts, revision, call));
  }

  #embedFor(account: string, texts: BackendTexts, revision: ModelRevision, call: PoolCall): Promise<Embedded> {
    const group = this.#group(texts.model);
    const { request, ids } = wireRequest(texts, account, revision);
    const now = this.#ports.now();
    const able = group.backends.filter((backend) => backend.serves(revision, account, now)).length;
    const parts = split(request, ids, able, group.current()?.reranker);
    const clock = new CallClock(call, this.#ports.now);
    const [whole] = parts;
    return whole !== undefined && parts.length === 1
      ? this.#attempt(group, whole, call, clock, embed)
      : this.#embedParts(group, parts, call, clock);
  }

  async #embedParts(group: Group, parts: readonly Part[], call: PoolCall, clock: CallClock): Promise<Embedded> {
    const stop = new Cancel();
    const unlink = stop.follow(call.signal);
    const shared = { ...call, signal: stop, watching: atOnce(1) };
    try {
      return join(parts, await Promise.all(parts.map((part) => this.#attempt(group, part, shared, clock, embed))));
    } catch (error) {
      // One part failed, so the others' results are of no use.
      stop.abort();
      throw error;
    } finally {
      unlink();
    }
  }

  /** Exact token ids of texts, or of pairs, by the tokenizer of `required`; the model does not run. Throws ApiError. */
  async tokenize(texts: BackendTexts, call: PoolCall, required?: ModelRevision): Promise<Tokenized> {
    const { model, accountId } = texts;
    const group = this.#group(model);
    await this.announced(model, call.waitUntil, required);
    const { request, ids } = wireRequest(texts, await this.#accountNames.nameOf(accountId), required ?? null);
    const clock = new CallClock(call, this.#ports.now);
    try {
      return await this.#attempt(group, { request, ids, offset: 0 }, call, clock, tokenize);
    } catch (error) {
      if (!(error instanceof RevisionGone)) throw error;
      await this.announced(model, call.waitUntil, required);
      throw coldError(model);
    }
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
    const sending = { group, part, call, clock, send };
    const tokens = tokensOf(part.request, group);
    const tried = new Set<Backend>();
    let attempts = 0;
    let refused = 0;
    for (;;) {
      const backend =
        this.#pick(group, part.request, tokens, tried) ??
        (await this.#pickHeld(group, part.request, tokens, tried, call, clock));
      const startedMs = this.#ports.now();
      const outcomes = this.#mayHedge(part.request, tokens, attempts)
        ? await this.#sendHedged(sending, backend, tokens, tried)
        : [await this.#sender.to(sending, backend)];
      const isFast = this.#ports.now() - startedMs < REFUSED_MS;
      for (const { backend: asked, result } of outcomes) {
        if (result.kind === "answer") return result.answer;
        tried.add(asked);
        await this.#afterFailure(group, asked, part.request, result);
        if (result.kind === "unreachable" && isFast && asked.health === "down") refused += 1;
        else attempts += 1;
      }
      const last = outcomes.at(-1)?.result;
      assert(last !== undefined && last.kind !== "answer", "a call that ends has an outcome");
      const error = failedError(last, part.request, (index) => call.itemOf?.(part.offset + index) ?? null);
      if (attempts >= ATTEMPTS_MAX || refused > REFUSED_MAX || !mayRetry(last)) throw error;
      if (!this.#retryIsPossible(group, part.request, tried, last)) throw error;
    }
  }

  /** A short interactive call's first attempt. The copy counts as the retry, so that no work runs three times. */
  #mayHedge({ tier }: BackendRequest, tokens: number, attempts: number): boolean {
    return this.#hedgeAfterMs !== undefined && attempts === 0 && tier !== "batch" && tokens <= HEDGE_TOKENS_MAX;
  }

  /** Sends to `backend` and, if it is slow, to one more. */
  #sendHedged<Answer extends AnyAnswer>(
    sending: Sending<Answer>,
    backend: Backend,
    tokens: number,
    tried: ReadonlySet<Backend>,
  ): Promise<readonly Sent<Answer>[]> {
    const { group, part } = sending;
    return this.#sender.hedged(sending, backend, this.#hedgeAfterMs ?? Infinity, () => {
      const others = this.#candidates(group, part.request, new Set([...tried, backend]));
      return this.#choose(others, part.request.account, tokens);
    });
  }

  /** Retry on another backend, or on the same one if it was lost (not busy, not wrong). */
  #retryIsPossible(group: Group, request: BackendRequest, tried: ReadonlySet<Backend>, result: Failed): boolean {
    if (this.#candidates(group, request, tried).length > 0) return true;
    return result.kind === "unreachable" || (result.kind === "fault" && result.fault.code === "model_not_ready");
  }

  async #afterFailure(group: Group, backend: Backend, request: BackendRequest, result: Failed): Promise<void> {
    if (result.kind === "unreachable" || (result.kind === "fault" && result.fault.code === "model_not_ready")) {
      // It broke off, drains, or was replaced by a rolling update: its /ready decides where this call and the next ones
      // go. (A single reset must not keep a healthy backend idle.) One that is known to be down was asked already.
      if (backend.health !== "down") {
        backend.lost();
        await group.ask(backend);
      }
      if (request.revision !== null && isGone(group, request.revision)) throw new RevisionGone(request.model);
    }
  }

  #candidates(group: Group, request: BackendRequest, tried: ReadonlySet<Backend>): Backend[] {
    const now = this.#ports.now();
    const revision = request.revision ?? group.current()?.revision;
    return group.backends.filter((backend) => !tried.has(backend) && backend.serves(revision, request.account, now));
  }

  /** The least loaded backend that was not tried; undefined: there is none now. */
  #pick(group: Group, request: BackendRequest, tokens: number, tried: ReadonlySet<Backend>): Backend | undefined {
    return this.#choose(this.#candidates(group, request, tried), request.account, tokens);
  }

  /** The same once there is one; where all were tried, one of them. */
  async #pickHeld(
    group: Group,
    request: BackendRequest,
    tokens: number,
    tried: ReadonlySet<Backend>,
    call: PoolCall,
    clock: CallClock,
  ): Promise<Backend> {
    await this.#hold(group, request.model, call, clock, () => {
      if (request.revision !== null && isGone(group, request.revision)) throw new RevisionGone(request.model);
      return this.#candidates(group, request, new Set()).length > 0;
    });
    const chosen = this.#pick(group, request, tokens, tried) ?? this.#pick(group, request, tokens, new Set());
    if (chosen === undefined) throw coldError(request.model);
    return chosen;
  }

  /** The least loaded of `candidates`; the call counts as its work from now on. */
  #choose(candidates: readonly Backend[], account: string, tokens: number): Backend | undefined {
    if (candidates.length === 0) return undefined;
    const now = this.#ports.now();
    const loads = candidates.map((backend) => backend.candidate(now));
    const chosen = candidates[choose(loads, this.#random)];
    // At once, so that the next choice, a moment later, sees it.
    chosen?.begin(account, tokens, now);
    return chosen;
  }

  /**
   * Asks /ready repeatedly until `until` is true. Throws ApiError when the hold, the deadline or the caller ends first.
   */
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

/** Whether backends are ready, but none with `revision`. */
function isGone(group: Group, revision: ModelRevision): boolean {
  const ready = group.backends.filter(({ health }) => health === "ready");
  return ready.length > 0 && ready.every((backend) => backend.ready?.revision !== revision);
}

function tokensOf(request: BackendRequest, group: Group): number {
  return estimateTokens(request, group.current()?.reranker).reduce((sum, count) => sum + count, 0);
}
