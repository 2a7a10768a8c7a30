// Checks whether this machine can run the two programs, and how well.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, freemem, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { type Finding, fault, note, well } from "./finding.ts";

const GiB = 1024 ** 3;
const FREE_MEMORY_MIN = 1 * GiB;
/** A 4B model takes about 3 GB (docs/performance.md), and as much again while it is compiled. */
const BIG_MODEL_MEMORY = 6 * GiB;
const FREE_DISK_MIN = 1 * GiB;
const ENGINE_PROBE_MS = 30_000;

export function examineMemory(): Finding[] {
  const [free, total] = [availableMemory(), totalmem()];
  const what = `${gib(free)} of ${gib(total)} memory free, ${availableParallelism()} cores`;
  if (free < FREE_MEMORY_MIN) return [fault(what, "Free at least 1 GiB: the engine would be ended by the system.")];
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
    ? [fault(what, "Free at least 1 GiB, or use --data with a folder on another disk.")]
    : [well(what)];
}

/** Loads ONNX Runtime in a separate process, because an incompatible library ends the process that loads it. */
export function examineEngine(): Finding[] {
  const { status, stderr, signal } = spawnSync(process.execPath, ["-e", "require('onnxruntime-node')"], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    timeout: ENGINE_PROBE_MS,
  });
  if (status === 0) return [well("ONNX Runtime loads"), ...examineProcessor(), ...examineCard()];
  const reason =
    signal ??
    stderr
      .trim()
      .split("\n")
      .findLast((line) => line.includes("rror")) ??
    `code ${status}`;
  return [
    fault(
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

function examineCard(): Finding[] {
  const { status, stdout } = spawnSync("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"], {
    encoding: "utf8",
  });
  if (status !== 0) return [well("no NVIDIA card: the CPU target is used")];
  const card = stdout.trim().split("\n")[0] ?? "";
  const root = dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
  const provider = join(root, "bin", "napi-v6", process.platform, process.arch, "libonnxruntime_providers_cuda.so");
  if (existsSync(provider)) return [well(`card ${card}, CUDA provider installed`)];
  return [
    note(
      `card ${card}, but the CUDA provider is not installed`,
      `ONNXRUNTIME_NODE_INSTALL=cuda12 node ${join(root, "script", "install")}, then --target cuda-bf16.`,
    ),
  ];
}

function gib(bytes: number): string {
  return `${(bytes / GiB).toFixed(1)} GiB`;
}
