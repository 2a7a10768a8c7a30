// A child process that runs a TypeScript file of ours. Its messages are structured clones, so typed arrays travel as such.

import { type ChildProcess, fork, type ForkOptions } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const TYPESCRIPT_LOADER = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** `execArgv` is added to what TypeScript needs. */
export function forkTypescript(file: URL, { execArgv = [], ...options }: ForkOptions = {}): ChildProcess {
  return fork(fileURLToPath(file), [], {
    ...options,
    serialization: "advanced",
    execArgv: ["--import", TYPESCRIPT_LOADER, ...execArgv],
  });
}
