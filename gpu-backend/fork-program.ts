// A child process, or a thread, that runs one of our programs. Messages are structured clones, so typed arrays travel as such.

import { type ChildProcess, fork, type ForkOptions } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { builtPrograms } from "./build.mjs";

/** This process's own build; from TypeScript (tests, benches) that of the sources as they are. */
const FOLDER = import.meta.url.endsWith(".ts") ? builtPrograms() : import.meta.dirname;

type Program = "cuda-trial-process" | "engine-process" | "tokenizer-process" | "trial-process";

/** `execArgv` is added to our own. */
export function forkProgram(program: Program, { execArgv = [], ...options }: ForkOptions = {}): ChildProcess {
  return fork(join(FOLDER, `${program}.js`), [], {
    ...options,
    serialization: "advanced",
    execArgv: ["--enable-source-maps", ...execArgv],
  });
}

export function startThread(program: "graph-thread-entry", workerData: unknown): Worker {
  return new Worker(join(FOLDER, `${program}.js`), { workerData });
}
