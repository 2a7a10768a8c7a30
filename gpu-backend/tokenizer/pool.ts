// All texts of a call → token ids, in tokenizer processes. A call is cut into slices that take milliseconds; long texts
// have a lane of their own, accounts share the processes by work, interactive before batch: so neither a list of 2,048
// texts, nor many of them, nor a text made to be slow holds up another account's short one. Counting stops where a call
// is over its limit.

import { apiError } from "../../shared/errors.ts";
import type { BackendFault, ItemFault, OnError, Tier, TokenEncoding, Truncation } from "../../shared/wire.ts";
import { type LaneLimits, TokenizerLane, type SliceOutcome } from "./lane.ts";
import type { PairFacts, PairQuery } from "./pair.ts";
import type { SliceIds, TextProblem, TokenizerInput, TokenizerSetup } from "./messages.ts";
import { foreignIdsFault, problemFault, queryFault, TextFault } from "./text-fault.ts";
import { type Owner, TurnQueue } from "./turn-queue.ts";

export interface TokenizerCall {
  /** Opaque name of the account, for fair queueing. */
  readonly account: string;
  readonly inputs: readonly TokenizerInput[];
  readonly prefix: string;
  /** Given: the inputs are documents, each read with this query (and `prefix` counts for nothing). */
  readonly pair?: PairQuery;
  readonly truncate: Truncation;
  readonly tier: Tier;
  /** Of the inputs that are ids; absent: the model's own. */
  readonly encoding?: TokenEncoding | undefined;
  /** Absent: a text at fault fails the call. */
  readonly onError?: OnError | undefined;
  /** Tokens of all texts together. */
  readonly tokensMax: number;
}

export interface TokenizedCall {
  /** Of a text at fault none. */
  readonly texts: readonly Int32Array<ArrayBuffer>[];
  readonly truncated: readonly boolean[];
  /** In order. None where a fault fails the call. */
  readonly faults: readonly ItemFault[];
}

export interface PoolOptions extends LaneLimits {
  /** Processes; with two or more, one of them is kept for long texts first. */
  readonly threads: number;
}

/** A text (string or ids) of this length or more goes to the long lane by itself. */
const LONG_TEXT_CHARS = 16_384;
/** About 15 ms of tokenising. */
const SLICE_CHARS = 16_384;
const SLICE_TEXTS = 256;
/** What may wait for a process of one account: two of the largest calls, some ten seconds. Beside it one call always may. */
const ACCOUNT_CHARS_MAX = 16 * 1024 * 1024;
/** Each costs a process its life, and its time: a call with more such texts fails, whatever it says of errors. */
const SLOW_TEXTS_MAX = 2;

const TOO_SLOW = { kind: "too_complex", at: 0, reason: "tokenising it takes too long" } as const;

/** A text that has none. */
const NO_TEXTS_IDS = {
  ids: new Int32Array(),
  lengths: Uint32Array.of(0),
  truncated: Uint8Array.of(0),
  foreignIds: 0,
};

interface Slice {
  readonly first: number;
  readonly inputs: readonly TokenizerInput[];
  readonly long: boolean;
  /** Of the inputs, each with its prefix. */
  readonly chars: number;
}

interface Running extends Owner {
  readonly call: TokenizerCall;
  readonly texts: Int32Array<ArrayBuffer>[];
  readonly truncated: boolean[];
  /** Slices, and texts, that have no ids yet. */
  left: number;
  textsLeft: number;
  tokens: number;
  foreignIds: number;
  readonly faults: ItemFault[];
  slowTexts: number;
  readonly resolve: (done: TokenizedCall) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  over: boolean;
}

export class TokenizerPool {
  readonly #setup: TokenizerSetup;
  readonly #lanes: TokenizerLane[] = [];
  readonly #short = new TurnQueue<{ readonly running: Running; readonly slice: Slice }>();
  readonly #long = new TurnQueue<{ readonly running: Running; readonly slice: Slice }>();
  #sliceNumber = 0;

  private constructor(setup: TokenizerSetup) {
    this.#setup = setup;
  }

