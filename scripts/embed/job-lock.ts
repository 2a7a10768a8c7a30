// Allows one job at a time in a folder. Another takes the lock over at once if the holder was a process of this machine
// that is gone, otherwise after a few seconds without a beat.

import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { LockFile } from "../../gpu-backend/storage/lock-file.ts";
import type { LockTiming } from "../../gpu-backend/storage/lock-file.ts";
import { codeOf } from "../../gpu-backend/storage/refusal.ts";
import { Stop } from "./stop.ts";

const TIMING: LockTiming = { beatMs: 1_000, silentMs: 5_000 };

export interface JobLock {
  /** Throws Stop if another job has the lock: this process slept for longer than a lock lasts. */
  check(): void;
  release(): void;
}

/** Takes the lock file at `path`. Throws Stop while a living job holds it. */
export async function takeJobLock(path: string, timing: LockTiming = TIMING): Promise<JobLock> {
  const lock = new LockFile(path, [hostname(), String(process.pid)]);
  await acquire(lock, timing);
  lock.beat(timing.beatMs).unref();
  return {
    check: () => {
      if (!lock.isOurs) throw new Stop("Another job has taken this folder over: this one slept for too long and ends.");
    },
    release: () => lock.release(),
  };
}

async function acquire(lock: LockFile, timing: LockTiming): Promise<void> {
  let seen: string | undefined;
  let seenSince = 0;
  while (!lock.create()) {
    const held = lock.read();
    if (held === undefined) continue;
    if (seen === undefined) [seen, seenSince] = [held, performance.now()];
    else if (seen !== held) throw heldBy(held);
    if (isGone(held) || performance.now() - seenSince > timing.silentMs) lock.takeAway(held);
    else await sleep(timing.beatMs / 10);
  }
}

function heldBy(held: string): Stop {
  const [, host, pid] = held.split(" ");
  return new Stop(`Another job runs in this folder (process ${pid} on ${host}): wait for it, or end it.`);
}

/** Whether the holder was a process of this machine and has ended. */
function isGone(held: string): boolean {
  const [, host, pid] = held.split(" ");
  if (host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}
