// The backend's start from a tree of its own: when its programs are built, and what of them stays.

import { execFile } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const tree = mkdtempSync(join(tmpdir(), "tree-"));
const BUILDS = join(tree, ".build");
const builds = (): string[] => readdirSync(BUILDS);

beforeAll(() => {
  for (const name of ["package.json", "package-lock.json", "shared"])
    cpSync(join(ROOT, name), join(tree, name), { recursive: true });
  cpSync(join(ROOT, "gpu-backend"), join(tree, "gpu-backend"), {
    recursive: true,
    filter: (path) => !path.endsWith("demo-model"),
  });
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
});
afterAll(() => rmSync(tree, { recursive: true }));

/** What `node` with these arguments writes to stderr in the tree. */
function run(...args: string[]): Promise<string> {
  return new Promise(
    (resolve) => void execFile(process.execPath, args, { cwd: tree }, (_, __, stderr) => resolve(stderr)),
  );
}
const start = (): Promise<string> => run("gpu-backend/start.mjs");

test("starts at the same time end with one build, and later ones take it as it is", async () => {
  const refusals = await Promise.all([start(), start()]);
  expect(new Set(refusals)).toEqual(new Set(["--model (or MODEL) is missing.\n"]));
  const [name = "", ...others] = builds();
  expect(others).toEqual([]);
  const main = join(BUILDS, name, "main.js");
  const { ino, mtimeMs } = statSync(main);
  await start();
  expect(statSync(main)).toMatchObject({ ino, mtimeMs });
});

test("a changed source is built anew beside the builds of running servers, of which the newest stay", async () => {
  for (let day = 1; day <= 10; day += 1) {
    const old = join(BUILDS, `backend-${day}`);
    mkdirSync(old);
    utimesSync(old, new Date(0), new Date(day * 86_400_000));
  }
  const before = builds();
  const file = join(tree, "gpu-backend/config.ts");
  const lines = readFileSync(file, "utf8").split("\n").length;
  appendFileSync(file, 'import { assert } from "../shared/assert.ts";\nassert(false, "changed");\n');
  // A stack trace names the TypeScript.
  expect(await start()).toContain(`gpu-backend/config.ts:${lines + 1}`);
  const after = builds();
  expect(after.filter((name) => !before.includes(name))).toHaveLength(1);
  const gone = before.filter((name) => !after.includes(name));
  expect(gone.toSorted()).toEqual(["1", "2", "3", "4"].map((day) => `backend-${day}`));
});

test("the image builds them when it is made, where any user may read them", async () => {
  rmSync(BUILDS, { recursive: true });
  const dockerfile = readFileSync(join(ROOT, "gpu-backend/deploy/Dockerfile"), "utf8");
  const [, script = ""] = /^RUN node --input-type=module --eval '(.+)'$/m.exec(dockerfile) ?? [];
  expect(await run("--input-type=module", "--eval", script)).toBe("");
  const paths = [BUILDS, ...readdirSync(BUILDS, { recursive: true }).map((name) => join(BUILDS, String(name)))];
  expect(paths.length).toBeGreaterThan(5);
  for (const path of paths) expect(statSync(path).mode & 0o004, path).toBe(0o004);
});
