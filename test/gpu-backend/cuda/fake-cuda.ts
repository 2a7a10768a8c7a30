// Makes a folder as npm run gpu:install does, with the real CUDA provider in it and a card that computes nothing
// (fake-cuda.c) in place of CUDA's libraries. Needs what gpu:install has put into .cuda, and a C compiler.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CUDA_FOLDER, whyNotUsable } from "../../../gpu-backend/cuda/libraries.ts";

/** Each with the version of its symbols, if they have one. */
const LIBRARIES = [
  ["libcudart.so.13", true],
  ["libcublas.so.13", true],
  ["libcublasLt.so.13", true],
  ["libcuda.so.1", false],
] as const;
const REAL = [
  "libonnxruntime.so.1",
  "libonnxruntime_providers_shared.so",
  "libonnxruntime_providers_cuda.so",
  "libcurand.so.10",
  "installed.json",
];

/** Why there can be none here, if so. */
export function whyNoFakeCuda(): string | undefined {
  if (!existsSync(CUDA_FOLDER)) return "npm run gpu:install has not been run";
  const reason = whyNotUsable(CUDA_FOLDER, { driver: false });
  if (reason !== undefined) return reason;
  return spawnSync("cc", ["--version"]).status === 0 ? undefined : "there is no C compiler (cc)";
}

/** Gives the folder; the caller removes it. */
export function makeFakeCuda(): string {
  const folder = mkdtempSync(join(tmpdir(), "fake-cuda-"));
  try {
    for (const name of REAL) symlinkSync(join(CUDA_FOLDER, name), join(folder, name));
    const object = join(folder, "fake-cuda.o");
    compile(["-O1", "-fPIC", "-c", "-o", object, join(import.meta.dirname, "fake-cuda.c")]);
    for (const [name, versioned] of LIBRARIES) {
      const map = join(folder, `${name}.map`);
      writeFileSync(map, `${versioned ? name : ""} { global: *; };\n`);
      compile(["-shared", "-o", join(folder, name), object, "-lm", `-Wl,-soname,${name},--version-script=${map}`]);
    }
    return folder;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function compile(args: readonly string[]): void {
  const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`cc ${args.join(" ")}: ${stderr}`);
}