  /** Starts the processes. Rejects with CheckpointError when the folder's tokenizer cannot be used. */
  static async start(setup: TokenizerSetup, options: PoolOptions): Promise<TokenizerPool> {
    const pool = new TokenizerPool(setup);
    const starts = Array.from({ length: options.threads }, () =>
      TokenizerLane.start(setup, options, () => pool.#dispatch()),
    );
    const settled = await Promise.allSettled(starts);
    for (const result of settled) if (result.status === "fulfilled") pool.#lanes.push(result.value);
    const failed = settled.find((result) => result.status === "rejected");
    if (failed === undefined) return pool;
    await pool.close();
    throw failed.reason;
  }

  /** How a reranker's pairs are made; undefined: an embedding model's tokenizer. */
  get pairs(): PairFacts | undefined {
    return this.#lanes[0]?.pairs;
  }

  /** Processes ended because a text ran over its time, or was too much for them. */
  get replacements(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.replacements, 0);
  }

  /** Slices that wait for a process. */
  get waiting(): number {
    return this.#short.size + this.#long.size;
  }

  /**
   * Rejects with TextFault (the first text at fault that was seen, or too many that take too long), ApiError `too_many_tokens`, or `overloaded` where too
   * much of the account's work waits already, or with the signal's reason once it aborts.
   */
  tokenize(call: TokenizerCall, signal: AbortSignal): Promise<TokenizedCall> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const slices = slicesOf(call);
      const chars = slices.reduce((sum, slice) => sum + slice.chars, 0);
      const waiting = this.#short.waitingOf(call) + this.#long.waitingOf(call);
      if (waiting > 0 && waiting + chars > ACCOUNT_CHARS_MAX) return reject(accountOverloaded());
      const running: Running = {
        call,
        account: call.account,
        tier: call.tier,
        texts: Array.from({ length: call.inputs.length }),
        truncated: Array.from({ length: call.inputs.length }),
        left: slices.length,
        textsLeft: call.inputs.length,
        tokens: 0,
        foreignIds: 0,
        faults: [],
        slowTexts: 0,
        resolve,
        reject,
        signal,
        onAbort: () => this.#fail(running, signal.reason),
        over: false,
      };
      signal.addEventListener("abort", running.onAbort);
      for (const slice of slices) this.#queue(running, slice);
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #queue(running: Running, slice: Slice): void {
    (slice.long ? this.#long : this.#short).push(running, { running, slice }, slice.chars);
  }

