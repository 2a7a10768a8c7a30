// npm run bench:gpu -- [DIR] [--shape 4B] [--out FILE] [--json] [--mode cuda-fp16/block32,…] [--only "mix 16k,16x2048"]
//                      [--price 2.40,3.50] [--peak TFLOP/s] [--rounds 5] [--cuda-device N] [--rehearse]
// Each mode, and torch beside it, over the shapes of mixes.ts: a warm-up, then the median of the rounds. DIR is a checkpoint; without it one of
// the shape with random weights is made. Lines go to FILE (bench-gpu.jsonl) as they are measured, so that a run that is
// cut still says something; a table follows at the end unless --json. --rehearse: the CPU and a tiny model in the card's place,
// which proves this script and measures nothing.

import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { cardInUse, readCards } from "../../../gpu-backend/cuda/cards.ts";
import { ONNXRUNTIME_VERSION } from "../../../gpu-backend/cuda/wheels.ts";
import { type BenchOptions, benchMode, profileMode } from "./bench-mode.ts";
import { peakOf } from "./card-figures.ts";
import { CARD_SHAPES } from "./mixes.ts";
import { modesOf, nameOf, requireCuda, runMode } from "./modes.ts";
import { type ShapeName, SHAPES, writeRandomCheckpoint } from "./random-checkpoint.ts";
import { tableOf } from "./table.ts";
import { runTorch } from "./torch-peer.ts";

/** A CPU takes no 32,768 tokens in a rehearsal. */
const REHEARSAL_SHAPES = ["1x16", "512x16"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: "string", default: "4B" },
    out: { type: "string", default: "bench-gpu.jsonl" },
    json: { type: "boolean", default: false },
    mode: { type: "string" },
    only: { type: "string" },
    price: { type: "string", default: "2.40" },
    peak: { type: "string" },
    rounds: { type: "string", default: "5" },
    "cuda-device": { type: "string" },
    rehearse: { type: "boolean", default: false },
    /** Set by this program itself: what one of its processes measures. */
    part: { type: "string" },
  },
});
const { rehearse, out } = values;

if (values.part === undefined) process.exitCode = await main();
else {
  const [mode] = modesOf(rehearse, values.mode);
  if (mode === undefined) throw new Error("one mode is needed");
  const options = optionsOf(positionals[0] ?? "");
  await (values.part === "profile" ? profileMode(mode, options) : benchMode(mode, options));
}

function optionsOf(dir: string): BenchOptions {
  const shapes = values.only?.split(",") ?? (rehearse ? REHEARSAL_SHAPES : Object.keys(CARD_SHAPES));
  const unknown = shapes.filter((name) => !Object.hasOwn(CARD_SHAPES, name));
  if (unknown.length > 0)
    throw new Error(`--only has ${unknown.join(", ")}; it can be ${Object.keys(CARD_SHAPES).join(", ")}.`);
  return {
    dir,
    shapes,
    rounds: Number(values.rounds),
    prices: values.price.split(",").map(Number),
    peak: values.peak === undefined ? undefined : Number(values.peak),
    threads: 2,
  };
}

async function main(): Promise<number> {
  const name = rehearse ? "tiny" : values.shape;
  if (!isShape(name)) throw new Error(`--shape is one of ${Object.keys(SHAPES).join(", ")}.`);
  if (!rehearse) requireCuda();
  const work = mkdtempSync(join(tmpdir(), "bench-gpu-"));
  const dir = positionals[0] ?? join(work, "checkpoint");
  const device = values["cuda-device"] === undefined ? undefined : Number(values["cuda-device"]);
  const card = rehearse ? undefined : cardInUse(readCards(), device);
  const options = optionsOf(dir);
  const peak = options.peak ?? peakOf(card?.name ?? "");
  const model = positionals[0] ?? `random ${name}`;
  const head = { bench: "gpu", rehearsal: rehearse, date: new Date().toISOString(), card: card ?? null };
  writeFileSync(out, `${JSON.stringify({ ...head, peak: peak ?? null, onnxruntime: ONNXRUNTIME_VERSION, model })}\n`);
  const machine = `${card?.name ?? "card"}, driver ${card?.driver ?? "unknown"}`;
  process.stderr.write(`${rehearse ? "a rehearsal on the CPU: it measures nothing" : machine}\n`);
  const lines: Line[] = [];
  try {
    if (positionals[0] === undefined) writeRandomCheckpoint(SHAPES[name], dir);
    lines.push(...(await measureModes("shapes", options, device)));
    const { shapes, rounds } = options;
    const torch = await runTorch({ shape: SHAPES[name], shapes, rounds, peak, rehearse, out });
    if (typeof torch === "string") process.stderr.write(`torch: not measured: ${torch}\n`);
    else lines.push(...torch);
    // Last: they explain figures, and a run that is cut had better have these.
    lines.push(...(await measureModes("profile", options, device)));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (!values.json) process.stdout.write(`${tableOf(lines)}\n`);
  const failures = lines.filter(({ step, error }) => step !== "shape" && error !== undefined);
  process.stderr.write(
    `${[...failures.map(({ mode, error }) => `${String(mode)}: ${String(error)}`), out].join("\n")}\n`,
  );
  return failures.length === 0 && lines.some(({ step, error }) => step === "shape" && error === undefined) ? 0 : 1;
}

type Line = Readonly<Record<string, unknown>>;

function isShape(name: string): name is ShapeName {
  return Object.hasOwn(SHAPES, name);
}

/** Each mode in a process of its own; one that ends early leaves a line that says so. */
async function measureModes(
  part: "shapes" | "profile",
  { dir, shapes }: BenchOptions,
  card: number | undefined,
): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for (const mode of modesOf(rehearse, values.mode)) {
    const only = part === "shapes" ? shapes.join(",") : rehearse ? "512x16" : "16x2048";
    const args = [dir, "--part", part, "--mode", nameOf(mode), "--only", only];
    args.push("--price", values.price, "--rounds", values.rounds);
    if (values.peak !== undefined) args.push("--peak", values.peak);
    if (rehearse) args.push("--rehearse");
    const env = part === "profile" ? { CUDA_LAUNCH_BLOCKING: "1" } : {};
    const onLine = (line: Line): void => {
      lines.push(line);
      appendFileSync(out, `${JSON.stringify(line)}\n`);
    };
    const failed = await runMode(mode, { args, card, onLine, env });
    if (failed !== undefined) onLine({ mode: nameOf(mode), step: part, error: failed });
  }
  return lines;
}
