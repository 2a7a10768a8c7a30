// `--model`: a folder, or the name of a repository on the Hugging Face Hub that is downloaded first.

import { statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { type Config, StartError } from "../config.ts";
import { type DownloadListener, downloadModel, type HubAccess } from "./download-model.ts";
import { parseRepository } from "./repository.ts";

export interface FoundModel {
  readonly dir: string;
  /** The name it is announced by. */
  readonly modelId: string;
  readonly downloaded: boolean;
}

export type ModelSettings = Pick<Config, "model" | "modelId" | "data" | "hfEndpoint" | "hfToken" | "hfHubOffline">;

const DEMO_MODEL_DIR = fileURLToPath(new URL("../../gpu-backend/demo-model", import.meta.url));
const DEMO_MODEL_ID = "gigarouter/demo-embedding";

/** Rejects with StartError when `model` is neither a folder nor a repository that can be had. */
export async function findModel(settings: ModelSettings, listener: DownloadListener): Promise<FoundModel> {
  const dir = resolve(settings.model);
  const stats = statSync(dir, { throwIfNoEntry: false });
  if (stats?.isFile() === true) {
    throw new StartError(
      `${settings.model} is a file; a checkpoint is a folder with config.json, tokenizer.json and model.safetensors.`,
    );
  }
  if (stats?.isDirectory() === true) {
    const own = dir === DEMO_MODEL_DIR ? DEMO_MODEL_ID : `local/${basename(dir)}`;
    return { dir, modelId: settings.modelId ?? own, downloaded: false };
  }
  const repository = parseRepository(settings.model);
  if (repository === undefined) {
    throw new StartError(
      `${settings.model} is neither a folder nor a name on the hub (owner/name or owner/name@revision).`,
    );
  }
  const access: HubAccess = { hubUrl: settings.hfEndpoint, token: settings.hfToken, offline: settings.hfHubOffline };
  const downloaded = await downloadModel(repository, join(settings.data, "models"), access, listener);
  return { dir: downloaded, modelId: settings.modelId ?? repository.name, downloaded: true };
}
