// `--model`: a folder, or the name of a repository on the Hugging Face Hub that is downloaded first.

import { statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { type Config, type ModelName, StartError } from "../config.ts";
import { type DownloadListener, downloadModel, type HubAccess } from "./download-model.ts";
import { parseRepository, type Repository } from "./repository.ts";

export interface FoundModel {
  readonly dir: string;
  readonly downloaded: boolean;
}

export type HubSettings = Pick<Config, "data" | "hfEndpoint" | "hfToken" | "hfHubOffline">;

const DEMO_MODEL_DIR = fileURLToPath(new URL("../../gpu-backend/demo-model", import.meta.url));
const DEMO_MODEL_ID = "gigarouter/demo-embedding";

type Source =
  | { readonly kind: "folder"; readonly dir: string }
  | { readonly kind: "repository"; readonly repository: Repository };

/** Throws StartError when `model` is neither a folder nor a repository's name. */
function sourceOf(model: string): Source {
  const dir = resolve(model);
  const stats = statSync(dir, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return { kind: "folder", dir };
  if (stats?.isFile() === true) {
    throw new StartError(
      `${model} is a file; a checkpoint is a folder with config.json, tokenizer.json and model.safetensors.`,
    );
  }
  const repository = parseRepository(model);
  if (repository !== undefined) return { kind: "repository", repository };
  throw new StartError(`${model} is neither a folder nor a name on the hub (owner/name or owner/name@revision).`);
}

/** The names that models are announced by, before they are there. Throws StartError where two have one name. */
export function announcedNames(models: readonly ModelName[]): readonly string[] {
  const names = models.map(({ model, modelId }) => modelId ?? nameOf(sourceOf(model)));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return names;
  throw new StartError(`Two models would be called ${twice}: give each a name of its own with --model-id.`);
}

function nameOf(source: Source): string {
  if (source.kind === "repository") return source.repository.name;
  return source.dir === DEMO_MODEL_DIR ? DEMO_MODEL_ID : `local/${basename(source.dir)}`;
}

/** Rejects with StartError when `model` is neither a folder nor a repository that can be had. */
export async function findModel(model: string, settings: HubSettings, listener: DownloadListener): Promise<FoundModel> {
  const source = sourceOf(model);
  if (source.kind === "folder") return { dir: source.dir, downloaded: false };
  const access: HubAccess = { hubUrl: settings.hfEndpoint, token: settings.hfToken, offline: settings.hfHubOffline };
  const dir = await downloadModel(source.repository, join(settings.data, "models"), access, listener);
  return { dir, downloaded: true };
}
