// Vectors for a request's texts, or scores of its pairs: from the cache tiers, from a computation that another request has
// started, or from a backend. Each distinct text is computed once, and all misses travel in one frame. A request never
// mixes model revisions: its look-ups and computation are pinned to the announced revision, and start again when a
// rolling update replaces it.

import { DEFAULT_PRICES } from "../../shared/catalog.ts";
import { apiError } from "../../shared/errors.ts";
import type { BackendReady, ItemFault } from "../../shared/wire.ts";
import type { PoolCall } from "../backend/call-clock.ts";
import type { Embedded } from "../backend/client.ts";
import { cancelledError, coldError, deadlineError, itemFault } from "../backend/faults.ts";
import type { Pool } from "../backend/pool.ts";
import { RevisionGone } from "../backend/pool.ts";
import { wordsOf } from "../backend/score-bits.ts";
import { admissionInputs } from "../cache/admission.ts";
import type { CacheEntry } from "../cache/entry.ts";
import type { CacheKeys } from "../cache/key.ts";
import type { CancelSignal } from "../lib/cancel.ts";
import { sizeOf } from "../lib/call-text.ts";
import { Cancel, onAbort } from "../lib/cancel.ts";
import { othersTurn } from "../lib/others-turn.ts";
import type { Distinct } from "./distinct.ts";
import { distinctTexts, estimatesOf } from "./distinct.ts";
import type { Computation, Wait, WaitEnd } from "./in-flight.ts";
import { InFlight } from "./in-flight.ts";
import { pairPrefix, sameReranker } from "./pairs.ts";
import { samePrompts } from "./prompts.ts";
import { SharedText } from "./shared-text.ts";
import type { CacheMode, CacheUse, Tiers } from "../cache/tiers.ts";
import type { EmbedTexts, EmbedTextsRequest, EmbedTextsResult, EmbeddedText, StartedTexts } from "./types.ts";

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

/**
 * What became of a distinct text: plain bytes, never a stream, which would belong to one request. A fault is the call's own:
 * it is neither shared nor cached.
 */
type Outcome = EmbeddedText | ItemFault;

export function createEmbedTexts(ports: EmbedTextsPorts): EmbedTexts {
  const inFlight = new InFlight<SharedText>();
  return {
    start: (request) => new EmbedCall(ports, inFlight, request),
  };
}

/** What the look-ups found, and the revision it is of. */
interface Looked {
  readonly ready: BackendReady;
  /** Per distinct text: its cache key. Undefined when the cache is off for this call. */
  readonly names: readonly string[] | undefined;
  readonly found: ReadonlyMap<string, CacheEntry>;
}

/** What a call computes itself. */
interface Owned {
  /** Indexes among the distinct texts. */
  readonly indexes: readonly number[];
  /** Shared with calls that wait for the same texts; undefined: they are the call's alone. */
  readonly computation: Computation<SharedText> | undefined;
}

class EmbedCall implements StartedTexts {
  readonly #ports: EmbedTextsPorts;
  readonly #inFlight: InFlight<SharedText>;
  readonly #request: EmbedTextsRequest;
  readonly #distinct: Distinct;
  readonly #startedMs: number;
  #cacheMode: CacheMode;
  readonly #timings: Record<string, number> = {};
  /** What was computed and may be cached, by cache key. */
  readonly #computed = new Map<string, CacheEntry>();
  readonly #looking: Promise<Looked | undefined>;

  constructor(ports: EmbedTextsPorts, inFlight: InFlight<SharedText>, request: EmbedTextsRequest) {
    this.#ports = ports;
    this.#inFlight = inFlight;
    this.#request = request;
    this.#cacheMode = request.cacheMode;
    this.#startedMs = ports.now();
    this.#distinct = distinctTexts(request.texts);
    this.#looking = this.#start();
    // `finish` may never be called (a refused lease); a failed look-up would then be an unhandled rejection.
    this.#looking.catch(() => undefined);
  }

