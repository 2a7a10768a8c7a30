// How long the engine needs for a text of n tokens: a·n + b·n² seconds, fitted at warm-up (linear layers, attention),
// then scaled by what batches really took. Tokens whose rows a batch has already cost no linear layers. Everything that is called "seconds of work" comes from here. Pure.

export interface CostSample {
  /** Texts of equal length that ran as one batch. */
  readonly texts: number;
  readonly tokens: number;
  readonly seconds: number;
}

export interface CostCoefficients {
  /** Seconds a token. */
  readonly a: number;
  /** Seconds a squared token. */
  readonly b: number;
}

/** Weight of one batch in the running scale: about the last thirty count. */
const SCALE_WEIGHT = 0.05;
const SCALE_MIN = 0.1;
const SCALE_MAX = 10;
/** Used until something was measured, and the least a token may cost: 1,000,000 tokens/s is beyond any card. */
const SECONDS_PER_TOKEN_MIN = 1e-6;

/**
 * Least squares on relative errors (a short text's error counts as much as a long one's), both coefficients at least 0.
 * Without samples: the cheapest cost there is.
 */
export function fitCost(samples: readonly CostSample[]): CostCoefficients {
  let xx = 0;
  let xy = 0;
  let yy = 0;
  let xs = 0;
  let ys = 0;
  for (const { texts, tokens, seconds } of samples) {
    const x = (texts * tokens) / seconds;
    const y = (texts * tokens * tokens) / seconds;
    xx += x * x;
    xy += x * y;
    yy += y * y;
    xs += x;
    ys += y;
  }
  const determinant = xx * yy - xy * xy;
  const both = determinant > 1e-9 * xx * yy;
  const a = both ? (xs * yy - ys * xy) / determinant : xs / Math.max(xx, Number.MIN_VALUE);
  const b = both ? (ys * xx - xs * xy) / determinant : 0;
  if (b < 0) return { a: Math.max(xs / xx, SECONDS_PER_TOKEN_MIN), b: 0 };
  if (a < SECONDS_PER_TOKEN_MIN) return { a: SECONDS_PER_TOKEN_MIN, b: yy > 0 ? Math.max(0, ys / yy) : 0 };
  return { a, b };
}

export class CostModel {
  readonly #coefficients: CostCoefficients;
  #scale = 1;

  constructor(coefficients: CostCoefficients) {
    this.#coefficients = coefficients;
  }

  /** Estimated seconds of engine time for one text of `tokens` tokens, `shared` of which have their rows already (shared-rows.ts). */
  seconds(tokens: number, shared = 0): number {
    return this.#scale * (this.#coefficients.a * (tokens - shared) + this.#coefficients.b * tokens * tokens);
  }

  /** A batch estimated at `estimated` seconds took `actual`. */
  observe(estimated: number, actual: number): void {
    if (estimated <= 0) return;
    const wanted = (this.#scale * actual) / estimated;
    const next = this.#scale + SCALE_WEIGHT * (wanted - this.#scale);
    this.#scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, next));
  }

  get scale(): number {
    return this.#scale;
  }
}
