// The models of an isolate with the operator's prices, kept in memory and refreshed behind the requests: no request
// reads a database for them, but one that would see prices older than a minute waits a moment for new ones (an isolate
// that slept, or just started). A request takes a model from here once; models are values, so a price never changes
// under it. The clock and the loading are passed in.

import type { CatalogModel } from "../../shared/catalog.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { Cancel } from "../lib/cancel.ts";
import type { ModelSettings } from "./model-settings.ts";
import { withSettings } from "./model-settings.ts";

export interface ModelBookOptions {
  /** The catalogue and what configuration adds: the models, and their prices until the operator says otherwise. */
  readonly base: readonly CatalogModel[];
  readonly load: () => Promise<readonly ModelSettings[]>;
  readonly now: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly sleep: (ms: number, signal: CancelSignal) => Promise<void>;
}

/** From this age on a request starts a refresh and does not wait for it. */
export const REFRESH_AFTER_MS = 20_000;
/** From this age on a request waits: a price is in force everywhere within 60 s (docs/contract.md, Routes). */
export const STALE_MS = 55_000;
/** The longest that a request waits for it; then it goes on with what is known. */
const WAIT_MS_MAX = 1000;
/** After a failure, and for a load whose request is gone, the next try comes this much later. */
export const RETRY_MS = 5000;

export class ModelBook {
  readonly #options: ModelBookOptions;
  #models: readonly CatalogModel[];
  /** When the load that gave `#models` began; an isolate begins without one. */
  #asOfMs = -Infinity;
  #loading: { readonly done: Promise<void>; readonly sinceMs: number } | undefined;
  #failedAtMs = -Infinity;

  constructor(options: ModelBookOptions) {
    this.#options = options;
    this.#models = options.base;
  }

  /** As last loaded. */
  get models(): readonly CatalogModel[] {
    return this.#models;
  }

  /** Call it before a request reads `models`. Settles at once unless they are too old. Never rejects. */
  async keepFresh(waitUntil: (work: Promise<unknown>) => void): Promise<void> {
    const ageMs = this.#options.now() - this.#asOfMs;
    if (ageMs < REFRESH_AFTER_MS) return;
    const failing = this.#failedAtMs > this.#asOfMs;
    const loading = this.#load(waitUntil);
    // One request waits for a directory that is down, no more: the rest go on with what is known.
    if (loading === undefined || ageMs < STALE_MS || failing) return;
    const timer = new Cancel();
    const slow = this.#options.sleep(WAIT_MS_MAX, timer).then(() => "slow" as const);
    if ((await Promise.race([loading, slow])) === "slow") this.#failedAtMs = this.#options.now();
    timer.abort();
  }

  /** Loads at once: the isolate in which a price was set shows it in its next answer. */
  async reload(): Promise<void> {
    this.#loading = undefined;
    this.#failedAtMs = -Infinity;
    await this.#load((work) => void work);
  }

  /** The load under way, or a new one; undefined shortly after a failure. */
  #load(waitUntil: (work: Promise<unknown>) => void): Promise<void> | undefined {
    const nowMs = this.#options.now();
    if (this.#loading !== undefined && nowMs - this.#loading.sinceMs < RETRY_MS) return this.#loading.done;
    if (nowMs - this.#failedAtMs < RETRY_MS) return undefined;
    const done = this.#loadOnce(nowMs);
    this.#loading = { done, sinceMs: nowMs };
    // Others wait for it too: it must outlive the request that began it.
    waitUntil(done);
    return done;
  }

  async #loadOnce(sinceMs: number): Promise<void> {
    try {
      const settings = await this.#options.load();
      if (sinceMs < this.#asOfMs) return; // a newer one was quicker
      this.#models = withSettings(this.#options.base, settings);
      this.#asOfMs = sinceMs;
    } catch {
      // What is known stays in force: a directory that is down must not stop calls that do not need it.
      this.#failedAtMs = this.#options.now();
    } finally {
      if (this.#loading?.sinceMs === sinceMs) this.#loading = undefined;
    }
  }
}
