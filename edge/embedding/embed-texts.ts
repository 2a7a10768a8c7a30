// Vectors for a request's texts, or scores of its pairs: from the cache tiers, from a computation that another request has
// started, or from a backend. Each distinct text is computed once, and all misses travel in one frame. A request never
// mixes model revisions: its look-ups and computation are pinned to the announced revision, and start again when a
// rolling update replaces it.

import { must } from "../../shared/assert.ts";
import { DEFAULT_PRICES } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { BackendReady } from "../../shared/wire.ts";
import type { PoolCall } from "../backend/call-clock.ts";
import type { Embedded } from "../backend/client.ts";
import { cancelledError, coldError, deadlineError, itemFault } from "../backend/faults.ts";
import type { Pool } from "../backend/pool.ts";
import { RevisionGone } from "../backend/pool.ts";
import { wordsOf } from "../backend/score-bits.ts";
import { admissionInputs } from "../cache/admission.ts";
import type { CacheEntry } from "../cache/entry.ts";
import type { CacheKeys } from "../cache/key.ts";
import type { CacheScope } from "../cache/scope.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import type { CallText } from "../lib/call-text.ts";
import { sizeOf } from "../lib/call-text.ts";
import { Cancel, onAbort } from "../lib/cancel.ts";
import { othersTurn } from "../lib/others-turn.ts";
import type { Distinct } from "./distinct.ts";
import { distinctTexts, estimatesOf } from "./distinct.ts";
import type { Computation, Wait, WaitEnd } from "./in-flight.ts";
import { InFlight } from "./in-flight.ts";
import type { Outcome } from "./outcomes.ts";
import { fits, hitOf, missing, outcomesOf } from "./outcomes.ts";
import { pairPrefix, sameReranker } from "./pairs.ts";
import { samePrompts } from "./prompts.ts";
import { SharedText } from "./shared-text.ts";
import type { CacheMode, CacheUse, Tiers } from "../cache/tiers.ts";
import type { EmbedTexts, EmbedTextsRequest, EmbedTextsResult, StartedTexts } from "./types.ts";

/** The longest wait for another request's computation; below the 30 s for which `waitUntil` keeps that one alive. */
const TAKEOVER_MS = 20_000;
/** How often a request starts again after a rolling update. */
const REVISION_ROUNDS_MAX = 3;
/** Always 0 so far: raising it would forget all of an account's entries. */
const CACHE_EPOCH = 0;

export interface EmbedTextsPorts {
  readonly pool: Pick<Pool, "announced" | "awaitReady" | "embed">;
  readonly keys: CacheKeys;
  readonly tiers: Pick<Tiers, "peek" | "lookUp" | "store">;
  readonly now: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  readonly sleep: (ms: number, signal: CancelSignal) => Promise<void>;
}

export function createEmbedTexts(ports: EmbedTextsPorts): EmbedTexts {
  const inFlight = new InFlight<SharedText>();
  return {
    start: (request) => new EmbedCall(ports, inFlight, request),
  };
}

/** What the look-ups found, and the revision it is of. */
interface Looked {
  readonly ready: BackendReady;
  /** Undefined when the cache is off for this call. */
  readonly cached: Cached | undefined;
}

/** A call's texts in the cache. */
interface Cached {
  /** Per distinct text: its name in the isolate's memory. */
  readonly names: readonly string[];
  readonly found: ReadonlyMap<string, CacheEntry>;
}

/** What a call computes itself. */
interface Owned {
  /** Indexes among the distinct texts. */
  readonly indexes: readonly number[];
  /** Shared with calls that wait for the same texts; undefined: they are the call's alone. */
  readonly computation: Computation<SharedText> | undefined;
  /** Waits for texts that other calls compute. */
  readonly waits: readonly { readonly index: number; readonly wait: Wait<SharedText> }[];
}

class EmbedCall implements StartedTexts {
  readonly #ports: EmbedTextsPorts;
  readonly #inFlight: InFlight<SharedText>;
  readonly #request: EmbedTextsRequest;
  readonly #distinct: Distinct;
  readonly #startedMs: number;
  #cacheMode: CacheMode;
  readonly #timings: Record<string, number> = {};
  /** What was computed and may be cached, by its name in memory, and for which use. */
  readonly #computed = new Map<string, CacheEntry>();
  #use: CacheUse | undefined;
  readonly #looking: Looked | undefined | Promise<Looked | undefined>;

