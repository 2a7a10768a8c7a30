// The backends of one model, their reports, and which revision is current. /ready is read at most once at a time, kept
// in the isolate's memory, and refreshed in the background. A call waits for it only when nothing recent is known.

import type { ModelRevision } from "../../shared/ids.ts";
import type { BackendReady } from "../../shared/wire.ts";
import { atOnce } from "../lib/at-once.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import type { Backend } from "./backend.ts";
import type { Fetch } from "./client.ts";
import { readReady } from "./client.ts";

/** Reports younger than this are used without asking again. */
const FRESH_MS = 5000;
/** The same while one of the backends is not ready: it may be back. */
const RECHECK_MS = 1000;
/**
 * Reports older than this are renewed before an answer, which bounds how long a replaced revision's vectors are served.
 */
const STALE_MS = 30_000;
const READY_TIMEOUT_MS = 2000;
/** Connections for /ready, beside those of a split call's parts (edge/lib/at-once.ts). */
const READS_AT_ONCE = 2;
/** How long to wait for the other backends' reports after the first one says ready. */
const GRACE_MS = 250;

export interface GroupPorts {
  readonly fetch: Fetch;
  readonly secret: string;
  readonly now: () => number;
  readonly sleep: (ms: number, signal?: CancelSignal) => Promise<void>;
  /** Revisions of `model` in whose place another one was put. */
  readonly superseded: (model: string) => ReadonlySet<ModelRevision>;
}

type WaitUntil = (work: Promise<unknown>) => void;

export class Group {
  readonly backends: readonly Backend[];
  readonly #ports: GroupPorts;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #refresh: { readonly enough: Promise<void>; readonly sinceMs: number } | undefined;
  /** Revisions that ready backends announce now, in order of appearance. */
  #revisions: ModelRevision[] = [];

  constructor(backends: readonly Backend[], ports: GroupPorts) {
    this.backends = backends;
    this.#ports = ports;
  }

  /**
   * The report of `revision`, or of the current one; undefined while no backend was ever ready, or none has `revision`.
   * Waits only when nothing recent is known: of a revision that seems not to be served, less is recent.
   */
  announced(
    waitUntil: WaitUntil,
    revision?: ModelRevision,
  ): BackendReady | undefined | Promise<BackendReady | undefined> {
    const age = this.#ports.now() - this.#checkedAtMs;
    const isKnown = revision === undefined || this.current(revision) !== undefined;
    if (age > (isKnown ? STALE_MS : RECHECK_MS)) return this.refresh(waitUntil).then(() => this.current(revision));
    const areReady = this.backends.every(({ health, isOnStandby }) => health === "ready" || isOnStandby);
    if (age > (areReady ? FRESH_MS : RECHECK_MS)) void this.refresh(waitUntil);
    return this.current(revision);
  }

  /**
   * The newest revision that a ready backend announces: of those that the operator has not superseded the one that appeared
   * last, so that nothing of the old revision is served once the new one is known, but to calls that require it: theirs is
   * `revision`, if a ready backend announces it. While all are down: the last ones.
   */
  current(revision: ModelRevision | undefined = this.#newest()): BackendReady | undefined {
    if (revision === undefined || !this.#revisions.includes(revision)) return undefined;
    const known = this.backends.filter(({ ready }) => ready !== undefined && ready.revision === revision);
    return (known.find(({ health }) => health === "ready") ?? known[0])?.ready;
  }

  #newest(): ModelRevision | undefined {
    const last = this.#revisions.at(-1);
    const model = this.backends[0]?.model;
    if (this.#revisions.length < 2 || model === undefined) return last;
    const superseded = this.#ports.superseded(model);
    return this.#revisions.findLast((revision) => !superseded.has(revision)) ?? last;
  }

  /** A report of each revision, in order of appearance. */
  served(): readonly BackendReady[] {
    return this.#revisions.flatMap((revision) => this.current(revision) ?? []);
  }

  /** Asks every backend. One round at a time; a round whose request context died is replaced after its time limit. */
  async refresh(waitUntil: WaitUntil): Promise<void> {
    const now = this.#ports.now();
    const running = this.#refresh;
    if (running !== undefined && now - running.sinceMs < READY_TIMEOUT_MS * 2) {
      await Promise.race([running.enough, this.#ports.sleep(READY_TIMEOUT_MS)]);
      return;
    }
    const slot = atOnce(READS_AT_ONCE);
    // Ready ones first: they must not wait behind one that hangs.
    const order = this.backends.toSorted((a, b) => Number(b.health === "ready") - Number(a.health === "ready"));
    const reads = order.map((backend) => slot(() => this.ask(backend)));
    const all = this.#finish(reads);
    const enough = Promise.race([all, this.#firstReady(reads, all)]);
    this.#refresh = { enough, sinceMs: now };
    waitUntil(all);
    await enough;
  }

  async #finish(reads: readonly Promise<boolean>[]): Promise<void> {
    await Promise.all(reads);
    this.#refresh = undefined;
  }

  /** A backend that hangs must not delay calls that another one can serve. */
  async #firstReady(reads: readonly Promise<boolean>[], all: Promise<void>): Promise<void> {
    const ready = await Promise.any(
      reads.map(async (read) => {
        if (!(await read)) throw new Error("not ready");
      }),
    ).then(
      () => true,
      () => false,
    );
    await (ready ? this.#ports.sleep(GRACE_MS) : all);
  }

  /** Asks one backend. True: it is ready. */
  async ask(backend: Backend): Promise<boolean> {
    const { fetch, secret, now } = this.#ports;
    const result = await readReady({ fetch, secret, origin: backend.origin, model: backend.model }, READY_TIMEOUT_MS);
    backend.heard(result, now());
    this.#checkedAtMs = now();
    this.#noteRevisions();
    return backend.health === "ready";
  }

  #noteRevisions(): void {
    const live = new Set(
      this.backends.flatMap(({ health, ready }) => (health === "ready" && ready !== undefined ? [ready.revision] : [])),
    );
    // All are down: the current revision stays, so that cached answers go on.
    if (live.size === 0) return;
    const kept = this.#revisions.filter((revision) => live.has(revision));
    const appeared = [...live].filter((revision) => !kept.includes(revision));
    this.#revisions = [...kept, ...appeared];
  }
}
