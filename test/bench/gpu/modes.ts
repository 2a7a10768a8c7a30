// The forms that a checkpoint is compiled to for a card, and the processes that they are tried in: each in one of its own, with
// CUDA's environment, so that a lost card ends one mode and a line that was written stays written.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import type { CompileTarget, CudaWeights } from "../../../gpu-backend/compiler/compiled-model.ts";
import { CUDA_FOLDER, cudaEnvironment, whyNotUsable } from "../../../gpu-backend/cuda/libraries.ts";

export interface Mode {
  readonly target: CompileTarget;
  readonly cudaWeights: CudaWeights;
}

/** What is served first, first. */
export const CUDA_MODES: readonly Mode[] = [
  { target: "cuda-fp16", cudaWeights: "block32" },
  { target: "cuda-fp16", cudaWeights: "as-is" },
  { target: "cuda-fp16", cudaWeights: "dense" },
  { target: "cuda-bf16", cudaWeights: "as-is" },
  { target: "cuda-bf16", cudaWeights: "dense" },
  { target: "cuda-bf16", cudaWeights: "block32" },
];
/** The CPU's, in their place, where there is no card: it tries the script, and says nothing of a card. */
const REHEARSAL: readonly Mode[] = [{ target: "cpu", cudaWeights: "as-is" }];

export const nameOf = ({ target, cudaWeights }: Mode): string => `${target} ${cudaWeights}`;

/** The modes asked for by name, all without one. Throws a sentence. */
export function modesOf(rehearse: boolean, only: string | undefined): readonly Mode[] {
  const all = rehearse ? REHEARSAL : CUDA_MODES;
  if (only === undefined) return all;
  const wanted = only.split(",").map((name) => name.trim().replace("/", " "));
  const unknown = wanted.filter((name) => !all.some((mode) => nameOf(mode) === name));
  if (unknown.length > 0)
    throw new Error(
      `--mode has ${unknown.join(", ")}; it can be ${all.map((mode) => nameOf(mode).replace(" ", "/")).join(", ")}.`,
    );
  return all.filter((mode) => wanted.includes(nameOf(mode)));
}

export interface ModeRun {
  /** Arguments of this same program that make it run the one mode. */
  readonly args: readonly string[];
  readonly card: number | undefined;
  /** Gets each line as it comes: what is written then stays, however the run ends. */
  readonly onLine: (line: Record<string, unknown>) => void;
  /** Further variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs this program for one mode; gives why it ended early, if it did. */
export async function runMode(mode: Mode, { args, card, onLine, env = {} }: ModeRun): Promise<string | undefined> {
  const folder = process.env["CUDA_FOLDER"] ?? CUDA_FOLDER;
  const place = { folder, ...(card !== undefined && { card }) };
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args], {
    env: { ...(mode.target === "cpu" ? process.env : cudaEnvironment(place)), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-4_000)));
  const closed = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: Record<string, unknown> = { mode: nameOf(mode), ...JSON.parse(line) };
    onLine(entry);
    process.stdout.write(`${JSON.stringify(entry)}\n`);
  }
  const [code, signal] = await closed;
  if (code === 0) return undefined;
  const said = errors.trim().split("\n");
  return `ended with ${signal ?? code}: ${said.findLast((line) => line.includes("rror")) ?? ""}`;
}

/** Ends the program with a sentence where CUDA cannot be used. */
export function requireCuda(): void {
  const reason = whyNotUsable(process.env["CUDA_FOLDER"] ?? CUDA_FOLDER, { driver: true });
  if (reason === undefined) return;
  process.stderr.write(`${reason} Without a card: --rehearse.\n`);
  process.exit(1);
}
