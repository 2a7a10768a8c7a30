// Shows a job's progress: a bar on a terminal, elsewhere a line every ten seconds.

import { formatUsd, nanoUsd } from "../../shared/money.ts";

/** How often the bar is drawn. */
const BAR_MS = 250;
const LINE_MS = 10_000;
const BAR_CELLS = 20;
/** The rate is measured over this time. */
const RATE_MS = 30_000;

export interface Step {
  readonly texts: number;
  readonly tokens: number;
  /** Upper bounds of tokens, the only measure of what is left. */
  readonly bound: number;
  readonly costNanoUsd: number;
}

interface ProgressContext {
  readonly now: () => number;
  readonly isTerminal: boolean;
  readonly write: (text: string) => void;
}

export class Progress {
  readonly #context: ProgressContext;
  readonly #texts: number;
  readonly #bound: number;
  #done: Step = { texts: 0, tokens: 0, bound: 0, costNanoUsd: 0 };
  #marks: { readonly atMs: number; readonly done: Step }[] = [];

  /** `texts`, `bound`: of all the work. */
  constructor(context: ProgressContext, { texts, bound }: Pick<Step, "texts" | "bound">) {
    this.#context = context;
    this.#texts = texts;
    this.#bound = bound;
    this.#marks = [{ atMs: context.now(), done: this.#done }];
  }

  get everyMs(): number {
    return this.#context.isTerminal ? BAR_MS : LINE_MS;
  }

  get done(): Step {
    return this.#done;
  }

  add(step: Step): void {
    const { texts, tokens, bound, costNanoUsd } = this.#done;
    this.#done = {
      texts: texts + step.texts,
      tokens: tokens + step.tokens,
      bound: bound + step.bound,
      costNanoUsd: costNanoUsd + step.costNanoUsd,
    };
  }

  show(): void {
    this.#context.write(this.#context.isTerminal ? `\r\u001B[K${this.#bar()}` : `${this.#line()}\n`);
  }

  /** Ends the bar. */
  end(): void {
    if (this.#context.isTerminal) this.#context.write("\r\u001B[K");
  }

  #line(): string {
    const { texts, tokens, bound, costNanoUsd } = this.#done;
    const nowMs = this.#context.now();
    this.#marks.push({ atMs: nowMs, done: this.#done });
    while ((this.#marks[1]?.atMs ?? nowMs) < nowMs - RATE_MS) this.#marks.shift();
    const from = this.#marks[0] ?? { atMs: nowMs, done: this.#done };
    const seconds = Math.max(0.001, (nowMs - from.atMs) / 1000);
    const perSecond = (now: number, before: number): string => counted(Math.round((now - before) / seconds));
    const leftS = (Math.max(0, this.#bound - bound) * seconds) / Math.max(1, bound - from.done.bound);
    return [
      `${Math.min(100, Math.floor((100 * bound) / Math.max(1, this.#bound)))} %`,
      `${counted(texts)} of ${counted(this.#texts)} texts`,
      `${perSecond(texts, from.done.texts)} texts/s`,
      `${perSecond(tokens, from.done.tokens)} tokens/s`,
      `$${formatUsd(nanoUsd(costNanoUsd))}`,
      bound > from.done.bound ? `${lasting(leftS)} left` : "waiting",
    ].join("  ");
  }

  #bar(): string {
    const cells = Math.min(BAR_CELLS, Math.floor((BAR_CELLS * this.#done.bound) / Math.max(1, this.#bound)));
    return `${"█".repeat(cells)}${"░".repeat(BAR_CELLS - cells)} ${this.#line()}`;
  }
}

/** 1234567 → "1,234,567". */
export function counted(value: number): string {
  return value.toLocaleString("en-US");
}

/** 1, "text" → "1 text"; 2000, "text" → "2,000 texts". */
export function many(count: number, noun: string): string {
  return `${counted(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Seconds → "2 h 5 min", "4 min 10 s", "8 s". */
export function lasting(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
