// npm run check: types, lint, format, unused code. What a machine can judge without running anything.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { ROOT, ensureInstalled } from "./install.mjs";

ensureInstalled();
// tsc 7.0.2 keeps stale diagnostics when only a compiler option changed: a full build takes two seconds and is honest.
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
