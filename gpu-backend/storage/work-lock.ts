// Work in a folder that several starts share, done by one of them while the others wait for its result. A holder that was
// only asleep may find its lock taken (lock-file.ts), so the work itself must be safe to do twice (names of its own, one
// rename at the end); the lock only spares the second time.

import { setTimeout as sleep } from "node:timers/promises";

import { LockFile, type LockTiming } from "./lock-file.ts";

export interface WorkLock {
  /** Random: what the holder names its unfinished files after. */
  readonly token: string;
  /** The token of a holder that went silent, whose unfinished files nobody will finish. */
  readonly deadToken: string | undefined;
}

/** A compile writes a layer between two beats. */
const TIMING: LockTiming = { beatMs: 1_000, silentMs: 10_000 };

export interface LockOptions {
  /** Called once, when somebody else holds it. */
  readonly onWait?: () => void;
  readonly timing?: LockTiming;
}

/** Runs `work` while holding the lock file at `path`. Rejects as `work` does, or with the system's error when the file cannot be made. */
export async function withWorkLock<Result>(
  path: string,
  work: (lock: WorkLock) => Promise<Result>,
  { onWait, timing = TIMING }: LockOptions = {},
): Promise<Result> {
  const lock = new LockFile(path);
  const deadToken = await acquire(lock, timing, onWait);
  lock.beat(timing.beatMs);
  try {
    return await work({ token: lock.token, deadToken });
  } finally {
    lock.release();
  }
}

/** Gives the token of a holder that went silent meanwhile. */
async function acquire(
  lock: LockFile,
  timing: LockTiming,
  onWait: (() => void) | undefined,
): Promise<string | undefined> {
  let deadToken: string | undefined;
  let seen: string | undefined;
  let seenSince = performance.now();
  for (let waits = 0; ; waits += 1) {
    if (lock.create()) return deadToken;
    if (waits === 0) onWait?.();
    const content = lock.read();
    if (content !== seen) [seen, seenSince] = [content, performance.now()];
    else if (content !== undefined && performance.now() - seenSince > timing.silentMs) {
      if (lock.takeAway(content)) [deadToken] = content.split(" ");
    } else await sleep(timing.beatMs / 4);
  }
}
