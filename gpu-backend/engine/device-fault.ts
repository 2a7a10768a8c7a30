// What an error of the CUDA provider means for the process that got it. The provider gives only text: its own checks
// say "CUDA failure 700: …" or "CUDA error cudaErrorIllegalAddress:…", cuBLAS "CUBLAS failure …", its arena "Failed to
// allocate …".

/**
 * memory: this run did not fit, a smaller one may. lost: the card or its context is gone (Xid in the kernel's log), and
 * every later call of this process would fail the same way.
 */
export type DeviceFault = "memory" | "lost";

const OF_DEVICE = /CUDA (?:failure|error)|CUBLAS(?:_STATUS| failure)|CURAND failure/;
const OF_MEMORY =
  /out of memory|cudaErrorMemoryAllocation|ALLOC_FAILED|Failed to allocate memory for requested buffer|smaller than requested bytes/;

/** Undefined for an error that is no card's: a shape or an id that the graph does not take. */
export function deviceFaultOf(message: string): DeviceFault | undefined {
  if (OF_MEMORY.test(message)) return "memory";
  return OF_DEVICE.test(message) ? "lost" : undefined;
}

/** By CUDA's number of the error (cudaError_t). */
const CURES: Readonly<Record<string, string>> = {
  "2": "another program may hold the card's memory: nvidia-smi says which",
  "35": "the driver is older than CUDA 13: install 580 or newer",
  "46": "another process has the card for itself (nvidia-smi -c 0 shares it)",
  "100": "in a container, run it with the card (--gpus all); CUDA_VISIBLE_DEVICES and --cuda-device may hide it",
  "101": "--cuda-device or CUDA_VISIBLE_DEVICES names a card that is not there: nvidia-smi counts them",
  "802": "the cards' fabric manager does not run (nvidia-fabricmanager)",
};

/** The runtime's message without the C++ around it, and what cures it where that is known. */
export function readable(message: string): string {
  const [, number = "", what = ""] = /CUDA failure (\d+): ([^;]+?) *;/.exec(message) ?? [];
  if (what !== "")
    return number in CURES ? `${what} (CUDA error ${number}): ${CURES[number]}` : `${what} (CUDA error ${number})`;
  if (message.includes("Failed to load shared library"))
    return "the CUDA provider's libraries cannot be loaded: npm run gpu:install -- --check says which is missing";
  if (/Failed to allocate memory for requested buffer/.test(message))
    return "the card's memory does not hold the model: nvidia-smi says what else is on it";
  return message;
}