  async #start(): Promise<Looked | undefined> {
    const { model, waitUntil, revision } = this.#request;
    const ready = await this.#ports.pool.announced(model, waitUntil, revision);
    return ready === undefined ? undefined : this.#lookUp(ready);
  }

  async finish(cacheMode: CacheMode = this.#cacheMode): Promise<EmbedTextsResult> {
    const { pool } = this.#ports;
    const { model, waitUntil, revision } = this.#request;
    let looked = await this.#looking;
    if (cacheMode !== this.#cacheMode) {
      // The key's setting is not the one that the look-ups began with.
      this.#cacheMode = cacheMode;
      looked = looked && (await this.#lookUp(looked.ready));
    }
    this.#timings["cache"] = this.#ports.now() - this.#startedMs;
    for (let round = 0; round < REVISION_ROUNDS_MAX; round += 1) {
      looked ??= await this.#lookUp(await pool.awaitReady(model, this.#poolCall([]), revision));
      try {
        return await this.#complete(looked);
      } catch (error) {
        if (!(error instanceof RevisionGone)) throw error;
        const current = await pool.announced(model, waitUntil, revision);
        looked = current === undefined ? undefined : await this.#lookUp(current);
      }
    }
    throw coldError(model);
  }

  keep(): void {
    const use = this.#use;
    if (use !== undefined && this.#computed.size > 0) this.#ports.tiers.store(this.#computed, use);
  }

  get #leftMs(): number {
    return this.#request.deadlineMs - (this.#ports.now() - this.#startedMs);
  }

  get #use(): CacheUse | undefined {
    const { accountId, noStore, waitUntil, prices = DEFAULT_PRICES } = this.#request;
    if (noStore || this.#cacheMode === "off") return undefined;
    return { accountId, mode: this.#cacheMode, admission: admissionInputs(prices), waitUntil };
  }

  async #lookUp(ready: BackendReady): Promise<Looked> {
    // The backend now announces something else than this call was prepared with. A repeat is prepared with the new facts.
    const { accountId, query } = this.#request;
    if (!fitsCall(ready, this.#request)) {
      throw apiError("model_not_ready", "The model has become ready a moment ago: send the call again.", null, 1);
    }
    const use = this.#use;
    if (use === undefined) return { ready, names: undefined, found: new Map() };
    const prefix = query === undefined ? this.#request.prefix : pairPrefix(query);
    const { keys, tiers } = this.#ports;
    await othersTurn(sizeOf(this.#distinct.texts));
    const scope = { accountId, epoch: CACHE_EPOCH, revision: ready.revision, prefix };
    const names = await keys.namesOf(scope, this.#distinct.texts);
    const tokens = estimatesOf(this.#distinct.texts, prefix);
    const found = await tiers.lookUp(
      names.map((name, index) => ({ name, tokensAbout: tokens[index] ?? 0 })),
      use,
    );
    return { ready, names, found };
  }

  async #complete(looked: Looked): Promise<EmbedTextsResult> {
    const results: (Outcome | undefined)[] = this.#distinct.texts.map((_, index) => {
      const entry = looked.found.get(looked.names?.[index] ?? "");
      return entry !== undefined && fits(entry, looked.ready) ? hitOf(entry) : undefined;
    });
    await (looked.names === undefined
      ? this.#compute(looked, { indexes: missing(results), computation: undefined }, results)
      : this.#computeShared(looked, looked.names, results));
    const texts = this.#distinct.of.map((place, position) => {
      const text = results[place];
      if (text === undefined) throw new TypeError("every distinct text has a result");
      if ("code" in text) return { fault: itemFault(text, this.#request, () => this.#itemOf(position)) };
      // A text that repeats an earlier one of the request is priced as a hit.
      if (this.#distinct.first[place] === position) return text;
      return { vector: text.vector, tokens: text.tokens, hit: true };
    });
    return { revision: looked.ready.revision, dimensions: wordsOf(looked.ready), texts, timings: this.#timings };
  }

  /** Computes the missing texts, or waits for a computation under way and takes it over if it fails. */
  async #computeShared(looked: Looked, names: readonly string[], results: (Outcome | undefined)[]): Promise<void> {
    const { accountId, signal, tier, truncate } = this.#request;
    for (;;) {
      // Shared only between calls of one truncation, which changes the result, and one tier, since a batch may take its
      // time.
      const computation = this.#inFlight.begin(`${truncate} ${tier}`);
      const indexes: number[] = [];
      const waiting: Promise<void>[] = [];
      let timer: Cancel | undefined;
      let end: Promise<WaitEnd> | undefined;
      for (const index of missing(results)) {
        const name = names[index] ?? "";
        const entry = this.#ports.tiers.peek(name, accountId);
        if (entry !== undefined && fits(entry, looked.ready)) {
          results[index] = hitOf(entry);
          continue;
        }
        const wait = computation.claim(name);
        if (wait === undefined) indexes.push(index);
        else {
          timer ??= new Cancel();
          end ??= this.#waitEnd(timer);
          waiting.push(this.#take(wait, end, results, index));
        }
      }
      try {
        const computing = this.#compute(looked, { indexes, computation }, results);
        await (waiting.length === 0 ? computing : Promise.all([computing, ...waiting]));
      } finally {
        timer?.abort();
      }
      if (missing(results).length === 0) return;
      if (signal.aborted) throw cancelledError();
      if (this.#leftMs <= 0) throw deadlineError();
    }
  }

  async #take(
    wait: Wait<SharedText>,
    end: Promise<WaitEnd>,
    results: (Outcome | undefined)[],
    index: number,
  ): Promise<void> {
    results[index] = (await wait(end))?.in(this);
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
  async #compute(looked: Looked, owned: Owned, results: (Outcome | undefined)[]): Promise<void> {
    const { indexes, computation } = owned;
    if (indexes.length === 0) return;
    const { signal, waitUntil } = this.#request;
    const stop = new Cancel();
    const gone = (): void => {
      if (signal.aborted && (computation === undefined || computation.waiters === 0)) stop.abort();
    };
    computation?.whenWaiterLeft(gone);
    const unlink = onAbort(signal, gone);
    const work = this.#embed(looked, owned, stop);
    waitUntil(work.catch(() => undefined));
    try {
      const computed = await work;
      for (let place = 0; place < indexes.length; place += 1) results[indexes[place] ?? 0] = computed[place];
    } finally {
      unlink();
    }
  }

  async #embed(looked: Looked, { indexes, computation }: Owned, signal: CancelSignal): Promise<readonly Outcome[]> {
    try {
      const answer = await this.#askBackend(looked, indexes, signal);
      const computed = outcomesOf(answer);
      if (this.#request.textsDepend === true && computed.some((one) => "code" in one)) return computed;
      this.#noteComputed(looked, indexes, answer, computed);
      if (computation === undefined || computation.waiters === 0) return computed;
      const shared = computed.map((one) => ("code" in one ? one : new SharedText(one, this)));
      // A fault of this call is not a waiter's: it computes that text anew.
      computation.settle(shared.map((one) => ("code" in one ? undefined : one)));
      return shared;
    } finally {
      // After a failure it ends without values, and the waiters compute for themselves. Shared, this does nothing.
      computation?.settle([]);
    }
  }

  async #askBackend(looked: Looked, indexes: readonly number[], signal: CancelSignal): Promise<Embedded> {
    const { model, accountId, tier, prefix, query, truncate, onError } = this.#request;
    const distinct = this.#distinct;
    // Mostly all of them: nothing is put together anew then.
    const areAll = indexes.length === distinct.texts.length;
    const texts = areAll ? distinct.texts : indexes.flatMap((index) => distinct.texts[index] ?? []);
    const places = areAll ? distinct.first : indexes.map((index) => distinct.first[index] ?? 0);
    const call = this.#poolCall(places, signal);
    const startedMs = this.#ports.now();
    const answer = await this.#ports.pool.embed(
      { model, accountId, tier, texts, prefix, query, truncate, onError },
      looked.ready.revision,
      call,
    );
    this.#timings["backend"] = this.#ports.now() - startedMs;
    this.#timings["tokenize"] = answer.timings.tokenizeMs;
    this.#timings["queue"] = answer.timings.queueMs;
    this.#timings["run"] = answer.timings.runMs;
    if (answer.dimensions === wordsOf(looked.ready)) return answer;
    throw apiError("backend_unavailable", "The backend contradicts itself. Nothing was charged.", null, 1);
  }

  /** All but truncated texts: an entry must also serve `truncate: none`. */
  #noteComputed({ names }: Looked, indexes: readonly number[], answer: Embedded, computed: readonly Outcome[]): void {
    if (names === undefined) return;
    const { accountId } = this.#request;
    for (let place = 0; place < indexes.length; place += 1) {
      const text = computed[place];
      const name = names[indexes[place] ?? 0];
      if (text === undefined || "code" in text || name === undefined || answer.truncated[place] === true) continue;
      this.#computed.set(name, { accountId, tokens: text.tokens, vector: text.vector });
    }
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
      ...(timer && { timer }),
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

function missing(results: readonly (Outcome | undefined)[]): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < results.length; index += 1) if (results[index] === undefined) indexes.push(index);
  return indexes;
}

/** Whether what the backend announces now is what the call was prepared with. */
function fitsCall({ kind, reranker, prompts: now }: BackendReady, { query, prompts }: EmbedTextsRequest): boolean {
  if ((kind === "reranker") !== (query !== undefined)) return false;
  if (query?.takes !== undefined) return reranker !== undefined && sameReranker(query.takes, reranker);
  return prompts === undefined || now === undefined || samePrompts(prompts, now);
}

function fits(entry: CacheEntry, ready: BackendReady): boolean {
  return entry.vector.length === wordsOf(ready);
}

function hitOf(entry: CacheEntry): EmbeddedText {
  return { vector: entry.vector, tokens: entry.tokens, hit: true };
}

/** By text of the call; only texts without a fault have a row of vectors. */
function outcomesOf({ dimensions, tokens, vectors, faults = [] }: Embedded): Outcome[] {
  let row = 0;
  return tokens.map((count, place) => {
    const fault = faults[place - row];
    if (fault?.index === place) return fault;
    const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions);
    row += 1;
    return { vector, tokens: count, hit: false };
  });
}
