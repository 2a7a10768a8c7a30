// A graph in a thread of its own. A run blocks the thread that it is called from (graph-session.ts): here that thread does nothing else, so
// that a card gets its next run as soon as one ends, while this side reads batches, makes inputs, checks and rounds vectors. The
// binding has neither runs beside its thread nor pinned memory for CUDA; what it copies to the card and back is 1 MB of inputs and 10 KB a text.
// Ending a thread in a run aborts the process: it is never ended, it goes with its process.

import { once } from "node:events";
import type { Worker } from "node:worker_threads";

import { must } from "../../shared/assert.ts";
import { startThread } from "../fork-program.ts";
import { type BatchInputs, packBatch } from "./batch-inputs.ts";
import type { FromGraphThread } from "./graph-thread-entry.ts";
import type { SessionOptions } from "./graph-session.ts";

interface Waiting {
  readonly resolve: (rows: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

export class GraphThread {
  readonly #worker: Worker;
  /** Runs are answered in the order they were asked for. */
  readonly #waiting: Waiting[] = [];

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (message: FromGraphThread) => {
      const { resolve, reject } = must(this.#waiting.shift(), "a run that is answered");
      if (message.kind === "ran") resolve(message.rows);
      else reject(new Error(message.kind === "failed" ? message.reason : "the thread was opened twice"));
    });
  }

  /** As GraphSession.open. */
  static async open(options: SessionOptions): Promise<GraphThread> {
    const worker = startThread("graph-thread-entry", options);
    const answers: FromGraphThread[] = await once(worker, "message");
    const [answer] = answers;
    if (answer?.kind === "failed") throw new Error(answer.reason);
    return new GraphThread(worker);
  }

  /** As GraphSession.run. Asked for while another runs, its inputs are made meanwhile. */
  run(texts: readonly Int32Array[]): Promise<Float32Array> {
    const batch = packBatch(texts);
    this.#worker.postMessage(batch, buffersOf(batch));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}

/** What is moved rather than copied. */
function buffersOf(batch: BatchInputs): ArrayBuffer[] {
  return Object.values(batch).flatMap((value) => (typeof value === "number" ? [] : [value.buffer]));
}
