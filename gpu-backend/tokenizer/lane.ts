// One tokenizer thread and its time limit. A slice that runs over it costs the thread its life: the thread is ended and
// replaced, and the slice comes back as "timed out". The lane takes one slice at a time, so the clock is that slice's.

import { Worker } from "node:worker_threads";

import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import type { SliceIds, SliceRequest, TextProblem, TokenizerSetup, WorkerMessage } from "./messages.ts";

export type SliceOutcome =
  | ({ readonly kind: "ids" } & SliceIds)
  | { readonly kind: "problem"; readonly problem: TextProblem }
  | { readonly kind: "timed_out" };

/** The thread's heap: 8 MB of text become some 300 MB of short strings on the way. */
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
  readonly request: SliceRequest;
  readonly resolve: (outcome: SliceOutcome) => void;
  timer: NodeJS.Timeout | undefined;
}

export class TokenizerLane {
  readonly #setup: TokenizerSetup;
  readonly #limits: LaneLimits;
  readonly #onIdle: () => void;
  #worker: Worker | undefined;
  #ready = false;
  #closed = false;
  #waiting: Waiting | undefined;
  /** Threads ended because a slice ran over its time. */
  replacements = 0;

  private constructor(setup: TokenizerSetup, limits: LaneLimits, onIdle: () => void) {
    this.#setup = setup;
    this.#limits = limits;
    this.#onIdle = onIdle;
  }

  /** Resolves when the thread has loaded the tokenizer. Rejects with CheckpointError. `onIdle`: free for a slice again. */
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
      const waiting: Waiting = { request, resolve, timer: undefined };
      waiting.timer = setTimeout(() => this.#timeOut(), this.#limits.timeLimitMs);
      this.#waiting = waiting;
      this.#worker?.postMessage(request);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ready = false;
    this.#settle({ kind: "timed_out" });
    await this.#worker?.terminate();
  }

  #spawn(): Promise<void> {
    const worker = new Worker(new URL("./worker-entry.mjs", import.meta.url), {
      workerData: this.#setup,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      const limitMs = this.#limits.startMsMax ?? START_MS_MAX;
      const late = `it did not load and read its first texts within ${limitMs / 1_000} s`;
      const timer = setTimeout(() => fail(late), limitMs);
      const fail = (reason: string): void => {
        clearTimeout(timer);
        void worker.terminate();
        reject(new CheckpointError(`${this.#setup.checkpointDir}/tokenizer.json: cannot be used: ${reason}`));
      };
      worker.on("message", (message: WorkerMessage) => {
        if (worker !== this.#worker) return;
        switch (message.kind) {
          case "ready":
            clearTimeout(timer);
            this.#ready = true;
            resolve();
            return;
          case "unusable":
            clearTimeout(timer);
            void worker.terminate();
            reject(new CheckpointError(message.message));
            return;
          case "ids":
          case "problem":
            this.#settle(message);
        }
      });
      worker.on("error", (error) => {
        if (worker !== this.#worker) return;
        if (!this.#ready) fail(error.message);
        else this.#timeOut(); // out of memory, in all likelihood: the text's fault as much as a timeout is
      });
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
    const ended = this.#worker;
    void this.#replace();
    this.#settle({ kind: "timed_out" });
    void ended?.terminate();
  }

  async #replace(): Promise<void> {
    try {
      await this.#spawn();
    } catch {
      // The files were readable once: try again shortly; meanwhile the other lanes serve what they can.
      if (!this.#closed) setTimeout(() => void this.#replace(), 1_000).unref();
      return;
    }
    if (this.#closed) await this.#worker?.terminate();
    else this.#onIdle();
  }
}
