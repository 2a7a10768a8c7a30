// The folder with the CUDA provider and its libraries, and the environment in which a process finds them: the dynamic
// linker looks there first, so that the npm package's binding gets the ONNX Runtime that the provider belongs to, and
// nothing in node_modules is changed. Only the process that computes on the card has this variable; the operator sets
// none.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

import * as z from "zod";

import { DRIVER_MIN, ONNXRUNTIME_VERSION } from "./wheels.ts";

/** Where npm run gpu:install puts them by default. */
export const CUDA_FOLDER = fileURLToPath(new URL("../../.cuda", import.meta.url));
/** Written last: a folder without it is no install. */
export const INSTALLED_FILE = "installed.json";
export const PROVIDER_FILE = "libonnxruntime_providers_cuda.so";
/** The driver's own: no package brings it. */
const DRIVER_LIBRARY = "libcuda.so.1";

const installedSchema = z.object({
  onnxruntime: z.string(),
  /** The wheels that its files came from. */
  wheels: z.array(z.string()),
});
export type Installed = z.infer<typeof installedSchema>;

/** What gpu:install has put into `folder`, or undefined where that did not come to its end. */
export function readInstalled(folder: string): Installed | undefined {
  try {
    return installedSchema.parse(JSON.parse(readFileSync(join(folder, INSTALLED_FILE), "utf8")));
  } catch {
    return undefined;
  }
}

/** Where a process that computes on a card finds what it needs. */
export interface CudaPlace {
  readonly folder: string;
  /** Index of the only card it sees, as nvidia-smi counts; absent: what the environment says, or the first. */
  readonly card?: number;
}

/** The variables of a process that computes on a card. */
export function cudaEnvironment(
  { folder, card }: CudaPlace,
  environment: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const paths = [folder, environment["LD_LIBRARY_PATH"]].filter((path) => path !== undefined && path !== "");
  return {
    ...environment,
    LD_LIBRARY_PATH: paths.join(delimiter),
    ...(card !== undefined && { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: String(card) }),
  };
}

/** Names of the libraries that the dynamic linker does not find, the driver's among them. Throws where there is no `ldd`. */
export function missingLibraries(folder: string, environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const { status, stdout, stderr, error } = spawnSync("ldd", [join(folder, PROVIDER_FILE)], {
    encoding: "utf8",
    env: cudaEnvironment({ folder }, environment),
  });
  if (error !== undefined) throw new Error(`ldd cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(`ldd ${join(folder, PROVIDER_FILE)}: ${(stderr || stdout).trim()}`);
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, name = ""]) => name);
}

/**
 * Why a process could not compute on a card with what is in `folder`, in one sentence, or undefined. Without `driver` a
 * missing driver is none: where an image is built there is no card.
 */
export function whyNotUsable(
  folder: string,
  { driver, environment }: { readonly driver: boolean; readonly environment?: NodeJS.ProcessEnv },
): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64")
    return `CUDA targets run on Linux on x86-64; this is ${process.platform} on ${process.arch}.`;
  const installed = readInstalled(folder);
  if (installed === undefined) return `The CUDA provider is not in ${folder}: npm run gpu:install puts it there.`;
  if (installed.onnxruntime !== ONNXRUNTIME_VERSION)
    return `${folder} has the CUDA provider of ONNX Runtime ${installed.onnxruntime}, and this is ${ONNXRUNTIME_VERSION}: run npm run gpu:install again.`;
  const missing = missingLibraries(folder, environment);
  const others = missing.filter((name) => name !== DRIVER_LIBRARY);
  if (others.length > 0)
    return `The CUDA provider in ${folder} lacks ${others.join(", ")}: run npm run gpu:install again.`;
  if (driver && missing.includes(DRIVER_LIBRARY))
    return `${DRIVER_LIBRARY} is missing, which NVIDIA's driver brings: install a driver, ${DRIVER_MIN} or newer; in a container, run it with the card (--gpus all).`;
  return undefined;
}
