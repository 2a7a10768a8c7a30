// Where compiled files go on mounts as they are in the world. A read-only and a full file system are real ones, mounted
// in a mount namespace of the test's own; where the kernel does not give one to this user, those tests say so by being skipped.

import { execFile, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";

import { bundleForNode } from "../../../gpu-backend/build.mjs";
import { compileCheckpoint, compileSoundly, removeDamage } from "../../../gpu-backend/compiler/compile.ts";
import { publish } from "../../../gpu-backend/compiler/compiled-folder.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";

const CHECKPOINT = fileURLToPath(new URL("../../vectors/checkpoints/ct-sym", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "places-"));
const SOURCE = fileURLToPath(new URL("./compile-process.ts", import.meta.url));
const PROCESS = join(scratch, "compile-process.js");
beforeAll(() => bundleForNode({ entryPoints: [SOURCE], outfile: PROCESS }));
afterAll(() => rmSync(scratch, { recursive: true }));
const options = { target: "cpu", precision: "exact" } as const;
const answerSchema = z.object({
  graphPath: z.string().default(""),
  failure: z.string().default(""),
  steps: z.array(z.string()),
});

const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", scratch]).status === 0;

/** Runs compile-process.ts, after `mounts` (shell) in a namespace of its own if they are given. */
async function compileApart(dir: string, cacheDir: string, mounts = "") {
  const node = [process.execPath, PROCESS, dir, cacheDir];
  const command = mounts === "" ? node : ["unshare", "-rm", "sh", "-ec", `${mounts}; exec "$@"`, "sh", ...node];
  const { stdout } = await promisify(execFile)(command[0] ?? "", command.slice(1));
  return answerSchema.parse(JSON.parse(stdout));
}

const readOnly = (dir: string): string => `mount --bind ${dir} ${dir}; mount -o remount,bind,ro ${dir}`;
const full = (dir: string): string => `mkdir -p ${dir}; mount -t tmpfs -o size=16k tmpfs ${dir}`;
const newFolder = (): string => mkdtempSync(join(scratch, "data-"));

describe.skipIf(!canMount)("compiled files on mounts", () => {
  it("go into the data folder when the checkpoint's mount is read-only, and are found there", async () => {
    const [dir, data] = [copyCheckpoint(CHECKPOINT, scratch), newFolder()];
    const first = await compileApart(dir, data, readOnly(dir));
    expect([first.failure, first.graphPath.startsWith(data)]).toEqual(["", true]);
    expect((await compileApart(dir, data, readOnly(dir))).steps).toEqual(["compiled"]);
  });

  it("go into the data folder when there is no space beside the checkpoint", async () => {
    const [dir, data] = [copyCheckpoint(CHECKPOINT, scratch), newFolder()];
    const { failure, graphPath } = await compileApart(dir, data, full(join(dir, ".compiled")));
    expect([failure, graphPath.startsWith(data)]).toEqual(["", true]);
  });

  it("that have no place are one sentence that names each folder, its reason and the cure", async () => {
    const [dir, data] = [copyCheckpoint(CHECKPOINT, scratch), newFolder()];
    const both = await compileApart(dir, data, `${readOnly(dir)}; ${readOnly(data)}`);
    expect(both.failure).toMatch(
      /\.compiled is on a read-only file system, and .*data-.* read-only file system: there is no place .* --data/,
    );
    const mixed = await compileApart(dir, data, `${readOnly(dir)}; ${full(data)}`);
    expect(mixed.failure).toMatch(/data-.* has no space left: there is no place/);
  });

  it("that are there already are used from a read-only mount, damaged ones replaced in the data folder", async () => {
    const [dir, data] = [copyCheckpoint(CHECKPOINT, scratch), newFolder()];
    const { graphPath } = await compileCheckpoint(dir, options);
    expect((await compileApart(dir, data, readOnly(dir))).graphPath).toBe(graphPath);
    zeroPage(join(dirname(graphPath), "weights.bin"));
    const replaced = await compileApart(dir, data, readOnly(dir));
    expect([replaced.failure, replaced.graphPath.startsWith(data)]).toEqual(["", true]);
  });
});

describe("compiled files", () => {
  it("go into the data folder where a folder beside the checkpoint cannot be made", async () => {
    const [dir, data] = [copyCheckpoint(CHECKPOINT, scratch), newFolder()];
    symlinkSync("/proc/no-such-folder", join(dir, ".compiled"));
    const { graphPath } = await compileCheckpoint(dir, { ...options, cacheDir: data });
    expect(graphPath.startsWith(data)).toBe(true);
  });

  it("are made once by three first starts at the same time, and all three have them", async () => {
    const [dir, data] = [copyCheckpoint(CHECKPOINT, scratch), newFolder()];
    const all = await Promise.all([1, 2, 3].map(() => compileApart(dir, data)));
    expect(all.map(({ failure }) => failure)).toEqual(["", "", ""]);
    expect(new Set(all.map(({ graphPath }) => graphPath)).size).toBe(1);
    expect(all.filter(({ steps }) => steps.includes("output"))).toHaveLength(1);
    expect(readdirSync(join(dir, ".compiled")).toSorted()).toEqual([
      all[0]?.graphPath.split("/").at(-2),
      "fingerprints.json",
    ]);
  });

  it("of a compile that was killed, as process 1 or in another container, are made anew and what it left goes at once", async () => {
    const root = newFolder();
    // Its process id may be ours, or nobody's: only that the lock says nothing new counts.
    writeFileSync(join(root, "compiling.lock"), "0123456789abcdef 5");
    mkdirSync(join(root, "tmp-0123456789abcdef"));
    writeFileSync(join(root, "tmp-0123456789abcdef", "weights.bin"), "half");
    const write = (folder: string): Promise<string> => {
      writeFileSync(join(folder, "weights.bin"), "whole");
      return Promise.resolve("layout");
    };
    const timing = { beatMs: 4, silentMs: 60 };
    const made = await Promise.all([1, 2].map(() => publish(root, "revision", write, { timing })));
    expect(made[0]).toEqual(made[1]);
    expect(readdirSync(root)).toEqual(["revision"]);
  });

  it("that a killed compile left are removed once nothing writes to them, whatever process id they name", async () => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const [old, fresh] = [`tmp-${process.pid}-abcdef`, "tmp-4194304-abcdef"].map((name) => {
      const folder = join(dir, ".compiled", name);
      mkdirSync(folder, { recursive: true });
      return folder;
    });
    utimesSync(old ?? "", 1, 1);
    await compileCheckpoint(dir, options);
    expect([existsSync(old ?? ""), existsSync(fresh ?? "")]).toEqual([false, true]);
  });

  it.each(["weights.bin", "graph.onnx"])("with a zeroed page in %s are found out and compiled again", async (name) => {
    const dir = copyCheckpoint(CHECKPOINT, scratch);
    const model = await compileCheckpoint(dir, options);
    const path = join(dirname(model.graphPath), name);
    expect(await removeDamage(model)).toBeUndefined();
    zeroPage(path);
    const again = await compileSoundly(dir, options);
    expect(again).toEqual(model);
    expect(await removeDamage(again)).toBeUndefined();
  });
});

/** Overwrites the middle of a file: its size stays. */
function zeroPage(path: string): void {
  const { size } = statSync(path);
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, new Uint8Array(Math.min(4096, size >> 1)), 0, Math.min(4096, size >> 1), size >> 2);
  closeSync(descriptor);
}
