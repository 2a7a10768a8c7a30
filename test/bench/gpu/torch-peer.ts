// PyTorch beside us, on the same shapes in the same run: what a user would run instead (torch_peer.py).

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { CARD_SHAPES } from "./mixes.ts";
import type { Shape } from "./random-checkpoint.ts";

const SCRIPT = join(import.meta.dirname, "torch_peer.py");

export interface TorchOptions {
  readonly shape: Shape;
  readonly shapes: readonly string[];
  readonly rounds: number;
  /** TFLOP/s. */
  readonly peak: number | undefined;
  readonly rehearse: boolean;
  /** Gets each line as it comes. */
  readonly out: string;
}

/** PYTHON, or python3, if it has what is needed. */
export function pythonWithTorch(): string | undefined {
  const python = process.env["PYTHON"] ?? "python3";
  const { status } = spawnSync(python, ["-c", "import torch, transformers"], { encoding: "utf8" });
  return status === 0 ? python : undefined;
}

/** Its lines, as those of our modes, or in a sentence why there are none. */
export async function runTorch(options: TorchOptions): Promise<readonly Record<string, unknown>[] | string> {
  const { shape, shapes, rounds, peak, rehearse, out } = options;
  const python = pythonWithTorch();
  if (python === undefined) return "no Python with torch and transformers (PYTHON names one)";
  const child = spawn(python, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
  const request = {
    ...shape,
    rounds,
    device: rehearse ? "cpu" : "cuda",
    shapes: Object.fromEntries(shapes.map((name) => [name, CARD_SHAPES[name] ?? []])),
  };
  child.stdin.end(JSON.stringify(request));
  const lines: Record<string, unknown>[] = [];
  const closed = once(child, "close");
  for await (const text of createInterface({ input: child.stdout })) {
    const said: Record<string, unknown> = JSON.parse(text);
    const shareOfPeak = peak === undefined ? null : Number((Number(said["teraflops"]) / peak).toPrecision(3));
    const line = { step: "shape", ...said, shareOfPeak };
    lines.push(line);
    appendFileSync(out, `${JSON.stringify(line)}\n`);
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  const [code] = await closed;
  return code === 0 || lines.length > 0 ? lines : `${python} ended with ${code}`;
}
