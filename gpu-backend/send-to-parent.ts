/**
 * Resolves when the message has left this process. Work that blocks the event loop must not begin before, or what was not
 * written waits until its end.
 */
export function sendToParent(message: object): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve());
  });
}
