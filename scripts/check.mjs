// npm run check: types, lint, format and unused code, without running anything.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { ROOT, ensureInstalled } from "./install.mjs";

ensureInstalled();
// tsc 7.0.2 keeps stale diagnostics if only a compiler option changed, so the build starts fresh: it takes two seconds.
rmSync(`${ROOT}/.build/types`, { recursive: true, force: true });
const CHECKS = [
  ["tsc", ["-b"]],
  ["oxlint", ["--type-aware", "--deny-warnings"]],
  ["oxfmt", ["--check"]],
  ["knip", []],
];
for (const [tool, args] of CHECKS) {
  const { status } = spawnSync(`node_modules/.bin/${tool}`, args, {
    cwd: ROOT,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    process.stderr.write(`check: ${tool} failed\n`);
    process.exit(status ?? 1);
  }
}
