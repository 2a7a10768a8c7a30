import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

import { processorsAllowed } from "../../gpu-backend/processors.ts";

const scratch = mkdtempSync(join(tmpdir(), "processors-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A root with these files, as a kernel shows them. */
function rootWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(scratch, "root-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${content}\n`);
  }
  return root;
}

describe("the processors that the engine may use", () => {
  it.each([
    ["no control group", {}, 8],
    ["v2 without a quota", { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000" }, 8],
    ["v2 in a container", { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "200000 100000" }, 2],
    ["v2, a broken share", { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "350000 100000" }, 3],
    ["v2, less than one", { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000" }, 1],
    ["v2, more than there are", { "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "3200000 100000" }, 8],
    [
      "v2, a group above it",
      {
        "proc/self/cgroup": "0::/a.slice/b.scope",
        "sys/fs/cgroup/a.slice/cpu.max": "400000 100000",
        "sys/fs/cgroup/a.slice/b.scope/cpu.max": "max 100000",
      },
      4,
    ],
    ["v2, the host's path", { "proc/self/cgroup": "0::/docker/0123", "sys/fs/cgroup/cpu.max": "200000 100000" }, 2],
    [
      "v1",
      {
        "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/docker/0123",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
      },
      3,
    ],
    [
      "v1 without a quota",
      {
        "proc/self/cgroup": "4:cpu:/",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      },
      8,
    ],
  ])("with %s", (_, files, expected) => {
    expect(processorsAllowed(rootWith(files), 8)).toBe(expected);
  });

  it("are at least one, and no more than the machine has", () => {
    expect(processorsAllowed()).toBeGreaterThanOrEqual(1);
  });
});
