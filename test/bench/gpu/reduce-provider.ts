// Makes libonnxruntime_providers_cuda.so small enough to carry: its size and layout stay, but the code for other architectures, and kernels
// that no graph of ours launches, become zeros, which compress to nothing. CUDA loads kernels lazily: one of zeros fails only if it is
// launched. A fat binary is a header (magic, u16 version, u16 header size, u64 size) and entries: u16 kind, u16, u32 header
// size, u64 payload size, and at 28 the u32 architecture; payloads are zstd frames (CUDA 13; fatbinary_section.h).

import { Decompress } from "fzstd";

const MAGIC = Buffer.from([0x50, 0xed, 0x55, 0xba]);
const VERSION = 1;
const HEADER_BYTES = 16;
const HEADS = /Flash_fwd_kernel_traitsILi(\d+)E/g;
const EXPERTS = /MoeFCGemm|GroupProblemShape|moe/i;

export interface Reduction {
  readonly keptBytes: number;
  readonly droppedBytes: number;
}

/** Zeroes in place. `architecture`: as compute capability 9.0 is 90; `headDims`: of flash attention. */
export function reduceProvider(library: Buffer, architecture: number, headDims: readonly number[]): Reduction {
  let [keptBytes, droppedBytes] = [0, 0];
  for (let at = library.indexOf(MAGIC); at >= 0; at = library.indexOf(MAGIC, at)) {
    if (library.readUInt16LE(at + 4) !== VERSION || library.readUInt16LE(at + 6) !== HEADER_BYTES) {
      at += MAGIC.length;
      continue;
    }
    const end = at + HEADER_BYTES + Number(library.readBigUInt64LE(at + 8));
    for (let entry = at + HEADER_BYTES; entry < end;) {
      const from = entry + library.readUInt32LE(entry + 4);
      const bytes = Number(library.readBigUInt64LE(entry + 8));
      const payload = library.subarray(from, from + bytes);
      if (library.readUInt32LE(entry + 28) === architecture && isLaunched(payload, headDims)) keptBytes += bytes;
      else {
        payload.fill(0);
        droppedBytes += bytes;
      }
      entry = from + bytes;
    }
    at = end;
  }
  return { keptBytes, droppedBytes };
}

/** By the names of its sections: no mixture of experts, and flash attention of the heads that are wanted. */
function isLaunched(payload: Buffer, headDims: readonly number[]): boolean {
  const names = namesIn(payload);
  const heads = [...names.matchAll(HEADS)].map(([, size]) => Number(size));
  if (heads.length > 0) return heads.some((size) => headDims.includes(size));
  return !EXPERTS.test(names);
}

function namesIn(payload: Buffer): string {
  const parts: Uint8Array[] = [];
  try {
    new Decompress((part) => parts.push(part)).push(payload, true);
  } catch {
    // A frame is padded to 8 bytes, which is no second frame; and some payloads are not compressed.
  }
  const cubin = parts.length > 0 ? Buffer.concat(parts) : payload;
  return [...cubin.toString("latin1").matchAll(/\.text\.[\w$]+/g)].join(" ");
}
