// npm run gpu:install: installs what CUDA targets need, or checks it, and reports what is there.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";

import { CUDA_FOLDER, whyNotUsable } from "../../gpu-backend/cuda/libraries.ts";
import { readCards } from "../../gpu-backend/cuda/cards.ts";
import { ONNXRUNTIME_VERSION } from "../../gpu-backend/cuda/wheels.ts";
import { refusalOf } from "../../gpu-backend/storage/refusal.ts";
import { DownloadError } from "./download.ts";
import { indexUrl } from "./index-url.ts";
import { install } from "./install.ts";

const USAGE = "npm run gpu:install -- [--dir DIR] [--check] [--keep-wheels]";

/** Returns the exit code. A missing driver is reported but is no fault: images are built on machines without one. */
export async function main(
  args: readonly string[],
  onProgress: (fraction: number, what: string) => void,
  say: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    say(`${options} Usage: ${USAGE}`);
    return 1;
  }
  const { folder, check, keepWheels } = options;
  setGlobalDispatcher(new EnvHttpProxyAgent());
  try {
    if (!check) await install({ folder, index: indexUrl(process.env), onProgress, keepWheels });
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal !== undefined) say(`${folder} ${refusal}.`);
    else if (error instanceof DownloadError) say(error.message);
    else throw error;
    return 1;
  }
  const fault = whyNotUsable(folder, { driver: false });
  if (fault !== undefined) {
    say(fault);
    return 1;
  }
  say(`The CUDA provider of ONNX Runtime ${ONNXRUNTIME_VERSION} and its libraries are in ${folder}.`);
  const driver = whyNotUsable(folder, { driver: true });
  if (driver !== undefined) say(driver);
  for (const card of readCards()) say(`card ${card.index}: ${card.name}, driver ${card.driver}`);
  return 0;
}

function readOptions(args: readonly string[]): { folder: string; check: boolean; keepWheels: boolean } | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        dir: { type: "string", default: CUDA_FOLDER },
        check: { type: "boolean", default: false },
        "keep-wheels": { type: "boolean", default: false },
      },
    });
    const folder = resolve(values.dir);
    if (values.check && !existsSync(folder)) return `${folder} is not there.`;
    return { folder, check: values.check, keepWheels: values["keep-wheels"] };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
