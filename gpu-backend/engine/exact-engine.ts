// Texts whose vector was not finite, computed again alone and in float32 on the CPU: another engine process, made when
// the first such text comes and ended when none has come for a while, so that it costs nothing as long as nothing goes
// wrong. That process also compiles the checkpoint for it: neither the server's event loop nor the engine waits.

import type { CompiledModel } from "../compiler/compiled-model.ts";
import { processorsAllowed } from "../processors.ts";
import { startEngine } from "./engine.ts";
import { type Engine, EngineDied, type EngineResult, type StartEngine } from "./types.ts";

/** Texts that wait for it at once; more fail as they would without it. */
export const EXACT_TEXTS_MAX = 16;
/** Compiled and loaded, it holds a second copy of the weights: not for longer than it is of use. */
const IDLE_MS_MAX = 60_000;

/** What the runner asks of it. */
export interface ExactComputation {
  /** Whether one more text may be given to it now. */
  readonly hasRoom: boolean;
  /** As Engine.run, for one text. */
  run(ids: Int32Array): Promise<EngineResult>;
}

export class ExactEngine implements ExactComputation {
  readonly #model: CompiledModel;
  readonly #cacheDir: string;
  readonly #start: StartEngine;
  #engine: Promise<Engine> | undefined;
  #waiting = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `cacheDir`: where the compiled files go when the checkpoint's own folder cannot be written. */
  constructor(model: CompiledModel, cacheDir: string, start: StartEngine = startEngine) {
    const { largeRuns: _, ...small } = model;
    this.#model = { ...small, target: "cpu", precision: "exact", cudaWeights: "as-is", linears: "float32" };
    this.#cacheDir = cacheDir;
    this.#start = start;
  }

  get hasRoom(): boolean {
    return !this.#closed && this.#waiting < EXACT_TEXTS_MAX;
  }

  async run(ids: Int32Array): Promise<EngineResult> {
    if (this.#closed) throw new EngineDied("the exact engine is closed");
    clearTimeout(this.#idleTimer);
    this.#waiting += 1;
    try {
      this.#engine ??= this.#start(this.#model, {
        // The engine proper keeps the other half.
        threads: Math.max(1, processorsAllowed() >> 1),
        compileCacheDir: this.#cacheDir,
      });
      return await (await this.#engine).run([ids]);
    } catch (error) {
      // One that cannot be started is tried again by the next text.
      if (error instanceof EngineDied) await this.#end();
      throw error;
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#idleTimer = setTimeout(() => void this.#end(), IDLE_MS_MAX).unref();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    await this.#end();
  }

  async #end(): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    // A start that failed has nothing to close, and has been reported to whom it concerned.
    const started = await engine?.catch(() => undefined);
    await started?.close();
  }
}
