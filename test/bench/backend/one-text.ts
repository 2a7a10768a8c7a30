// One text of a given length through a compiled graph, in a fresh process: time to load, time to compute, memory.
// Used by long-text.ts and big-shape.ts; the process is this same file, started with what to do as its arguments.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import type { ModelConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { textsOf } from "../gpu/mixes.ts";
import { type ShapeName, SHAPES, writeRandomCheckpoint } from "../gpu/random-checkpoint.ts";
import { EngineInProcess } from "./run-as-engine.ts";

export interface OneText {
  readonly loadSeconds: number;
  /** Resident memory once loaded, in MB. */
  readonly loadedMb: number;
  readonly runSeconds: number;
  /** Largest resident memory of the process, in MB: of anonymous memory, and with the mapped weights that it touched. */
  readonly peakMb: number;
  /** The longest that other work would have had to wait. */
  readonly longestRunSeconds: number;
}

/** The compiled random checkpoint of a shape, made in the system's temporary folder when it is not there yet. */
export async function compiledShape(name: ShapeName, layers: number = SHAPES[name].layers): Promise<CompiledModel> {
  const work = join(tmpdir(), "gigarouter-peers");
  const dir = join(work, `qwen3-${name}-${layers}`);
  mkdirSync(work, { recursive: true });
  if (!existsSync(join(dir, "config.json"))) {
    writeRandomCheckpoint({ ...SHAPES[name], layers }, `${dir}.part`);
    renameSync(`${dir}.part`, dir);
  }
  return compileCheckpoint(dir, { target: "cpu", precision: "exact" });
}

/** Rejects when it takes longer than `secondsMax`. */
export async function runOneText(
  graphPath: string,
  tokens: number,
  config: ModelConfig,
  threads: number,
  secondsMax: number,
): Promise<OneText> {
  const args = [
    "--import",
    "tsx",
    import.meta.filename,
    graphPath,
    String(tokens),
    JSON.stringify(config),
    String(threads),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    timeout: secondsMax * 1000,
    killSignal: "SIGKILL",
  });
  return JSON.parse(stdout) as OneText;
}

async function measure([graphPath = "", tokens = "", config = "", threads = ""]: readonly string[]): Promise<OneText> {
  const began = performance.now();
  const shape = JSON.parse(config) as ModelConfig;
  const engine = await EngineInProcess.open(graphPath, shape, Number(threads));
  const loadSeconds = (performance.now() - began) / 1000;
  const loadedMb = statusMb("VmRSS");
  const [text = new Int32Array()] = textsOf([Number(tokens)], shape.vocabSize);
  const start = performance.now();
  let longestRunSeconds = 0;
  await engine.embed([text], (ms) => {
    longestRunSeconds = Math.max(longestRunSeconds, ms / 1000);
  });
  const runSeconds = (performance.now() - start) / 1000;
  return { loadSeconds, loadedMb, runSeconds, peakMb: statusMb("VmHWM"), longestRunSeconds };
}

/** A line of the kernel's account of this process. */
function statusMb(field: string): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`, "u").exec(status)?.[1] ?? 0) / 1024);
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write(JSON.stringify(await measure(process.argv.slice(2))));
}
