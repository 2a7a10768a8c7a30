// One tokenizer process and its time limit. A slice that runs over it costs the process its life, and so does a fault of
// the native library: the process is replaced, and the slice comes back as "timed out". The lane takes one slice at a
// time, so the clock is that slice's.

import type { ChildProcess } from "node:child_process";

import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { forkProgram } from "../fork-program.ts";
import type { PairFacts } from "./pair.ts";
import type { ProcessMessage, SliceIds, SliceRequest, TextProblem, TokenizerSetup, ToTokenizer } from "./messages.ts";

export type SliceOutcome =
  | ({ readonly kind: "ids" } & SliceIds)
  | { readonly kind: "problem"; readonly problem: TextProblem }
  /** `ofQuery`: before the query of its pairs was read. */
  | { readonly kind: "timed_out"; readonly ofQuery: boolean };

/** The process's heap, besides the library's own memory: there, 8 MB of text are one string and its ids. */
const HEAP_MB_MAX = 1_024;
export interface LaneLimits {
  /** One slice may take so long. */
  readonly timeLimitMs: number;
  /** Loading the tokenizer may take so long. Default: START_MS_MAX. */
  readonly startMsMax?: number;
}

/** Loading a vocabulary of 150,000 takes under two seconds on a quiet machine. */
const START_MS_MAX = 30_000;

interface Waiting {
  readonly resolve: (outcome: SliceOutcome) => void;
  /** Pairs whose query has not been read yet. */
  readsQuery: boolean;
  timer: NodeJS.Timeout | undefined;
}

export class TokenizerLane {
  readonly #setup: TokenizerSetup;
  readonly #limits: LaneLimits;
  readonly #onIdle: () => void;
  #child: ChildProcess | undefined;
  #ready = false;
  #closed = false;
  #waiting: Waiting | undefined;
  /** Of a reranker's tokenizer, once it is loaded. */
  pairs: PairFacts | undefined;
  /** Processes replaced because a slice ran over its time, or was too much for them. */
  replacements = 0;

  private constructor(setup: TokenizerSetup, limits: LaneLimits, onIdle: () => void) {
    this.#setup = setup;
    this.#limits = limits;
    this.#onIdle = onIdle;
  }

  /** Resolves when the process has loaded the tokenizer. Rejects with CheckpointError. `onIdle`: free for a slice again. */
  static async start(setup: TokenizerSetup, limits: LaneLimits, onIdle: () => void): Promise<TokenizerLane> {
    const lane = new TokenizerLane(setup, limits, onIdle);
    await lane.#spawn();
    return lane;
  }

  get idle(): boolean {
    return this.#ready && this.#waiting === undefined;
  }

  /** Runs one slice; only when idle. Never rejects. */
  run(request: SliceRequest): Promise<SliceOutcome> {
    return new Promise((resolve) => {
      const waiting: Waiting = { resolve, readsQuery: request.pair !== undefined, timer: undefined };
      waiting.timer = setTimeout(() => this.#timeOut(), this.#limits.timeLimitMs);
      this.#waiting = waiting;
      this.#send({ kind: "slice", request });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ready = false;
    this.#settle({ kind: "timed_out", ofQuery: false });
    await this.#end();
  }

  #spawn(): Promise<void> {
    // A native fault may quote the text it happened in: nothing that the process writes is kept.
    const child = forkProgram("tokenizer-process", {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      execArgv: [`--max-old-space-size=${HEAP_MB_MAX}`],
    });
    this.#child = child;
    this.#send({ kind: "setup", setup: this.#setup });
    return new Promise((resolve, reject) => {
      const limitMs = this.#limits.startMsMax ?? START_MS_MAX;
      const late = `it did not load and read its first texts within ${limitMs / 1_000} s`;
      const timer = setTimeout(() => fail(this.#unusable(late)), limitMs);
      const fail = (reason: CheckpointError): void => {
        clearTimeout(timer);
        child.kill("SIGKILL");
        reject(reason);
      };
      child.on("message", (message: ProcessMessage) => {
        if (child !== this.#child) return;
        switch (message.kind) {
          case "ready":
            clearTimeout(timer);
            this.#ready = true;
            this.pairs = message.pairs;
            resolve();
            return;
          case "unusable":
            return fail(new CheckpointError(message.message));
          case "query":
            if (this.#waiting !== undefined) this.#waiting.readsQuery = false;
            return;
          case "ids":
          case "problem":
            this.#settle(message);
        }
      });
      // An error without an exit (the process could not be made) and an exit are one thing here: it is gone.
      const gone = (how: string): void => {
        clearTimeout(timer);
        if (child !== this.#child) return;
        if (this.#ready) this.#timeOut();
        else
          fail(
            this.#unusable(
              `its process ${how} before it had read its first texts (a pattern without end, or no memory)`,
            ),
          );
      };
      child.on("error", (error) => gone(`could not be spoken to: ${error.message}`));
      child.on("close", (code, signal) => gone(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
    });
  }

  #unusable(reason: string): CheckpointError {
    return new CheckpointError(`${this.#setup.checkpointDir}/tokenizer.json: cannot be used: ${reason}`);
  }

  /** A failed send means that the process is gone; its "close" says so. */
  #send(message: ToTokenizer): void {
    this.#child?.send(message, () => undefined);
  }

  #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once("close", () => resolve());
      child.kill("SIGKILL");
    });
  }

  #settle(outcome: SliceOutcome): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting = undefined;
    waiting.resolve(outcome);
    if (this.idle) this.#onIdle();
  }

  #timeOut(): void {
    if (this.#closed || !this.#ready) return;
    this.#ready = false;
    this.replacements += 1;
    void this.#end();
    void this.#replace();
    this.#settle({ kind: "timed_out", ofQuery: this.#waiting?.readsQuery === true });
  }

  async #replace(): Promise<void> {
    try {
      await this.#spawn();
    } catch {
      // The files were readable once: try again shortly; meanwhile the other lanes serve what they can.
      if (!this.#closed) setTimeout(() => void this.#replace(), 1_000).unref();
      return;
    }
    if (this.#closed) await this.#end();
    else this.#onIdle();
  }
}
