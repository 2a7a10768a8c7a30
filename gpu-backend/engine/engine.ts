// The engine as the server sees it: a child process that owns the session, fed two batches deep, started again when it
// dies. The server's event loop never waits for a computation, and a crash in native code never takes the server down.

import type { ChildProcess } from "node:child_process";

import { assert, must, unreachable } from "../../shared/assert.ts";
import type { CompiledModel } from "../compiler/compiled-model.ts";
import { CUDA_FOLDER, cudaEnvironment } from "../cuda/libraries.ts";
import { forkProgram } from "../fork-program.ts";
import { DEFAULT_BUDGETS, shortTokensMax } from "./batch-budget.ts";
import type { FromEngine, RunMessage, StartMessage, StepMessage, ToEngine } from "./messages.ts";
import { tokenOf } from "../token-type.ts";
import { rowFormOf } from "./row-form.ts";
import { processorTicks } from "./processor-ticks.ts";
import {
  type Engine,
  EngineDied,
  type EngineOptions,
  type EngineResult,
  type EngineState,
  type RunOptions,
} from "./types.ts";
import { type Unit, WorkQueue } from "./work-queue.ts";

/** One batch runs while the next one waits in the process, so that it is never idle between two. */
const PIPELINE_DEPTH = 2;
/** Without an answer for so long, however busy: ended as well. */
const RUN_MS_MAX = 15 * 60_000;
const HANG_MS = 15_000;
/** Share of the time to wait in which a process that lives must have used a processor. */
const LOOK_SHARE = 1 / 2;
/** Failed starts in a row after which waiting work is refused rather than kept. */
const FAILED_STARTS_MAX = 3;
const RESTART_DELAY_STEP_MS = 500;
const RESTART_DELAY_MAX_MS = 10_000;

/** Starts an engine; resolves when it is ready for texts. Rejects with EngineDied when the session cannot be made. */
export async function startEngine(model: CompiledModel, options: EngineOptions): Promise<Engine> {
  const engine = new ChildEngine(model, options);
  await engine.started;
  return engine;
}

class ChildEngine implements Engine {
  readonly started: Promise<void>;
  state: EngineState = "starting";
  restarts = 0;
  readonly #options: EngineOptions;
  readonly #model: CompiledModel;
  readonly #start: StartMessage;
  readonly #queue: WorkQueue;
  #child: ChildProcess | undefined;
  #failedStarts = 0;
  #reason = "";
  #watchdog: NodeJS.Timeout | undefined;
  /** Set when it was ended for not answering. */
  #hungFor = "";
  #restartTimer: NodeJS.Timeout | undefined;
  #onFirstStart: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  #onGone: (() => void) | undefined;

  constructor(model: CompiledModel, options: EngineOptions) {
    assert(Number.isInteger(options.threads) && options.threads >= 1, "threads is a positive integer");
    this.#model = model;
    this.#options = options;
    this.#queue = new WorkQueue(rowFormOf(model.config).words, options.shortTokensMax ?? shortTokensMax(model));
    this.#start = {
      kind: "start",
      session: {
        graphPath: model.graphPath,
        target: model.target,
        cudaWeights: model.cudaWeights,
        ...(model.largeRuns && { largeRuns: model.largeRuns }),
        threads: options.threads,
      },
      shape: model.config,
      budget: options.budget ?? DEFAULT_BUDGETS[model.target],
      ...(options.compileCacheDir !== undefined && {
        compile: {
          checkpointDir: model.checkpointDir,
          precision: model.precision,
          cacheDir: options.compileCacheDir,
        },
      }),
    };
    this.started = new Promise((resolve, reject) => {
      this.#onFirstStart = { resolve, reject };
    });
    this.#spawn();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  run(texts: readonly Int32Array[], { signal, ...options }: RunOptions = {}): Promise<EngineResult> {
    const { maxTokens, vocabSize, reranker } = this.#model.config;
    const mayHaveTypes = reranker !== undefined;
    assert(texts.length > 0, "a batch has a text");
    for (const text of texts) {
      assert(text.length >= 1 && text.length <= maxTokens, () => `a text has 1 to ${maxTokens} tokens`);
      assert(
        text.every((id) => tokenOf(id) < vocabSize && (id >= 0 || mayHaveTypes)),
        "every token id is in the vocabulary",
      );
    }
    if (this.state === "closed") return Promise.reject(new EngineDied("the engine is closed"));
    if (this.state === "failed") return Promise.reject(new EngineDied(`the engine cannot be started: ${this.#reason}`));
    const result = this.#queue.add(texts, options);
    signal?.addEventListener("abort", () => this.#drop(texts), { once: true });
    this.#feed();
    return result;
  }

  #drop(texts: readonly Int32Array[]): void {
    for (const { id } of this.#queue.drop(texts)) this.#send({ kind: "drop", id });
    this.#feed();
  }

