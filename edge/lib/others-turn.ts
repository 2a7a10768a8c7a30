// Synchronous work blocks the isolate's other requests, so work on megabytes pauses between its steps.

/** Bytes or characters that one step may handle without a pause: a few milliseconds. */
export const TURN_SIZE = 256 * 1024;

/** Lets the isolate's other requests run; returns at once if `size` is at most TURN_SIZE. */
export async function othersTurn(size: number): Promise<void> {
  if (size > TURN_SIZE) await scheduler.wait(0);
}
