// What a stream has answered so far.

import { isEmbedded } from "../embedding/types.ts";
import type { ModelRevision } from "../../shared/ids.ts";
import { ZERO_NANO_USD, nanoUsd, usdNumber } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import type { AnsweredFrame } from "./frame-call.ts";

const PROGRESS_MS = 1000;
const PROGRESS_LINES = 1000;

export class Totals {
  /** The line to go on with, counted from 0 at the stream's beginning: all before it are answered. */
  line: number;
  /** Lines with an error. */
  failed = 0;
  /** Of all lines of this answer. */
  tokens = 0;
  frames = 0;
  /** Charged for this answer: nothing for what was charged before. */
  costNanoUsd: NanoUsd = ZERO_NANO_USD;
  revision: ModelRevision | undefined;
  #creditNanoUsd: NanoUsd;
  #told: { readonly line: number; readonly atMs: number };

  constructor(line: number, creditNanoUsd: NanoUsd) {
    this.line = line;
    this.#creditNanoUsd = creditNanoUsd;
    this.#told = { line, atMs: Date.now() };
  }

  add({ end, lines, result }: AnsweredFrame): void {
    this.line = end;
    this.frames += 1;
    this.failed += lines.filter((answered) => !isEmbedded(answered.result)).length;
    this.tokens += result.charge.tokens;
    if (!result.replayed) this.costNanoUsd = nanoUsd(this.costNanoUsd + result.charge.costNanoUsd);
    this.revision ??= result.revision;
    this.#creditNanoUsd = result.standing.creditNanoUsd;
  }

  /** Whether a line of progress is due: a second or a thousand lines after the last one. */
  get isProgressDue(): boolean {
    return this.line >= this.#told.line + PROGRESS_LINES || Date.now() >= this.#told.atMs + PROGRESS_MS;
  }

  /** What a line of progress says, but for the token. */
  told() {
    this.#told = { line: this.line, atMs: Date.now() };
    return {
      done: this.line,
      tokens: this.tokens,
      cost_usd: usdNumber(this.costNanoUsd),
      remaining_usd: usdNumber(this.#creditNanoUsd),
    };
  }
}
