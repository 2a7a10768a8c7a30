// Before the contract tests: the SDKs of test/contract/package.json, exactly as its lockfile says. A few seconds from
// the registry, nothing when they are there.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const LOCKFILE = join(import.meta.dirname, "package-lock.json");
const INSTALLED = join(import.meta.dirname, "node_modules", ".package-lock.json");

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

function read(path: string): Lockfile["packages"] {
  return (JSON.parse(readFileSync(path, "utf8")) as Lockfile).packages;
}

function isInstalled(): boolean {
  try {
    const there = read(INSTALLED);
    return Object.entries(read(LOCKFILE)).every(
      ([path, entry]) => path === "" || entry.optional === true || there[path]?.version === entry.version,
    );
  } catch {
    return false; // Not installed yet, or interrupted in the middle.
  }
}

/** Vitest calls this once, before the first test of the project. Throws with npm's own words when it fails. */
export function setup(): void {
  if (isInstalled()) return;
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) throw new Error(`npm ci in test/contract failed:\n${npm.stderr}`);
}
