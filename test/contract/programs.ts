// Runs a client's program in a process of its own, or programs of one client one after the other in one, with nothing of ours
// in it but the environment.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { must } from "../../shared/assert.ts";
import { resultSchema } from "./snippets.ts";
import { fillTiktokenCache } from "./tiktoken-cache.ts";
import type { Result, Runtime } from "./snippets.ts";

/** Inside node_modules, so that packages resolve from `folder` and no tool takes the files for ours. */
const programsIn = (folder: string): string => join(folder, "node_modules", ".programs");
const TIKTOKEN_CACHE = join(programsIn(import.meta.dirname), "tiktoken");
const PYTHON = process.env["CLIENTS_PYTHON"];
const MANIFEST = join(import.meta.dirname, "package.json");
const REQUIREMENTS = join(import.meta.dirname, "requirements.txt");

const PROGRAMS: Readonly<Record<Runtime, string>> = { node: "program.mjs", python: "program.py", go: "program.go" };

/** What runs a program of `runtime`; undefined: it is not on this machine (scripts/test-clients.mjs says what is). */
export function commandOf(runtime: Runtime): readonly [string, ...string[]] | undefined {
  if (runtime === "node") return [process.execPath];
  if (runtime === "python") return PYTHON === undefined ? undefined : [PYTHON];
  return process.env["CLIENTS_GO"] === undefined ? undefined : [process.env["CLIENTS_GO"], "run"];
}

export interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
  /** Undefined when the program handed nothing over. */
  readonly result: Result | undefined;
}

/**
 * Runs programs of Node one after the other in one process, which loads their client once: that is most of the work. Each ends
 * as all do, with its own result; one that fails ends them.
 */
export async function runTogether(programs: readonly NodeProgram[]): Promise<readonly Ended[]> {
  const written = programs.map(({ name, code }) => writeProgram(name, "node", code, import.meta.dirname));
  const imports = written.map(
    ({ program, resultFile }) =>
      `process.env.RESULT_FILE = ${JSON.stringify(resultFile)};\nawait import(${JSON.stringify(pathToFileURL(program).href)});\n`,
  );
  const all = await runProgram(`${programs[0]?.name} and others`, "node", imports.join(""));
  return written.map(({ resultFile }) => ({ ...all, result: resultIn(resultFile) }));
}

export interface NodeProgram {
  readonly name: string;
  readonly code: string;
}

interface WrittenProgram {
  readonly cwd: string;
  readonly program: string;
  readonly resultFile: string;
}

/** In a folder of its own. */
function writeProgram(name: string, runtime: Runtime, code: string, folder: string): WrittenProgram {
  const cwd = join(programsIn(folder), name.replaceAll(/\W+/g, "-"));
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd, { recursive: true });
  const [program, resultFile] = [join(cwd, PROGRAMS[runtime]), join(cwd, "result.json")];
  writeFileSync(program, code);
  writeFileSync(resultFile, "");
  return { cwd, program, resultFile };
}

function resultIn(file: string): Result | undefined {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text === "" ? undefined : resultSchema.parse(JSON.parse(text));
}

/** Runs `code`, of a runtime that is on this machine, with the packages of `folder`, in a folder of its own. */
export async function runProgram(
  name: string,
  runtime: Runtime,
  code: string,
  folder: string = import.meta.dirname,
): Promise<Ended> {
  const [command, ...options] = must(commandOf(runtime), `${runtime} is on this machine`);
  const { cwd, program, resultFile } = writeProgram(name, runtime, code, folder);
  if (runtime === "python") await fillTiktokenCache(TIKTOKEN_CACHE);
  const child = spawn(command, [...options, program], {
    cwd,
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      RESULT_FILE: resultFile,
      // An older Go says that it is too old, and fetches no other.
      GOTOOLCHAIN: "local",
      // What the libraries would otherwise fetch or send while they are loaded.
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      ANONYMIZED_TELEMETRY: "False",
      HAYSTACK_TELEMETRY_ENABLED: "False",
      TIKTOKEN_CACHE_DIR: TIKTOKEN_CACHE,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const pieces: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => pieces.push(text));
  }
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { exitCode, output: pieces.join(""), result: resultIn(resultFile) };
}

/** The version of an npm package, by the name it is installed under, that package.json asks for. */
export function npmVersion(alias: string): string {
  const { dependencies } = JSON.parse(readFileSync(MANIFEST, "utf8")) as { dependencies: Record<string, string> };
  return (dependencies[alias] ?? "").replace(/^npm:.*@/, "");
}

/** The version of a Python package that requirements.txt asks for. */
export function pythonVersion(name: string): string {
  return new RegExp(`^${name}==(.+)$`, "m").exec(readFileSync(REQUIREMENTS, "utf8"))?.[1] ?? "";
}
