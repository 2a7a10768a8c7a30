// What a processor can do that decides how fast a form of product is. Detected, never assumed: the name of a processor says
// little, and a virtual machine may hide instructions.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/** As Linux names them: the steps of integer and float products on x86, and on 64-bit Arm. */
const INSTRUCTIONS = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8", "asimddp", "i8mm", "sve"];

/** For example "x64: avx2, avx512f, avx512_vnni". `cpuinfo`: the content of /proc/cpuinfo, where there is one. */
export function processorClass(cpuinfo = read("/proc/cpuinfo")): string {
  const [, list = ""] = /^(?:flags|Features)\s*: (.*)$/m.exec(cpuinfo ?? "") ?? [];
  const flags = new Set(list.split(" "));
  const known = INSTRUCTIONS.filter((name) => flags.has(name));
  return `${process.arch}: ${known.length > 0 ? known.join(", ") : (cpus()[0]?.model ?? "unknown")}`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Another system.
    return undefined;
  }
}
