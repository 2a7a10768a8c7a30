// How many processors this process may keep busy: those that it may run on, or fewer where its control group has a
// quota (a container's `--cpus`, a pod's limit). Threads beyond a quota do harm: together they use it up early in each
// period, and then all of them stop.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** Version 1 mounts a controller under its name, or under all the names that share it. */
const V1_MOUNTS = ["cpu,cpuacct", "cpu"];

/** Whole processors, at least 1. `root`: of the file system that /proc and /sys are in. */
export function processorsAllowed(root = "/", machine = availableParallelism()): number {
  return Math.max(1, Math.floor(Math.min(machine, quota(root))));
}

function quota(root: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (const line of (read(join(root, "proc/self/cgroup")) ?? "").split("\n")) {
    const [, controllers, path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const mounts =
      controllers === "" ? ["", "unified"] : controllers?.split(",").includes("cpu") === true ? V1_MOUNTS : [];
    for (const mount of mounts) least = Math.min(least, quotaUpwards(join(root, "sys/fs/cgroup", mount), path));
  }
  return least;
}

/** The smallest quota of a group and those above it; in a container the path may be the host's, and only the top be there. */
function quotaUpwards(mount: string, path: string): number {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  let least = Number.POSITIVE_INFINITY;
  for (let depth = parts.length; depth >= 0; depth -= 1) {
    const group = join(mount, ...parts.slice(0, depth));
    const [limit, period] = (read(join(group, "cpu.max")) ?? "").split(" ").map(Number);
    least = Math.min(least, share(limit, period));
    const [quotaUs, periodUs] = ["quota", "period"].map((name) => read(join(group, `cpu.cfs_${name}_us`)));
    if (quotaUs !== undefined && periodUs !== undefined)
      least = Math.min(least, share(Number(quotaUs), Number(periodUs)));
  }
  return least;
}

/** `max` and -1 mean none. */
function share(limit: number | undefined, period: number | undefined): number {
  const value = (limit ?? 0) / (period ?? 0);
  return value > 0 && Number.isFinite(value) ? value : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Another system, or a group without that controller.
    return undefined;
  }
}
