// How fast the job sends: how many requests at a time, and how much text in each. Both grow while that raises the rate,
// and shrink when it does not or when the API says that it has too much. Pure: the clock is passed in.

const CONCURRENCY_FIRST = 2;
/** A window lasts for twice as many answers as requests are in flight, and at least this long. */
const WINDOW_MS = 1_000;
/** The least gain for which a step is kept. */
const GAIN = 1.05;
/** Windows between two steps up. */
const HOLD_WINDOWS = 8;

/** The first size of a request's texts, in bytes, which bound its tokens. */
const TEXT_FIRST = 8_192;
const TEXT_MIN = 1_024;
/** The most tokens of a request (docs/contract.md, Defaults): one whose bound is below is never refused. */
export const TEXT_MAX = 300_000;
/** Long enough that the network's time does not matter, short enough to leave others room in between. */
const FAST_MS = 1_000;
const SLOW_MS = 5_000;

export class Pace {
  readonly #max: number;
  #limit: number;
  #text = TEXT_FIRST;
  #window: { fromMs: number; answers: number; text: number } | undefined;
  /** The window before the last step: its rate, and at which limit. */
  #before = { rate: 0, limit: 1 };
  #hold = 0;
  #pausedUntilMs = 0;

  constructor(max: number) {
    this.#max = max;
    this.#limit = Math.min(CONCURRENCY_FIRST, max);
  }

  /** Requests at a time. */
  get concurrency(): number {
    return this.#limit;
  }

  /** Bytes of bound in a request. */
  get textTarget(): number {
    return this.#text;
  }

  /** Nothing is sent before this time. */
  get pausedUntilMs(): number {
    return this.#pausedUntilMs;
  }

  /**
   * The API is overloaded or the account has used its minute: nothing is sent for `waitMs`, and less at a time then.
   */
  refused(nowMs: number, waitMs: number): void {
    // Requests that were in flight together count as one sign.
    if (nowMs >= this.#pausedUntilMs) this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + waitMs);
    this.#hold = HOLD_WINDOWS;
    this.#window = undefined;
  }

  /** Notes an answer for `text` bytes of bound, sent at `sentMs` and received at `nowMs`. */
  answered(text: number, sentMs: number, nowMs: number): void {
    const tookMs = nowMs - sentMs;
    if (tookMs < FAST_MS && text > this.#text / 2) this.#text = Math.min(TEXT_MAX, Math.ceil(this.#text * 1.5));
    else if (tookMs > SLOW_MS) this.#text = Math.max(TEXT_MIN, Math.floor(this.#text * 0.7));
    if (this.#window === undefined) {
      this.#window = { fromMs: nowMs, answers: 0, text: 0 };
      return;
    }
    this.#window.answers += 1;
    this.#window.text += text;
    const lastedMs = nowMs - this.#window.fromMs;
    if (lastedMs < WINDOW_MS || this.#window.answers < 2 * this.#limit) return;
    this.#step(this.#window.text / lastedMs);
    this.#window = undefined;
  }

  /** A request was too large for the API. */
  tooLarge(text: number): void {
    this.#text = Math.max(TEXT_MIN, Math.min(this.#text, Math.floor(text / 2)));
  }

  #step(rate: number): void {
    if (this.#hold > 0) {
      this.#hold -= 1;
      if (this.#hold === 0) this.#climb(rate);
    } else if (rate > this.#before.rate * GAIN) {
      this.#climb(rate);
    } else {
      this.#limit = this.#before.limit;
      this.#hold = HOLD_WINDOWS;
    }
  }

  #climb(rate: number): void {
    this.#before = { rate, limit: this.#limit };
    this.#limit = Math.min(this.#max, this.#limit + Math.ceil(this.#limit / 2));
  }
}
