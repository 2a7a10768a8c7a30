// One call to one chosen backend: it is watched while it runs, and its outcome counts for the next choice. With
// hedging, a call that is slow to answer is sent to one more backend, and the first answer wins. That cuts the tail of
// one busy replica for the price of at most one copy (Dean and Barroso, "The Tail at Scale"). Nothing is charged here,
// so nothing is charged twice.

import { ERRORS } from "../../shared/errors.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendLoad, ItemFault } from "../../shared/wire.ts";
import type { Backend } from "./backend.ts";
import type { AtOnce } from "../lib/at-once.ts";
import { atOnce } from "../lib/at-once.ts";
import { Cancel } from "../lib/cancel.ts";
import type { CallClock, PoolCall } from "./call-clock.ts";
import type { BackendCall, BackendResult } from "./client.ts";
import { mayRetry } from "./faults.ts";
import type { Group, GroupPorts } from "./group.ts";
import type { Part } from "./split.ts";
import type { BackendRequest } from "./wire-request.ts";

/** Each time a call has waited this long without an answer, its backend's /ready is asked. */
const WATCH_MS = 5000;
/** A deadline that passes after at least this long counts as the backend's failure. */
const HUNG_MS = 5000;

/** What every answer has: its revision, and the load where the route reports one. */
export interface AnyAnswer {
  readonly revision: ModelRevision;
  readonly load?: BackendLoad;
  readonly faults?: readonly ItemFault[] | undefined;
}

export type Send<Answer> = (
  call: BackendCall,
  request: BackendRequest,
  ids: Uint32Array,
) => Promise<BackendResult<Answer>>;

/** A part of a request, and how it is sent. */
export interface Sending<Answer> {
  readonly group: Group;
  readonly part: Part;
  readonly call: PoolCall;
  readonly clock: CallClock;
  readonly send: Send<Answer>;
}

export interface Sent<Answer> {
  readonly backend: Backend;
  readonly result: BackendResult<Answer>;
}

export class Sender {
  readonly #ports: GroupPorts;

  constructor(ports: GroupPorts) {
    this.#ports = ports;
  }

  /**
   * Sends to `backend` and, when there is no answer after `afterMs`, also to what `other` picks (undefined: none).
   * Returns all outcomes known at the end, the best one last; the call that still runs is cancelled.
   */
  async hedged<Answer extends AnyAnswer>(
    sending: Sending<Answer>,
    backend: Backend,
    afterMs: number,
    other: () => Backend | undefined,
  ): Promise<readonly Sent<Answer>[]> {
    const stop = new Cancel();
    const unlink = stop.follow(sending.call.signal);
    const own = { ...sending, call: { ...sending.call, signal: stop } };
    try {
      const first = this.to(own, backend);
      const timer = new Cancel();
      const early = await Promise.race([first, this.#ports.sleep(afterMs, timer)]);
      timer.abort();
      const second = early === undefined && !stop.aborted ? other() : undefined;
      if (second === undefined) return [await first];
      const copy = this.to(own, second);
      const sooner = await Promise.race([first, copy]);
      if (sooner.result.kind === "answer" || !mayRetry(sooner.result)) {
        stop.abort();
        return [sooner];
      }
      const later = await (sooner.backend === backend ? copy : first);
      return [sooner, later];
    } finally {
      unlink();
    }
  }

  async to<Answer extends AnyAnswer>(sending: Sending<Answer>, backend: Backend): Promise<Sent<Answer>> {
    const { group, part, call, clock, send } = sending;
    const { fetch, secret, now } = this.#ports;
    const startedMs = now();
    const ended = new Cancel();
    // Aborts with the caller, or when the backend is found dead.
    const stop = new Cancel();
    const unlink = stop.follow(call.signal);
    const watch = (): void => void this.#watch(group, backend, ended, stop, call.watching ?? atOnce(1));
    const stopWatching = call.timer?.after(WATCH_MS, watch);
    if (stopWatching === undefined) void this.#ports.sleep(WATCH_MS, ended).then(watch);
    const sent = await send(
      {
        fetch,
        secret,
        origin: backend.origin,
        requestId: call.requestId,
        traceparent: call.traceparent,
        deadlineMs: clock.leftMs,
        signal: stop,
        timer: call.timer,
      },
      part.request,
      part.ids,
    );
    ended.abort();
    stopWatching?.();
    unlink();
    backend.end();
    const isDead = sent.kind === "cancelled" && !call.signal.aborted;
    const result: BackendResult<Answer> = isDead ? { kind: "unreachable", reason: "hangs" } : sent;
    const checked = checkRevision(result, part.request.revision);
    noteOutcome(backend, checked, part.request.account, { startedMs, nowMs: now() });
    return { backend, result: checked };
  }

  /** During a long call: a backend that no longer answers /ready is given up before the call's deadline. */
  async #watch(group: Group, backend: Backend, ended: Cancel, stop: Cancel, watching: AtOnce): Promise<void> {
    while (!ended.aborted) {
      await watching(() => group.ask(backend));
      if (backend.isLost) {
        stop.abort();
        return;
      }
      await this.#ports.sleep(WATCH_MS, ended);
    }
  }
}

/** A vector of another revision than the requested one is as wrong as a damaged frame. */
function checkRevision<Answer extends AnyAnswer>(
  result: BackendResult<Answer>,
  revision: ModelRevision | null,
): BackendResult<Answer> {
  if (result.kind !== "answer" || revision === null || result.answer.revision === revision) return result;
  return { kind: "garbage", reason: "vectors of another revision" };
}

function noteOutcome(
  backend: Backend,
  result: BackendResult<AnyAnswer>,
  account: string,
  { startedMs, nowMs }: { readonly startedMs: number; readonly nowMs: number },
): void {
  switch (result.kind) {
    case "answer": {
      const { load, faults } = result.answer;
      // A text that ends its engine counts against the backend in the place of an item too.
      if (faults?.some(({ code }) => code === "internal_error") === true) backend.breaker.failure(account, nowMs);
      else backend.answered();
      if (load !== undefined) backend.loaded(load, nowMs);
      return;
    }
    case "unreachable":
    case "garbage":
      backend.breaker.failure(account, nowMs);
      return;
    case "refused":
      backend.refused(result.status, nowMs);
      return;
    case "deadline":
      if (nowMs - startedMs >= HUNG_MS) backend.breaker.failure(account, nowMs);
      else backend.breaker.inconclusive();
      return;
    case "fault":
      // Refusing an input is healthy; an internal error is not; a 503 only says "try elsewhere".
      if (result.fault.code === "internal_error") backend.breaker.failure(account, nowMs);
      else if (ERRORS[result.fault.code].status <= 500) backend.breaker.success();
      else backend.breaker.inconclusive();
      return;
    default:
      backend.breaker.inconclusive();
  }
}
