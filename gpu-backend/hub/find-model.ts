// `--model`: a folder, or the name of a repository on the Hugging Face Hub that is downloaded first.

import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { type Config, StartError } from "../config.ts";

export interface FoundModel {
  readonly dir: string;
  /** The name it is announced by. */
  readonly modelId: string;
  readonly downloaded: boolean;
}

const DEMO_MODEL_DIR = fileURLToPath(new URL("../demo-model", import.meta.url));
const DEMO_MODEL_ID = "gigarouter/demo-embedding";

/** Rejects with StartError when `model` is neither. */
export async function findModel(
  config: Pick<Config, "model" | "modelId" | "data">,
  _onProgress: (fraction: number, what: string) => void,
): Promise<FoundModel> {
  const dir = resolve(config.model);
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true) {
    const own = dir === DEMO_MODEL_DIR ? DEMO_MODEL_ID : `local/${basename(dir)}`;
    return { dir, modelId: config.modelId ?? own, downloaded: false };
  }
  throw new StartError(`${config.model}: there is no such folder.`);
}
