// A child process that runs one of our programs. Its messages are structured clones, so typed arrays travel as such.

import { type ChildProcess, fork, type ForkOptions } from "node:child_process";
import { join } from "node:path";

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
