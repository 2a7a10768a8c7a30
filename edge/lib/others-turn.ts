// Synchronous work blocks the isolate's other requests, so work on megabytes pauses between its steps.

/** Bytes or characters that one step may handle without a pause: a few milliseconds. */
export const TURN_SIZE = 256 * 1024;

/** Lets the isolate's other requests run; undefined, so no wait, if `size` is at most TURN_SIZE. */
export function othersTurn(size: number): Promise<void> | undefined {
  return size > TURN_SIZE ? scheduler.wait(0) : undefined;
}