  async close(): Promise<void> {
    if (this.state === "closed") return;
    this.state = "closed";
    clearTimeout(this.#watchdog);
    clearTimeout(this.#restartTimer);
    this.#queue.failAll(new EngineDied("the engine was closed"));
    const child = this.#child;
    if (child === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onGone = resolve;
      child.kill("SIGKILL");
    });
  }

  #spawn(): void {
    const child = forkProgram("engine-process", {
      ...(this.#model.target !== "cpu" && { env: cudaEnvironment(this.#options.cuda ?? { folder: CUDA_FOLDER }) }),
    });
    this.#child = child;
    child.on("message", (message: FromEngine) => this.#receive(message));
    // An error without an exit (the process could not be made) and an exit are one thing here: it is gone.
    let gone = false;
    const leave = (reason: string): void => {
      if (gone) return;
      gone = true;
      this.#gone(reason);
    };
    child.on("error", (error) => leave(`could not be spoken to: ${error.message}`));
    child.on("close", (code, signal) => leave(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
    this.#send(this.#start);
    this.#watch();
  }

  #receive(message: FromEngine): void {
    if (this.state === "closed") return;
    switch (message.kind) {
      case "ready":
        this.state = "ready";
        this.#failedStarts = 0;
        this.#onFirstStart?.resolve();
        this.#onFirstStart = undefined;
        this.#watch();
        this.#feed();
        return;
      case "cannot-start":
      case "ends":
        this.#reason = message.reason;
        return;
      case "result":
        this.#queue.settle(message);
        this.#watch();
        this.#feed();
        return;
      case "stepped": {
        const dropped = this.#queue.stepped(message);
        if (dropped !== undefined) this.#send({ kind: "drop", id: dropped.id });
        this.#watch();
        this.#feed();
        return;
      }
      case "pong":
        if (this.#queue.running === undefined) this.#watch();
        return;
      default:
        unreachable(message);
    }
  }

  #feed(): void {
    if (this.state !== "ready") return;
    while (this.#queue.sentCount < PIPELINE_DEPTH) {
      const unit = this.#queue.takeNext();
      if (unit === undefined) return;
      if (this.#queue.sentCount === 1) this.#watch();
      this.#send(unit.long === undefined ? runMessage(unit) : stepMessage(unit));
    }
  }

  /** A failed send means that the process is gone; its "close" puts the unit back. */
  #send(message: ToEngine): void {
    this.#child?.send(message, () => undefined);
  }

  /** From here on the process must answer: what it runs, or else a ping. Called again at each answer. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    const hangMs = this.#options.hangMs ?? HANG_MS;
    const { running } = this.#queue;
    if (this.state !== "ready") return this.#expect(RUN_MS_MAX);
    if (running !== undefined) {
      // A step of a long text takes a second. Before a first measurement only processor time shows that the process works.
      const expectedMs = running.long === undefined ? (running.batch.seconds ?? 0) * 2_000 : 0;
      return this.#expect(Math.max(hangMs, expectedMs));
    }
    this.#after(hangMs / 3, () => {
      this.#send({ kind: "ping" });
      this.#expect((hangMs * 2) / 3);
    });
  }

  /** Ends the process when `ms` pass without an answer, unless it is seen to work: a busy machine is slow, not hung. */
  #expect(ms: number, waitedMs = 0): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    this.#after(ms * (1 - LOOK_SHARE), () => {
      const before = processorTicks(pid);
      this.#after(ms * LOOK_SHARE, () => {
        const ticks = processorTicks(pid);
        const works = ticks !== undefined && before !== undefined && ticks > before;
        if (works && waitedMs + ms < RUN_MS_MAX) return this.#expect(ms, waitedMs + ms);
        this.#hungFor = `did not answer for ${Math.round((waitedMs + ms) / 1_000)} s and was ended`;
        this.#child?.kill("SIGKILL");
      });
    });
  }

  #after(ms: number, then: () => void): void {
    this.#watchdog = setTimeout(then, ms);
    this.#watchdog.unref();
  }

  #gone(how: string): void {
    this.#child = undefined;
    clearTimeout(this.#watchdog);
    if (this.state === "closed") {
      this.#onGone?.();
      return;
    }
    const wasReady = this.state === "ready";
    const ended = this.#hungFor === "" ? how : this.#hungFor;
    this.#hungFor = "";
    const did = wasReady ? "ended itself" : "could not start";
    const reason = `the engine process ${this.#reason === "" ? ended : `${did}: ${this.#reason}`}`;
    if (this.#onFirstStart !== undefined) {
      this.state = "closed";
      this.#onFirstStart.reject(new EngineDied(reason));
      return;
    }
    this.#queue.processDied();
    if (!wasReady) this.#failedStarts += 1;
    this.state = this.#failedStarts >= FAILED_STARTS_MAX ? "failed" : "restarting";
    if (this.state === "failed") this.#queue.failAll(new EngineDied(reason));
    this.restarts += 1;
    this.#options.onRestart?.(reason);
    this.#reason = "";
    this.#restartTimer = setTimeout(
      () => this.#spawn(),
      Math.min(RESTART_DELAY_MAX_MS, this.#failedStarts * RESTART_DELAY_STEP_MS),
    );
  }
}

function runMessage(unit: Unit): RunMessage {
  const lengths = Int32Array.from(unit.texts, (text) => text.length);
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let offset = 0;
  for (const text of unit.texts) {
    ids.set(text, offset);
    offset += text.length;
  }
  return { kind: "run", id: unit.id, ids, lengths, owners: unit.owners };
}

function stepMessage({ id, texts, long }: Unit): StepMessage {
  return { kind: "step", id, ...(long?.begun === false && { ids: must(texts[0], "a long text") }) };
}
