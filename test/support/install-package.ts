// Installs separate packages that only tests need and `npm start` must not install, exactly as their lockfile says.
// Takes a few seconds from the registry, nothing if they are installed.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

/** Installs the package in `folder`. Throws npm's own error message. */
export function installPackage(folder: string): void {
  if (isInstalled(folder)) return;
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) throw new Error(`npm ci in ${folder} failed:\n${npm.stderr}`);
}

function isInstalled(folder: string): boolean {
  try {
    const there = read(join(folder, "node_modules", ".package-lock.json"));
    return Object.entries(read(join(folder, "package-lock.json"))).every(
      ([path, entry]) => path === "" || entry.optional === true || there[path]?.version === entry.version,
    );
  } catch {
    return false; // Not installed yet, or interrupted in the middle.
  }
}

function read(path: string): Lockfile["packages"] {
  return (JSON.parse(readFileSync(path, "utf8")) as Lockfile).packages;
}
