// What the engine has to do and what becomes of it when the engine process dies: pure bookkeeping, no I/O.
// A unit of work is a batch, or one text of a batch that fell apart. The unit that was running at a death is retried once
// whole; a second death takes it apart into single texts; a single text that dies once more fails alone. A long text is a
// unit of its own that is done in steps: one at a time, in turns with the batches that wait, so that none of these waits
// longer than a step, and however many come, the long text gets on.

import { assert, must } from "../../shared/assert.ts";
import type { ResultMessage, SteppedMessage } from "./messages.ts";
import {
  EngineDied,
  type EngineResult,
  NonFiniteVector,
  RunFailed,
  type RunOptions,
  type TextFailure,
  TextsFailed,
} from "./types.ts";

/** A caller's batch, until each of its texts has a vector or a failure. */
interface Batch {
  readonly texts: readonly Int32Array[];
  /** [texts] */
  readonly owners: Int32Array;
  readonly vectors: Uint16Array;
  readonly failures: Map<number, TextFailure>;
  open: number;
  runMs: number;
  /** Seconds it is expected to take, if that is known. */
  readonly seconds: number | undefined;
  readonly resolve: (result: EngineResult) => void;
  readonly reject: (error: Error) => void;
}

export interface Unit {
  readonly id: number;
  readonly texts: readonly Int32Array[];
  /** [texts]: as RunOptions.owners. */
  readonly owners: Int32Array;
  readonly batch: Batch;
  /** Positions of its texts in the batch. */
  readonly indices: readonly number[];
  /** Of a long text: the process has begun with it; no caller waits for it any more. */
  readonly long: { begun: boolean; dropped: boolean } | undefined;
  /** Process deaths it was running at. */
  deaths: number;
}

export class WorkQueue {
  readonly #words: number;
  readonly #shortTokensMax: number;
  #waiting: Unit[] = [];
  /** Long texts; the first may be in progress, and is among the sent ones while a step of it runs. */
  #long: Unit[] = [];
  #longIsNext = true;
  /** Sent to the process, the running one first. */
  #sent: Unit[] = [];
  #nextId = 1;

  /** `words`: of a text's row (row-form.ts). `shortTokensMax`: texts with more tokens are long. */
  constructor(words: number, shortTokensMax: number = Number.POSITIVE_INFINITY) {
    this.#words = words;
    this.#shortTokensMax = shortTokensMax;
  }

  get sentCount(): number {
    return this.#sent.length;
  }

  /** The unit that the process is working on. */
  get running(): Unit | undefined {
    return this.#sent[0];
  }

  /** Takes a batch in; the promise settles when every text has a vector or a failure. */
  add(texts: readonly Int32Array[], options: Omit<RunOptions, "signal"> = {}): Promise<EngineResult> {
    const { seconds, owners = new Int32Array(texts.length) } = options;
    assert(owners.length === texts.length, "a text has an owner");
    return new Promise((resolve, reject) => {
      const vectors = new Uint16Array(texts.length * this.#words);
      const open = texts.length;
      const batch: Batch = { texts, owners, vectors, failures: new Map(), open, runMs: 0, seconds, resolve, reject };
      const isLong = (index: number): boolean => (texts[index]?.length ?? 0) > this.#shortTokensMax;
      const indices = [...texts.keys()];
      for (const index of indices.filter(isLong)) this.#long.push(this.#unit(batch, [index], 0, true));
      const short = indices.filter((index) => !isLong(index));
      if (short.length > 0) this.#waiting.push(this.#unit(batch, short, 0));
    });
  }

  /** Moves the next unit (of a long text: its next step) to the sent ones and gives it, or undefined when nothing can be sent. */
  takeNext(): Unit | undefined {
    const long = this.#long[0];
    // A step is sent when the one before has been answered: what comes meanwhile goes between.
    const mayStep = long !== undefined && !this.#sent.includes(long);
    if (mayStep && (this.#longIsNext || this.#waiting.length === 0)) {
      this.#longIsNext = false;
      this.#sent.push(long);
      return long;
    }
    const unit = this.#waiting.shift();
    if (unit === undefined) return undefined;
    this.#longIsNext = true;
    this.#sent.push(unit);
    return unit;
  }

  /** No caller waits for the long texts of `texts` any more. Returns those that the process must be told about. */
  drop(texts: readonly Int32Array[]): readonly Unit[] {
    const dropped = this.#long.filter(({ batch }) => batch.texts === texts);
    for (const unit of dropped) {
      if (unit.long !== undefined) unit.long.dropped = true;
      unit.batch.reject(new EngineDied("nobody waits for this text any more"));
    }
    const idle = dropped.filter((unit) => !this.#sent.includes(unit));
    this.#long = this.#long.filter((unit) => !idle.includes(unit));
    return idle.filter((unit) => unit.long?.begun === true);
  }

  /** Takes in the answer to a step that was not the last one. Gives the unit when the process is to be told to drop it. */
  stepped({ id, runMs }: SteppedMessage): Unit | undefined {
    const unit = this.#sent.shift();
    assert(unit?.long !== undefined && unit.id === id, "answers come in the order of what was sent");
    unit.batch.runMs += runMs;
    unit.long.begun = true;
    if (!unit.long.dropped) return undefined;
    this.#long = this.#long.filter((other) => other !== unit);
    return unit;
  }

  /** Takes in the answer to the running unit. */
  settle(result: ResultMessage): void {
    const unit = this.#sent.shift();
    assert(unit !== undefined && unit.id === result.id, "answers come in the order of the batches");
    assert(result.vectors.length === unit.texts.length * this.#words, "one vector per text");
    if (unit.long !== undefined) this.#long = this.#long.filter((other) => other !== unit);
    if (unit.long?.dropped === true) return;
    const { batch } = unit;
    batch.runMs += result.runMs;
    for (const [position, index] of unit.indices.entries()) {
      const row = result.vectors.subarray(position * this.#words, (position + 1) * this.#words);
      batch.vectors.set(row, index * this.#words);
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
    this.#waiting = [...again, ...behind, ...this.#waiting].filter((unit) => unit.long === undefined);
    this.#long = this.#long.filter(
      (unit) => unit.long?.dropped === false && (unit !== running || again.includes(unit)),
    );
    // What it had of a long text is gone with it.
    for (const { long } of this.#long) if (long !== undefined) long.begun = false;
  }

  /** Rejects everything that has no answer yet. */
  failAll(error: EngineDied): void {
    const batches = new Set([...this.#sent, ...this.#waiting, ...this.#long].map((unit) => unit.batch));
    this.#sent = [];
    this.#waiting = [];
    this.#long = [];
    for (const batch of batches) batch.reject(error);
  }

  #afterDeath(unit: Unit): readonly Unit[] {
    if (unit.long?.dropped === true) return [];
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

  #unit(batch: Batch, indices: readonly number[], deaths: number, isLong = false): Unit {
    const texts = indices.map((index) => must(batch.texts[index], "text"));
    const owners = Int32Array.from(indices, (index) => must(batch.owners[index], "a text's owner"));
    const long = isLong ? { begun: false, dropped: false } : undefined;
    const unit = { id: this.#nextId, texts, owners, batch, indices, long, deaths };
    this.#nextId += 1;
    return unit;
  }
}
