// A model from the Hugging Face Hub → a folder named by its commit. Files are checked (size, and the hash the hub
// states) before they get their name, so what has its name is whole; what was broken off is continued. Once complete,
// a model starts without the hub.

import { mkdir, readFile, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { HubApiError, listFiles, modelInfo } from "@huggingface/hub";

import { StartError } from "../config.ts";
import { bytesPresent, downloadFileTo, type RemoteFile } from "./download-file.ts";
import { isNeeded, type Repository } from "./repository.ts";

export interface HubAccess {
  readonly hubUrl: string;
  readonly token: string | undefined;
}

/** Left free on the disk for the compiled files and the rest of the machine. */
const SPARE_BYTES = 512 * 1024 * 1024;
const PROGRESS_EVERY_MS = 200;

/** The folder of the downloaded checkpoint under `root`. Rejects with StartError: unknown, gated, no space, unreachable. */
export async function downloadModel(
  repository: Repository,
  root: string,
  access: HubAccess,
  onProgress: (fraction: number, what: string) => void,
): Promise<string> {
  const home = join(root, ...repository.name.split("/"));
  const remembered = join(home, `${repository.revision}.commit`);
  try {
    const commit = await commitOf(repository, access);
    const dir = join(home, commit);
    await fetchAll(repository, commit, dir, access, onProgress);
    await writeFile(remembered, commit);
    return dir;
  } catch (error) {
    const complete = isUnreachable(error) ? await readFile(remembered, "utf8").catch(() => undefined) : undefined;
    if (complete !== undefined) return join(home, complete);
    throw asStartError(error, repository, access);
  }
}

async function commitOf({ name, revision }: Repository, access: HubAccess): Promise<string> {
  const info = await modelInfo({ name, revision, additionalFields: ["sha"], ...credentials(access) });
  if (!/^[0-9a-f]{40}$/.test(info.sha)) throw new StartError(`The hub names no commit for ${name}.`);
  return info.sha;
}

async function fetchAll(
  repository: Repository,
  commit: string,
  dir: string,
  access: HubAccess,
  onProgress: (fraction: number, what: string) => void,
): Promise<void> {
  const files: RemoteFile[] = [];
  for await (const entry of listFiles({
    repo: repository.name,
    recursive: true,
    revision: commit,
    ...credentials(access),
  })) {
    if (entry.type !== "file" || !isNeeded(entry.path)) continue;
    const { path, size, oid, lfs } = entry;
    files.push({ path, size, sha256: lfs?.oid, gitOid: lfs === undefined ? oid : undefined });
  }
  if (!files.some((file) => file.path === "config.json")) {
    throw new StartError(`${repository.name} has no config.json: it is no checkpoint that can be served here.`);
  }
  await mkdir(dir, { recursive: true });
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let done = 0;
  for (const file of files) done += await bytesPresent(dir, file);
  await checkSpace(dir, total - done);
  let told = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    if (performance.now() - told < PROGRESS_EVERY_MS) return;
    told = performance.now();
    onProgress(Math.max(0, Math.min(1, done / total)), `downloading ${repository.name}`);
  };
  for (const file of files) {
    await downloadFileTo(dir, file, { repo: repository.name, revision: commit, ...credentials(access) }, onBytes);
  }
}

async function checkSpace(dir: string, needed: number): Promise<void> {
  const disk = await statfs(dir);
  const free = disk.bavail * disk.bsize;
  if (needed + SPARE_BYTES <= free) return;
  throw new StartError(`${dir}: the download needs ${gigabytes(needed)} GB and ${gigabytes(free)} GB are free.`);
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}

function credentials({ hubUrl, token }: HubAccess): { hubUrl: string; accessToken?: string } {
  return { hubUrl, ...(token === undefined ? {} : { accessToken: token }) };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof HubApiError && error.statusCode >= 500);
}

function asStartError(error: unknown, { name, revision }: Repository, { hubUrl, token }: HubAccess): unknown {
  if (error instanceof HubApiError) {
    if (error.statusCode === 404) return new StartError(`${hubUrl} has no model ${name} at revision ${revision}.`);
    if (error.statusCode === 401 || error.statusCode === 403) {
      const cure =
        token === undefined ? "set HF_TOKEN to a token that may read it" : "the token in HF_TOKEN may not read it";
      return new StartError(`${hubUrl} does not give ${name} to everyone: ${cure}.`);
    }
    return new StartError(`${hubUrl} answered ${error.statusCode} for ${name}.`);
  }
  if (error instanceof TypeError) {
    const cause = error.cause instanceof Error ? error.cause.message : error.message;
    return new StartError(`${hubUrl} cannot be reached for ${name} (${cause}).`);
  }
  return error;
}
