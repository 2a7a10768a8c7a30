// Installs missing packages for every launcher in this folder. Plain Node, because nothing is installed yet.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NODE_FLOOR = [20, 19];

/** Ends the process with one sentence if Node is too old; runs `npm ci` if node_modules does not match the lockfile. */
export function ensureInstalled() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor < NODE_FLOOR[1])) {
    fail(`Node ${NODE_FLOOR.join(".")} or newer is needed; this is ${process.versions.node}.`);
  }
  if (isInstalled()) return;
  process.stderr.write("Installing dependencies (npm ci) …\n");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) fail("npm ci failed (its output is above); nothing was started.");
}

/** `ensureInstalled`, and lets the program import TypeScript. */
export async function ensureTypeScript() {
  ensureInstalled();
  const { register } = await import("tsx/esm/api");
  register();
}

/** Compares node_modules/.package-lock.json, which npm writes at the end of each install, with the lockfile. */
function isInstalled() {
  try {
    const wanted = JSON.parse(readFileSync(`${ROOT}/package-lock.json`, "utf8")).packages;
    const there = JSON.parse(readFileSync(`${ROOT}/node_modules/.package-lock.json`, "utf8")).packages;
    return Object.entries(wanted).every(
      ([path, entry]) =>
        path === "" ||
        entry.optional === true ||
        entry.devOptional === true ||
        // npm leaves them out, as in an image.
        (entry.dev === true && process.env.NODE_ENV === "production") ||
        there[path]?.version === entry.version,
    );
  } catch {
    return false;
  }
}

/** @returns {never} */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
