// What the engine has to do and what becomes of it when the engine process dies: pure bookkeeping, no I/O.
// A unit of work is a batch, or one text of a batch that fell apart. The unit that was running at a death is retried once
// whole; a second death takes it apart into single texts; a single text that dies once more fails alone.

import { assert, must } from "../../shared/assert.ts";
import type { ResultMessage } from "./messages.ts";
import { EngineDied, type EngineResult, NonFiniteVector, RunFailed, type TextFailure, TextsFailed } from "./types.ts";

/** A caller's batch, until each of its texts has a vector or a failure. */
interface Batch {
  readonly texts: readonly Int32Array[];
  readonly vectors: Uint16Array;
  readonly failures: Map<number, TextFailure>;
  open: number;
  runMs: number;
  readonly resolve: (result: EngineResult) => void;
  readonly reject: (error: Error) => void;
}

export interface Unit {
  readonly id: number;
  readonly texts: readonly Int32Array[];
  readonly batch: Batch;
  /** Positions of its texts in the batch. */
  readonly indices: readonly number[];
  /** Process deaths it was running at. */
  deaths: number;
}

export class WorkQueue {
  readonly #hiddenSize: number;
  #waiting: Unit[] = [];
  /** Sent to the process, the running one first. */
  #sent: Unit[] = [];
  #nextId = 1;

  constructor(hiddenSize: number) {
    this.#hiddenSize = hiddenSize;
  }

  get sentCount(): number {
    return this.#sent.length;
  }

  /** The unit that the process is working on. */
  get running(): Unit | undefined {
    return this.#sent[0];
  }

  /** Takes a batch in; the promise settles when every text has a vector or a failure. */
  add(texts: readonly Int32Array[]): Promise<EngineResult> {
    return new Promise((resolve, reject) => {
      const vectors = new Uint16Array(texts.length * this.#hiddenSize);
      const batch: Batch = { texts, vectors, failures: new Map(), open: texts.length, runMs: 0, resolve, reject };
      this.#waiting.push(
        this.#unit(
          batch,
          texts.map((_, index) => index),
          0,
        ),
      );
    });
  }

  /** Moves the next waiting unit to the sent ones and gives it, or undefined when none waits. */
  takeNext(): Unit | undefined {
    const unit = this.#waiting.shift();
    if (unit !== undefined) this.#sent.push(unit);
    return unit;
  }

  /** Takes in the answer to the running unit. */
  settle(result: ResultMessage): void {
    const unit = this.#sent.shift();
    assert(unit !== undefined && unit.id === result.id, "answers come in the order of the batches");
    assert(result.vectors.length === unit.texts.length * this.#hiddenSize, "one vector per text");
    const { batch } = unit;
    batch.runMs += result.runMs;
    for (const [position, index] of unit.indices.entries()) {
      const row = result.vectors.subarray(position * this.#hiddenSize, (position + 1) * this.#hiddenSize);
      batch.vectors.set(row, index * this.#hiddenSize);
    }
    for (const { index: position, reason } of result.failed) {
      const index = must(unit.indices[position], "failed text");
      batch.failures.set(index, reason === undefined ? new NonFiniteVector(index) : new RunFailed(index, reason));
    }
    this.#close(batch, unit.indices.length);
  }

  /** The process died: everything sent goes back to the front of the queue, the running unit by its rule. */
  processDied(): void {
    const [running, ...behind] = this.#sent;
    this.#sent = [];
    const again = running === undefined ? [] : this.#afterDeath(running);
    this.#waiting = [...again, ...behind, ...this.#waiting];
  }

  /** Rejects everything that has no answer yet. */
  failAll(error: EngineDied): void {
    const batches = new Set([...this.#sent, ...this.#waiting].map((unit) => unit.batch));
    this.#sent = [];
    this.#waiting = [];
    for (const batch of batches) batch.reject(error);
  }

  #afterDeath(unit: Unit): readonly Unit[] {
    unit.deaths += 1;
    if (unit.deaths === 1) return [unit];
    if (unit.indices.length > 1) return unit.indices.map((index) => this.#unit(unit.batch, [index], 1));
    const index = must(unit.indices[0], "a unit's text");
    unit.batch.failures.set(index, new EngineDied(`the engine process died each time it computed text ${index}`));
    this.#close(unit.batch, 1);
    return [];
  }

  #close(batch: Batch, texts: number): void {
    batch.open -= texts;
    assert(batch.open >= 0, "a text is answered once");
    if (batch.open > 0) return;
    if (batch.failures.size === 0) batch.resolve({ vectors: batch.vectors, runMs: batch.runMs });
    else batch.reject(new TextsFailed(batch.failures, batch.vectors, batch.runMs));
  }

  #unit(batch: Batch, indices: readonly number[], deaths: number): Unit {
    const texts = indices.map((index) => must(batch.texts[index], "text"));
    const unit = { id: this.#nextId, texts, batch, indices, deaths };
    this.#nextId += 1;
    return unit;
  }
}
