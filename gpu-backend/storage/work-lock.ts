// Work in a folder that several starts share, done by one of them while the others wait for its result. The lock is a
// file that its holder writes again every second; a waiter that sees no change for a while takes it over, whatever
// became of the holder: process ids say nothing across containers (or as pid 1), clocks differ between machines, and a
// lock that needs its holder to remove it outlives a kill. A holder that was only asleep may find its lock taken, so the
// work itself must be safe to do twice (names of its own, one rename at the end); the lock only spares the second time.

import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { codeOf } from "./refusal.ts";

export interface WorkLock {
  /** Random: what the holder names its unfinished files after. */
  readonly token: string;
  /** The token of a holder that went silent, whose unfinished files nobody will finish. */
  readonly deadToken: string | undefined;
}

interface LockTiming {
  readonly beatMs: number;
  /** Beats missing for so long: the holder is gone. A compile writes a layer between two beats. */
  readonly silentMs: number;
}
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
  const lock = await acquire(path, timing, onWait);
  let beats = 0;
  const timer = setInterval(() => {
    beats += 1;
    if (!isHeldBy(path, lock.token) || !beat(path, lock.token, beats)) clearInterval(timer);
  }, timing.beatMs);
  try {
    return await work(lock);
  } finally {
    clearInterval(timer);
    if (isHeldBy(path, lock.token)) rmSync(path, { force: true });
  }
}

async function acquire(path: string, timing: LockTiming, onWait: (() => void) | undefined): Promise<WorkLock> {
  const token = randomBytes(8).toString("hex");
  let deadToken: string | undefined;
  let seen: string | undefined;
  let seenSince = performance.now();
  for (let waits = 0; ; waits += 1) {
    if (create(path, token)) return { token, deadToken };
    if (waits === 0) onWait?.();
    const content = read(path);
    if (content !== seen) [seen, seenSince] = [content, performance.now()];
    else if (content !== undefined && performance.now() - seenSince > timing.silentMs) {
      if (takeAway(path, content, token)) [deadToken] = content.split(" ");
    } else await sleep(timing.beatMs / 4);
  }
}

function create(path: string, token: string): boolean {
  try {
    writeFileSync(path, `${token} 0`, { flag: "wx" });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Moves a silent holder's file away. Two waiters may try at once: what the later one moved is a live lock, and goes back. */
function takeAway(path: string, silent: string, token: string): boolean {
  const aside = `${path}.${token}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
  const isSilent = read(aside) === silent;
  if (isSilent) rmSync(aside);
  else renameSync(aside, path);
  return isSilent;
}

function isHeldBy(path: string, token: string): boolean {
  return read(path)?.split(" ")[0] === token;
}

/** Whether it could be written: a full disk must not stop the work that may free it. */
function beat(path: string, token: string, beats: number): boolean {
  try {
    writeFileSync(path, `${token} ${beats}`, { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
