// A program that opens CUDA sessions itself, as the engine's process does, must be born into an environment in which the
// dynamic linker finds them: it is started once more, in its own place.

import { spawnSync } from "node:child_process";

import { cudaEnvironment, type CudaPlace, whyNotUsable } from "../../../gpu-backend/cuda/libraries.ts";

const MARK = "GIGAROUTER_CUDA_PROCESS";

/** Returns in the process that has the environment, and in no other. Ends with a sentence where CUDA cannot be used. */
export function enterCudaProcess(place: CudaPlace): void {
  if (process.env[MARK] === "1") return;
  const reason = whyNotUsable(place.folder, { driver: true });
  if (reason !== undefined) {
    process.stderr.write(`${reason}\n`);
    process.exit(1);
  }
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...cudaEnvironment(place), [MARK]: "1" },
  });
  process.exit(status ?? 1);
}
