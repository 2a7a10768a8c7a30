// The models with the operator's prices, kept in an isolate's memory and refreshed in the background. Requests do not
// read a database for them; only a request that would see prices older than a minute waits a moment for new ones (the
// isolate was idle, or has just started). A request takes a model from here once. Models are values, so a price never
// changes during a request. The clock and the loading are passed in.

import type { CatalogModel } from "../../shared/catalog.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { Cancel } from "../lib/cancel.ts";
import type { ModelSettings } from "./model-settings.ts";
import { withSettings } from "./model-settings.ts";

export interface ModelBookOptions {
  /** The models of the catalogue and the configuration, with their prices until the operator sets others. */
  readonly base: readonly CatalogModel[];
  readonly load: () => Promise<readonly ModelSettings[]>;
  readonly now: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts. */
  readonly sleep: (ms: number, signal: CancelSignal) => Promise<void>;
}

/** At this age a request starts a refresh and does not wait for it. */
export const REFRESH_AFTER_MS = 20_000;
/** At this age a request waits, so that a price is in force everywhere within 60 s (docs/contract.md, Routes). */
export const STALE_MS = 55_000;
/** The longest that a request waits; then it continues with the known prices. */
const WAIT_MS_MAX = 1000;
/** The time until the next try after a failure, or after a load whose request is gone. */
export const RETRY_MS = 5000;

export class ModelBook {
  readonly #options: ModelBookOptions;
  #models: readonly CatalogModel[];
  /** When the load that gave `#models` began; -Infinity before the first. */
  #asOfMs = -Infinity;
  #loading: { readonly done: Promise<void>; readonly sinceMs: number } | undefined;
  #failedAtMs = -Infinity;

  constructor(options: ModelBookOptions) {
    this.#options = options;
    this.#models = options.base;
  }

  get models(): readonly CatalogModel[] {
    return this.#models;
  }

  /** Call it before a request reads `models`. Undefined, so no wait, unless they are too old. Never rejects. */
  keepFresh(waitUntil: (work: Promise<unknown>) => void): Promise<void> | undefined {
    const ageMs = this.#options.now() - this.#asOfMs;
    if (ageMs < REFRESH_AFTER_MS) return undefined;
    const failing = this.#failedAtMs > this.#asOfMs;
    const loading = this.#load(waitUntil);
    // Only one request waits for a directory that is down; the others continue with the known prices.
    return loading === undefined || ageMs < STALE_MS || failing ? undefined : this.#waitFor(loading);
  }

  async #waitFor(loading: Promise<void>): Promise<void> {
    const timer = new Cancel();
    const slow = this.#options.sleep(WAIT_MS_MAX, timer).then(() => "slow" as const);
    if ((await Promise.race([loading, slow])) === "slow") this.#failedAtMs = this.#options.now();
    timer.abort();
  }

  /** Loads at once, so that the isolate in which a price was set shows it in its next answer. */
  async reload(): Promise<void> {
    this.#loading = undefined;
    this.#failedAtMs = -Infinity;
    await this.#load((work) => void work);
  }

  /** The running load, or a new one; undefined shortly after a failure. */
  #load(waitUntil: (work: Promise<unknown>) => void): Promise<void> | undefined {
    const nowMs = this.#options.now();
    if (this.#loading !== undefined && nowMs - this.#loading.sinceMs < RETRY_MS) return this.#loading.done;
    if (nowMs - this.#failedAtMs < RETRY_MS) return undefined;
    const done = this.#loadOnce(nowMs);
    this.#loading = { done, sinceMs: nowMs };
    // It must outlive the request that began it, because others wait for it too.
    waitUntil(done);
    return done;
  }

  async #loadOnce(sinceMs: number): Promise<void> {
    try {
      const settings = await this.#options.load();
      if (sinceMs < this.#asOfMs) return; // a newer load has finished
      this.#models = withSettings(this.#options.base, settings);
      this.#asOfMs = sinceMs;
    } catch {
      // The known prices stay in force: a directory that is down must not stop calls that do not need it.
      this.#failedAtMs = this.#options.now();
    } finally {
      if (this.#loading?.sinceMs === sinceMs) this.#loading = undefined;
    }
  }
}
