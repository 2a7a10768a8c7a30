// How much processor time a process has used, from the kernel's account of it: what tells a slow process from one that
// is stopped or waits for itself.

import { readFileSync } from "node:fs";

/** User and system time of all its threads, in clock ticks; undefined where the kernel does not say (or the process is gone). */
export function processorTicks(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name is in brackets and may hold anything; utime and stime are the 12th and 13th field after it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