  /** The last lane takes long texts first and short ones when there are none; the others only short ones. */
  #dispatch(): void {
    for (const [index, lane] of this.#lanes.entries()) {
      if (!lane.idle) continue;
      const next = index === this.#lanes.length - 1 ? (this.#long.take() ?? this.#short.take()) : this.#short.take();
      if (next !== undefined) void this.#run(lane, next.running, next.slice);
    }
  }

  async #run(lane: TokenizerLane, running: Running, slice: Slice): Promise<void> {
    const { prefix, pair, truncate, encoding, onError = "fail" } = running.call;
    this.#sliceNumber += 1;
    const request = { slice: this.#sliceNumber, prefix, pair, truncate, encoding, onError, inputs: slice.inputs };
    const outcome = await lane.run(request);
    if (!running.over) this.#accept(running, slice, outcome);
    this.#dispatch();
  }

  #accept(running: Running, slice: Slice, outcome: SliceOutcome): void {
    switch (outcome.kind) {
      case "ids":
        this.#keep(running, slice, outcome);
        return;
      case "problem":
        this.#fail(running, new TextFault(this.#problemOf(outcome.problem, slice)));
        return;
      case "timed_out":
        // Every slice of the call would take a process its life for the same query.
        if (outcome.ofQuery) this.#fail(running, new TextFault(this.#problemOf({ ...TOO_SLOW, ofQuery: true }, slice)));
        else this.#retryAlone(running, slice);
    }
  }

  /** One of several texts is slow: each is tried by itself on the long lane, before one is refused. */
  #retryAlone(running: Running, slice: Slice): void {
    if (slice.inputs.length === 1) {
      running.slowTexts += 1;
      if (running.call.onError === "per_item" && running.slowTexts <= SLOW_TEXTS_MAX) {
        this.#keep(running, slice, { ...NO_TEXTS_IDS, problems: [TOO_SLOW] });
      } else this.#fail(running, new TextFault(this.#faultOf(TOO_SLOW, slice)));
      return;
    }
    running.left += slice.inputs.length - 1;
    for (const [at, input] of slice.inputs.entries()) {
      const chars = charsOf(running.call, input);
      this.#queue(running, { first: slice.first + at, inputs: [input], long: true, chars });
    }
  }

  #problemOf(problem: TextProblem, slice: Slice): BackendFault {
    if (problem.ofQuery !== true) return this.#faultOf(problem, slice);
    return queryFault(problem, { ...this.#setup, maxTokens: this.pairs?.queryTokensMax ?? 0 });
  }

  #faultOf(problem: TextProblem, { first }: Slice): ItemFault {
    return problemFault(problem, first, this.#setup);
  }

  #keep(running: Running, slice: Slice, outcome: SliceIds): void {
    let offset = 0;
    for (const [at, length] of outcome.lengths.entries()) {
      running.texts[slice.first + at] = outcome.ids.subarray(offset, offset + length);
      running.truncated[slice.first + at] = outcome.truncated[at] === 1;
      offset += length;
    }
    for (const problem of outcome.problems) {
      running.faults.push(this.#faultOf(problem, slice));
      // As many as a model would have read: else a call of texts that are too long would be work without a limit.
      if (problem.kind === "too_long") running.tokens += Math.min(problem.tokens, this.#setup.maxTokens);
    }
    running.foreignIds += outcome.foreignIds;
    running.left -= 1;
    running.textsLeft -= slice.inputs.length;
    running.tokens += offset;
    // Each text that is not counted yet has one at least.
    const least = running.tokens + running.textsLeft;
    if (least > running.call.tokensMax) return this.#fail(running, tooManyTokens(least, running.call.tokensMax));
    if (running.left > 0) return;
    this.#end(running);
    const { texts, truncated, faults } = running;
    const { inputs } = running.call;
    const without = new Set(faults.map(({ index }) => index));
    const arrays = inputs.filter((input, index) => typeof input !== "string" && !without.has(index)).length;
    const fault = foreignIdsFault(running.foreignIds, arrays);
    if (fault === undefined)
      running.resolve({ texts, truncated, faults: faults.toSorted((a, b) => a.index - b.index) });
    else running.reject(new TextFault(fault));
  }

  #fail(running: Running, reason: unknown): void {
    if (running.over) return;
    this.#end(running);
    this.#short.drop(running);
    this.#long.drop(running);
    running.reject(reason);
  }

  #end(running: Running): void {
    running.over = true;
    running.signal.removeEventListener("abort", running.onAbort);
  }
}

function tooManyTokens(least: number, most: number) {
  return apiError(
    "too_many_tokens",
    `The texts have at least ${least} tokens together; the limit of a call is ${most}.`,
  );
}

function accountOverloaded() {
  return apiError("overloaded", "Too many of this account's texts wait to be tokenised.", null, 1);
}

/** What tokenising an input costs: where the prefix cannot be tokenised once, each text is tokenised with it. */
function charsOf({ prefix }: TokenizerCall, input: TokenizerInput): number {
  return input.length + (typeof input === "string" ? prefix.length : 0);
}

/**
 * Slices of short texts, together up to SLICE_CHARS; long texts by themselves. A slice of pairs costs its query too, which a
 * process may have to tokenise again for it.
 */
function slicesOf(call: TokenizerCall): Slice[] {
  const queryChars = (call.pair?.query.length ?? 0) + (call.pair?.instruction?.length ?? 0);
  const slices: Slice[] = [];
  let first = 0;
  let open: TokenizerInput[] = [];
  let chars = 0;
  const flush = (next: number): void => {
    if (open.length > 0)
      slices.push({ first, inputs: open, long: queryChars > LONG_TEXT_CHARS, chars: chars + queryChars });
    open = [];
    chars = 0;
    first = next;
  };
  for (const [index, input] of call.inputs.entries()) {
    const own = charsOf(call, input);
    if (input.length > LONG_TEXT_CHARS) {
      flush(index);
      slices.push({ first: index, inputs: [input], long: true, chars: own + queryChars });
      first = index + 1;
      continue;
    }
    if (chars + own > SLICE_CHARS || open.length >= SLICE_TEXTS) flush(index);
    open.push(input);
    chars += own;
  }
  flush(call.inputs.length);
  return slices;
}
