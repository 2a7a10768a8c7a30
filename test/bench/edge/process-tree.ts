// CPU time and memory of a process and all that descend from it. CPU as Linux's scheduler counts it: in nanoseconds a
// thread, where /proc/PID/stat counts in ticks of 10 ms, too coarse for short turns.

import { readFileSync, readdirSync } from "node:fs";

const NS_PER_MS = 1_000_000;

const KIB_PER_MIB = 1024;

/** Milliseconds of user and system time that the living threads of `pid` and its living descendants have used. */
export function treeCpuMs(pid: number): number {
  let ns = 0;
  for (const one of treeOf(pid)) {
    for (const task of readdirOf(`/proc/${one}/task`)) {
      ns += Number(readOf(`/proc/${one}/task/${task}/schedstat`).split(" ")[0] ?? 0);
    }
  }
  return ns / NS_PER_MS;
}

/** MiB that they have in memory. */
export function treeMib(pid: number): number {
  const kib = treeOf(pid).map((one) => Number(/VmRSS:\s+(\d+)/.exec(readOf(`/proc/${one}/status`))?.[1] ?? 0));
  return kib.reduce((sum, own) => sum + own, 0) / KIB_PER_MIB;
}

function treeOf(pid: number): number[] {
  const children = readdirOf(`/proc/${pid}/task`).flatMap((task) =>
    readOf(`/proc/${pid}/task/${task}/children`)
      .split(" ")
      .filter((child) => child !== "")
      .map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
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
