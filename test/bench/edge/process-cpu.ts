// CPU time of a process and all that descend from it, as Linux's scheduler counts it: in nanoseconds a thread, where
// /proc/PID/stat counts in ticks of 10 ms, too coarse for short turns.

import { readFileSync, readdirSync } from "node:fs";

const NS_PER_MS = 1_000_000;

/** Milliseconds of user and system time that the living threads of `pid` and its living descendants have used. */
export function treeCpuMs(pid: number): number {
  let ns = 0;
  for (const task of readdirOf(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${task}`;
    ns += Number(readOf(`${path}/schedstat`).split(" ")[0] ?? 0);
    for (const child of readOf(`${path}/children`).split(" ")) {
      if (child !== "") ns += treeCpuMs(Number(child)) * NS_PER_MS;
    }
  }
  return ns / NS_PER_MS;
}

/** What ended meanwhile has nothing in it. */
function readOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function readdirOf(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
