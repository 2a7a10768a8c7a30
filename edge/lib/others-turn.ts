// Work on what is in memory runs without a pause, and the isolate's other requests wait for all of it: on megabytes it is
// cut where a step ends.

/** Worked on in one go, in bytes or characters: a few milliseconds of any step. */
export const TURN_SIZE = 256 * 1024;

/** Resolves when the isolate's other requests have had their turn; at once for work on no more than `TURN_SIZE`. */
export async function othersTurn(size: number): Promise<void> {
  if (size > TURN_SIZE) await scheduler.wait(0);
}
