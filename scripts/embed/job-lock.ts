// One job at a time in a folder. The lock is a file that its holder writes again every second, so it outlives nobody: a
// newcomer takes it over at once where the holder was a process of this machine that is gone, and otherwise after a few
// seconds without a beat (process ids say nothing across containers).

import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Stop } from "./stop.ts";

interface LockTiming {
  readonly beatMs: number;
  /** Beats missing for so long: the holder is gone. */
  readonly silentMs: number;
}
const TIMING: LockTiming = { beatMs: 1_000, silentMs: 5_000 };

export interface JobLock {
  /** Throws Stop if somebody else has taken it: this process was asleep for longer than the lock lasts. */
  check(): void;
  release(): void;
}

/** Takes the lock file at `path`; throws Stop where a living job holds it. */
export async function takeJobLock(path: string, timing: LockTiming = TIMING): Promise<JobLock> {
  const token = randomBytes(8).toString("hex");
  const content = (beats: number): string => `${token} ${hostname()} ${process.pid} ${beats}`;
  await acquire(path, token, content(0), timing);
  const isOurs = (): boolean => read(path)?.split(" ")[0] === token;
  let beats = 0;
  const timer = setInterval(() => {
    beats += 1;
    if (!isOurs() || !beat(path, content(beats))) clearInterval(timer);
  }, timing.beatMs);
  timer.unref();
  return {
    check: () => {
      if (!isOurs()) throw new Stop("Another job has taken this folder over: this one slept for too long and ends.");
    },
    release: () => {
      clearInterval(timer);
      if (isOurs()) rmSync(path, { force: true });
    },
  };
}

async function acquire(path: string, token: string, content: string, timing: LockTiming): Promise<void> {
  let seen: string | undefined;
  let seenSince = 0;
  while (!create(path, content)) {
    const held = read(path);
    if (held === undefined) continue;
    if (seen === undefined) [seen, seenSince] = [held, performance.now()];
    else if (seen !== held) throw heldBy(held);
    if (isGone(held) || performance.now() - seenSince > timing.silentMs) takeAway(path, held, token);
    else await sleep(timing.beatMs / 10);
  }
}

function heldBy(held: string): Stop {
  const [, host, pid] = held.split(" ");
  return new Stop(`Another job runs in this folder (process ${pid} on ${host}): wait for it, or end it.`);
}

/** Whether the holder was a process of this machine and is no more. */
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

/** Moves a dead holder's file away. Two may try at once: what the later one moved is a live lock, and goes back. */
function takeAway(path: string, dead: string, token: string): void {
  const aside = `${path}.${token}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (read(aside) === dead) rmSync(aside);
  else renameSync(aside, path);
}

/** Whether it could be written: a full disk ends the job by what it cannot write, not here. */
function beat(path: string, content: string): boolean {
  try {
    // Over what is there: nobody may see an empty lock.
    writeFileSync(path, content, { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

function create(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: "wx" });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
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

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
