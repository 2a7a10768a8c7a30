// CPU time of a process and all that descend from it, as Linux counts it. Threads are in their process's figure.

import { readFileSync, readdirSync } from "node:fs";
import { execFileSync } from "node:child_process";

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

const TICK_MS = 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Milliseconds of user and system time that `pid` and its living descendants have used since they began. */
export function treeCpuMs(pid: number): number {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (statOf(name) ?? []) : []));
  const within = new Set([pid]);
  // A child's pid may be below its parent's: until nothing is added.
  for (let before = 0; before !== within.size;) {
    before = within.size;
    for (const stat of all) if (within.has(stat.parent)) within.add(stat.pid);
  }
  return all.reduce((sum, stat) => (within.has(stat.pid) ? sum + stat.ticks : sum), 0) * TICK_MS;
}

function statOf(name: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${name}/stat`, "utf8");
    // The command, in parentheses, may hold anything: fields are counted behind it, from `state`, the third.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { pid: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined; // It ended meanwhile.
  }
}