  constructor(ports: EmbedTextsPorts, inFlight: InFlight<SharedText>, request: EmbedTextsRequest) {
    this.#ports = ports;
    this.#inFlight = inFlight;
    this.#request = request;
    this.#cacheMode = request.cacheMode;
    this.#startedMs = ports.now();
    this.#distinct = distinctTexts(request.texts);
    this.#looking = this.#start();
  }

  /** What need not wait makes no promise. */
  #start(): Looked | undefined | Promise<Looked | undefined> {
    const { model, waitUntil, revision } = this.#request;
    const announced = this.#ports.pool.announced(model, waitUntil, revision);
    const isFit = !(announced instanceof Promise) && announced !== undefined && fitsCall(announced, this.#request);
    const looking = isFit
      ? this.#lookUp(announced)
      : Promise.resolve(announced).then((ready) => ready && this.#lookUp(ready));
    // `finish` may never be called (a refused lease); a failed look-up would then be an unhandled rejection.
    if (looking instanceof Promise) looking.catch(() => undefined);
    return looking;
  }

  async finish(cacheMode: CacheMode = this.#cacheMode): Promise<EmbedTextsResult> {
    const { pool } = this.#ports;
    const { model, waitUntil, revision } = this.#request;
    let looked = this.#looking instanceof Promise ? await this.#looking : this.#looking;
    if (cacheMode !== this.#cacheMode) {
      // The key's setting is not the one that the look-ups began with.
      this.#cacheMode = cacheMode;
      looked = looked && (await this.#lookUp(looked.ready));
    }
    this.#timings["cache"] = this.#ports.now() - this.#startedMs;
    for (let round = 0; round < REVISION_ROUNDS_MAX; round += 1) {
      looked ??= await this.#lookUp(await pool.awaitReady(model, this.#poolCall([]), revision));
      try {
        const results = await this.#compute(looked);
        return this.#resultOf(looked, results);
      } catch (error) {
        if (!(error instanceof RevisionGone)) throw error;
        const current = await pool.announced(model, waitUntil, revision);
        looked = current === undefined ? undefined : await this.#lookUp(current);
      }
    }
    throw coldError(model);
  }

  keep(): void {
    if (this.#use !== undefined && this.#computed.size > 0) this.#ports.tiers.store(this.#computed, this.#use);
  }

  get #leftMs(): number {
    return this.#request.deadlineMs - (this.#ports.now() - this.#startedMs);
  }

  #lookUp(ready: BackendReady): Looked | Promise<Looked> {
    // The backend now announces something else than this call was prepared with. A repeat is prepared with the new facts.
    if (!fitsCall(ready, this.#request)) {
      throw apiError("model_not_ready", "The model has become ready a moment ago: send the call again.", null, 1);
    }
    const { accountId, query, noStore } = this.#request;
    const mode = this.#cacheMode;
    if (noStore || mode === "off") {
      this.#use = undefined;
      return { ready, cached: undefined };
    }
    const prefix = query === undefined ? this.#request.prefix : pairPrefix(query);
    const scope = { accountId, epoch: CACHE_EPOCH, revision: ready.revision, prefix };
    const { texts } = this.#distinct;
    const turn = othersTurn(sizeOf(texts));
    const names =
      turn === undefined
        ? this.#ports.keys.localNamesOf(scope, texts)
        : turn.then(() => this.#ports.keys.localNamesOf(scope, texts));
    if (names instanceof Promise) return names.then((all) => this.#lookUpNamed(ready, scope, mode, all));
    return this.#lookUpNamed(ready, scope, mode, names);
  }

  #lookUpNamed(
    ready: BackendReady,
    scope: CacheScope,
    mode: CacheUse["mode"],
    names: readonly string[],
  ): Looked | Promise<Looked> {
    const { accountId, waitUntil, prices = DEFAULT_PRICES } = this.#request;
    const { texts } = this.#distinct;
    const use: CacheUse = {
      accountId,
      mode,
      admission: admissionInputs(prices),
      waitUntil,
      sharedNames: (asked) => this.#ports.keys.namesOf(scope, textsNamed(asked, names, texts)),
    };
    this.#use = use;
    const tokens = estimatesOf(texts, scope.prefix);
    const found = this.#ports.tiers.lookUp(
      names.map((name, index) => ({ name, tokensAbout: tokens[index] ?? 0 })),
      use,
    );
    if (found instanceof Promise) return found.then((entries) => ({ ready, cached: { names, found: entries } }));
    return { ready, cached: { names, found } };
  }

  /** Every distinct text's outcome: found, computed, or computed by another call. */
  async #compute(looked: Looked): Promise<readonly (Outcome | undefined)[]> {
    const { signal } = this.#request;
    const results = this.#hits(looked);
    for (;;) {
      const owned = this.#claim(looked, results);
      const computing = owned.indexes.length === 0 ? undefined : this.#embed(looked, owned, results);
      if (owned.waits.length === 0) await computing;
      else await this.#waitFor(owned.waits, computing, results);
      if (missing(results).length === 0) return results;
      if (signal.aborted) throw cancelledError();
      if (this.#leftMs <= 0) throw deadlineError();
    }
  }

  #hits({ ready, cached }: Looked): (Outcome | undefined)[] {
    return this.#distinct.texts.map((_, index) => {
      const entry = cached?.found.get(cached.names[index] ?? "");
      return entry !== undefined && fits(entry, ready) ? hitOf(entry) : undefined;
    });
  }

  /** Takes the texts that nobody computes yet; the others are waited for, and taken over if that fails. */
  #claim({ ready, cached }: Looked, results: (Outcome | undefined)[]): Owned {
    if (cached === undefined) return { indexes: missing(results), computation: undefined, waits: [] };
    const { accountId, tier, truncate } = this.#request;
    // Shared only between calls of one truncation, which changes the result, and one tier, since a batch may take its
    // time.
    const computation = this.#inFlight.begin(`${truncate} ${tier}`);
    const indexes: number[] = [];
    const waits: { index: number; wait: Wait<SharedText> }[] = [];
    for (const index of missing(results)) {
      const name = cached.names[index] ?? "";
      const entry = this.#ports.tiers.peek(name, accountId);
      if (entry !== undefined && fits(entry, ready)) {
        results[index] = hitOf(entry);
        continue;
      }
      const wait = computation.claim(name);
      if (wait === undefined) indexes.push(index);
      else waits.push({ index, wait });
    }
    return { indexes, computation, waits };
  }

  /** What other calls compute, beside what this one does. */
  async #waitFor(
    waits: Owned["waits"],
    computing: Promise<void> | undefined,
    results: (Outcome | undefined)[],
  ): Promise<void> {
    const timer = new Cancel();
    const end = this.#waitEnd(timer);
    try {
      const taking = waits.map(async ({ index, wait }) => {
        results[index] = (await wait(end))?.in(this);
      });
      await Promise.all([computing, ...taking]);
    } finally {
      timer.abort();
    }
  }

  /** Resolves when waiters should stop waiting; `timer` cancels it. */
  async #waitEnd(timer: Cancel): Promise<WaitEnd> {
    const { signal } = this.#request;
    const unlink = timer.follow(signal);
    await this.#ports.sleep(Math.min(TAKEOVER_MS, Math.max(1, this.#leftMs / 2)), timer);
    unlink();
    return signal.aborted ? "left" : "late";
  }

  /**
   * Sends one frame for all of `owned`. It goes on after this call's client has left while another call waits for it.
   */
  #embed(looked: Looked, owned: Owned, results: (Outcome | undefined)[]): Promise<void> {
    const work = this.#askBackend(looked, owned, results);
    this.#request.waitUntil(owned.computation?.ended ?? work.catch(() => undefined));
    return work;
  }

  async #askBackend(looked: Looked, { indexes, computation }: Owned, results: (Outcome | undefined)[]): Promise<void> {
    const { model, accountId, tier, prefix, query, truncate, onError, signal, textsDepend } = this.#request;
    const distinct = this.#distinct;
    // Mostly all of them: nothing is put together anew then.
    const areAll = indexes.length === distinct.texts.length;
    const texts = areAll ? distinct.texts : indexes.flatMap((index) => distinct.texts[index] ?? []);
    const places = areAll ? distinct.first : indexes.map((index) => distinct.first[index] ?? 0);
    const stop = new Cancel();
    const gone = (): void => {
      if (signal.aborted && (computation === undefined || computation.waiters === 0)) stop.abort();
    };
    computation?.whenWaiterLeft(gone);
    const unlink = onAbort(signal, gone);
    const startedMs = this.#ports.now();
    try {
      const answer = await this.#ports.pool.embed(
        { model, accountId, tier, texts, prefix, query, truncate, onError },
        looked.ready.revision,
        this.#poolCall(places, stop),
      );
      this.#noteTimings(answer, startedMs);
      if (answer.dimensions !== wordsOf(looked.ready)) {
        throw apiError("backend_unavailable", "The backend contradicts itself. Nothing was charged.", null, 1);
      }
      const computed = outcomesOf(answer);
      const isOwn = textsDepend === true && computed.some(isFault);
      if (!isOwn) this.#noteComputed(looked, indexes, answer, computed);
      const shared = isOwn || computation === undefined || computation.waiters === 0 ? computed : this.#share(computed);
      for (let place = 0; place < indexes.length; place += 1) results[indexes[place] ?? 0] = shared[place];
      // A fault of this call is not a waiter's: it computes that text anew.
      if (shared !== computed) computation?.settle(shared.map((one) => (one instanceof SharedText ? one : undefined)));
    } finally {
      // After a failure it ends without values, and the waiters compute for themselves. Shared, this does nothing.
      computation?.settle([]);
      unlink();
    }
  }

  /** The texts as calls that wait for them may have them. */
  #share(computed: readonly Outcome[]): readonly Outcome[] {
    return computed.map((one) => ("code" in one ? one : new SharedText(one, this)));
  }

  #noteTimings({ timings }: Embedded, startedMs: number): void {
    this.#timings["backend"] = this.#ports.now() - startedMs;
    this.#timings["tokenize"] = timings.tokenizeMs;
    this.#timings["queue"] = timings.queueMs;
    this.#timings["run"] = timings.runMs;
  }

  /** All but truncated texts: an entry must also serve `truncate: none`. */
  #noteComputed({ cached }: Looked, indexes: readonly number[], answer: Embedded, computed: readonly Outcome[]): void {
    if (cached === undefined) return;
    const { accountId } = this.#request;
    for (let place = 0; place < indexes.length; place += 1) {
      const text = computed[place];
      const name = cached.names[indexes[place] ?? 0];
      if (text === undefined || "code" in text || name === undefined || answer.truncated[place] === true) continue;
      this.#computed.set(name, { accountId, tokens: text.tokens, vector: text.vector });
    }
  }

  #resultOf({ ready }: Looked, results: readonly (Outcome | undefined)[]): EmbedTextsResult {
    // A fault may have come later than texts that it makes free of charge: what another call had failed on is computed anew.
    if (this.#request.textsDepend === true && results.some(isFault)) this.#computed.clear();
    const texts = this.#distinct.of.map((place, position) => {
      const text = results[place];
      if (text === undefined) throw new TypeError("every distinct text has a result");
      if ("code" in text) return { fault: itemFault(text, this.#request, () => this.#itemOf(position)) };
      // A text that repeats an earlier one of the request is priced as a hit.
      if (this.#distinct.first[place] === position) return text;
      return { vector: text.vector, tokens: text.tokens, hit: true };
    });
    return { revision: ready.revision, dimensions: wordsOf(ready), texts, timings: this.#timings };
  }

  /** `places`: the position in the request of each text of the call, so that faults name the caller's own item. */
  #poolCall(places: readonly number[], signal: CancelSignal = this.#request.signal): PoolCall {
    const { requestId, traceparent, coldHoldMs, waitUntil, timer } = this.#request;
    return {
      requestId,
      traceparent,
      deadlineMs: this.#leftMs,
      coldHoldMs,
      signal,
      waitUntil,
      timer,
      itemOf: (index) => {
        const place = places[index];
        return place === undefined ? null : this.#itemOf(place);
      },
    };
  }

  #itemOf(place: number): string | null {
    const { itemOf } = this.#request;
    return itemOf === undefined ? `input[${place}]` : itemOf(place);
  }
}

/** The texts whose names are `asked`, in that order. */
function textsNamed(asked: readonly string[], names: readonly string[], texts: readonly CallText[]): CallText[] {
  const places = new Map(names.map((name, index) => [name, index]));
  return asked.map((name) => must(texts[places.get(name) ?? -1], "a name of this call's texts"));
}

/** Whether what the backend announces now is what the call was prepared with. */
function fitsCall({ kind, reranker, prompts: now }: BackendReady, { query, prompts }: EmbedTextsRequest): boolean {
  if ((kind === "reranker") !== (query !== undefined)) return false;
  if (query?.takes !== undefined) return reranker !== undefined && sameReranker(query.takes, reranker);
  return prompts === undefined || now === undefined || samePrompts(prompts, now);
}

function isFault(outcome: Outcome | undefined): boolean {
  return outcome !== undefined && "code" in outcome;
}
