// When a failed delivery is retried. Pure.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits after the first try, the second, …: eight tries over about 21 hours, longer than a night's outage. */
const DELAYS_MS: readonly number[] = [
  10_000,
  MINUTE_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
];

export const TRIES_MAX = DELAYS_MS.length + 1;

/** How long to wait after `tries` tries; undefined: no more. */
export function delayAfter(tries: number): number | undefined {
  return DELAYS_MS[tries - 1];
}
