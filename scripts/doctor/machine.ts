// Checks whether this machine can run the two programs, and how well.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { type Card, readCards } from "../../gpu-backend/cuda/cards.ts";
import { CUDA_FOLDER, whyNotUsable } from "../../gpu-backend/cuda/libraries.ts";
import { DRIVER_MIN, ONNXRUNTIME_VERSION } from "../../gpu-backend/cuda/wheels.ts";
import { type Finding, fault as faultOf, note, well } from "./finding.ts";

const GiB = 1024 ** 3;
const FREE_MEMORY_MIN = 1 * GiB;
/** A 4B model takes about 3 GB (docs/performance.md), and as much again while it is compiled. */
const BIG_MODEL_MEMORY = 6 * GiB;
const FREE_DISK_MIN = 1 * GiB;
const ENGINE_PROBE_MS = 30_000;
/** Turing: the oldest that CUDA 13 compiles for. */
const COMPUTE_CAPABILITY_MIN = 7.5;

export function examineMemory(): Finding[] {
  const [free, total] = [availableMemory(), totalmem()];
  const what = `${gib(free)} of ${gib(total)} memory free, ${availableParallelism()} cores`;
  if (free < FREE_MEMORY_MIN) return [faultOf(what, "Free at least 1 GiB: the engine would be ended by the system.")];
  if (free < BIG_MODEL_MEMORY) return [note(what, "Enough for the demo model; a 4B checkpoint wants 6 GiB free.")];
  return [well(what)];
}

/** On Linux `freemem` counts file caches as used; /proc/meminfo says what is available. */
function availableMemory(): number {
  if (!existsSync("/proc/meminfo")) return freemem();
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

export function examineDisk(dir: string): Finding[] {
  const parent = existsSync(dir) ? dir : process.cwd();
  const { bavail, bsize } = statfsSync(parent);
  const what = `${gib(bavail * bsize)} free where state lives (${dir})`;
  return bavail * bsize < FREE_DISK_MIN
    ? [faultOf(what, "Free at least 1 GiB, or use --data with a folder on another disk.")]
    : [well(what)];
}

/** Loads ONNX Runtime in a separate process, because an incompatible library ends the process that loads it. */
export function examineEngine(): Finding[] {
  const { status, stderr, signal } = spawnSync(process.execPath, ["-e", "require('onnxruntime-node')"], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    timeout: ENGINE_PROBE_MS,
  });
  if (status === 0) return [well("ONNX Runtime loads"), ...examineProcessor(), ...examineCards()];
  const reason =
    signal ??
    stderr
      .trim()
      .split("\n")
      .findLast((line) => line.includes("rror")) ??
    `code ${status}`;
  return [
    faultOf(
      `ONNX Runtime does not load: ${reason}`,
      "Remove node_modules and run npm ci on this machine; on Linux it needs glibc 2.28 or newer (not Alpine).",
    ),
  ];
}

/** int8 activations need AVX-512 VNNI or AVX-VNNI to be fast; AVX2 is several times slower. */
function examineProcessor(): Finding[] {
  if (!existsSync("/proc/cpuinfo") || process.arch !== "x64") return [];
  const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? []);
  if (flags.has("avx512_vnni") || flags.has("avx_vnni")) return [well("the processor has int8 dot products (VNNI)")];
  if (flags.has("avx2")) {
    return [
      note("the processor has AVX2 but no VNNI", "The demo is fine; large checkpoints on this CPU will be slow."),
    ];
  }
  return [note("the processor has no AVX2", "Expect the engine to be many times slower than the figures in docs.")];
}

/** The cards, what they want of the driver, and whether what CUDA targets need is installed. */
export function examineCards(cards = readCards(), folder = process.env["CUDA_FOLDER"] ?? CUDA_FOLDER): Finding[] {
  if (cards.length === 0) return [well("no NVIDIA card: the CPU target is used")];
  const fault = whyNotUsable(folder, { driver: true });
  const libraries =
    fault === undefined
      ? well(`the CUDA provider of ONNX Runtime ${ONNXRUNTIME_VERSION} finds all its libraries in ${folder}`)
      : note(`the card cannot be used yet: ${fault}`, "Then start the backend with --target cuda-fp16 (docs/gpu.md).");
  return [...cards.map(examineCard), libraries];
}

function examineCard({ index, name, driver, memoryBytes, freeBytes, computeCapability }: Card): Finding {
  const memory =
    memoryBytes === undefined ? "" : `, ${gib(freeBytes ?? memoryBytes)} of ${gib(memoryBytes)} memory free`;
  const what = `card ${index}: ${name}, compute capability ${computeCapability}, driver ${driver}${memory}`;
  if (Number.parseInt(driver, 10) < DRIVER_MIN)
    return faultOf(what, `CUDA 13 needs driver ${DRIVER_MIN} or newer: update it, then reboot.`);
  if (Number(computeCapability) < COMPUTE_CAPABILITY_MIN)
    return faultOf(what, `CUDA 13 has nothing for cards before compute capability ${COMPUTE_CAPABILITY_MIN}.`);
  return well(what);
}

function gib(bytes: number): string {
  return `${(bytes / GiB).toFixed(1)} GiB`;
}
