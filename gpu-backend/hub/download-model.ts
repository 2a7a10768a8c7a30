// A model from the Hugging Face Hub → a folder named by its commit. Files are checked (size, and the hash the hub
// states) before they get their name, so what has its name is whole; what was broken off is continued. Once complete,
// a model starts whatever the hub says, or does not say. Several starts on one folder download once.

import { readFile, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { HubApiError, InvalidApiResponseFormatError, listFiles, modelInfo } from "@huggingface/hub";

import { StartError } from "../config.ts";
import { makeFolder } from "../storage/make-folder.ts";
import { codeOf, refusalOf } from "../storage/refusal.ts";
import { withWorkLock, type WorkLock } from "../storage/work-lock.ts";
import { bytesPresent, downloadFileTo, isPresent, type RemoteFile } from "./download-file.ts";
import { hubFetch } from "./hub-fetch.ts";
import { isNeeded, type Repository } from "./repository.ts";

export interface HubAccess {
  readonly hubUrl: string;
  readonly token: string | undefined;
  /** Nothing may be asked of the network. */
  readonly offline: boolean;
}

export interface DownloadListener {
  readonly onProgress: (fraction: number, what: string) => void;
  /** A sentence for the operator's log: why a copy on disk is served. */
  readonly onNotice: (what: string) => void;
}

/** Left free on the disk for the compiled files and the rest of the machine. */
const SPARE_BYTES = 512 * 1024 * 1024;
const PROGRESS_EVERY_MS = 200;
/** With a complete copy on disk the hub is waited for so long; without one there is nothing else to do. */
const COPY_PATIENCE_MS = 10_000;
const OTHER_FOLDER = "give the backend another folder with --data.";
const LOCK_FILE = "downloading.lock";

/** The folder of the downloaded checkpoint under `root`. Rejects with StartError: unknown, gated, no space, unreachable. */
export async function downloadModel(
  repository: Repository,
  root: string,
  access: HubAccess,
  listener: DownloadListener,
): Promise<string> {
  const home = join(root, ...repository.name.split("/"));
  const copy = await completeCopy(home, repository);
  if (access.offline) return copy ?? refuseOffline(repository, home);
  try {
    const remote = await remoteCheckpoint(repository, access, copy === undefined ? undefined : COPY_PATIENCE_MS);
    const dir = join(home, remote.commit);
    if (!(await isComplete(dir, remote.files))) await fetchAll(repository, remote, home, access, listener);
    await remember(home, repository, remote.commit);
    return dir;
  } catch (error) {
    const said = asStartError(error, repository, access, home);
    if (copy === undefined) throw said;
    listener.onNotice(`The copy of ${repository.name} in ${copy} is served, since ${sentenceOf(said)}`);
    return copy;
  }
}

/** Where the commit that a revision had when it was last complete is written down. */
function memoOf(home: string, { revision }: Repository): string {
  return join(home, `${encodeURIComponent(revision)}.commit`);
}

async function completeCopy(home: string, repository: Repository): Promise<string | undefined> {
  const commit = await readFile(memoOf(home, repository), "utf8").catch(() => undefined);
  if (commit === undefined) return undefined;
  const dir = join(home, commit);
  return (await stat(join(dir, "config.json")).catch(() => undefined)) === undefined ? undefined : dir;
}

/** A data folder that cannot be written may still hold the model: then the memo is there, or is not needed. */
async function remember(home: string, repository: Repository, commit: string): Promise<void> {
  const path = memoOf(home, repository);
  if ((await readFile(path, "utf8").catch(() => undefined)) !== commit) await writeFile(path, commit);
}

function refuseOffline({ name, revision }: Repository, home: string): never {
  throw new StartError(
    `HF_HUB_OFFLINE is set and there is no complete copy of ${name} at revision ${revision} in ${home}: start it once with the hub.`,
  );
}

interface RemoteCheckpoint {
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

/** What the hub has. `patienceMs`: an answer that takes longer counts as none. */
async function remoteCheckpoint(
  { name, revision }: Repository,
  access: HubAccess,
  patienceMs: number | undefined,
): Promise<RemoteCheckpoint> {
  const signal = patienceMs === undefined ? undefined : AbortSignal.timeout(patienceMs);
  const asked = { ...credentials(access), fetch: fetchOf(signal) };
  const { sha: commit } = await modelInfo({ name, revision, additionalFields: ["sha"], ...asked });
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new StartError(`The hub names no commit for ${name}.`);
  const files: RemoteFile[] = [];
  for await (const entry of listFiles({ repo: name, recursive: true, revision: commit, ...asked })) {
    if (entry.type !== "file" || !isNeeded(entry.path)) continue;
    const { path, size, oid, lfs } = entry;
    files.push({ path, size, sha256: lfs?.oid, gitOid: lfs === undefined ? oid : undefined });
  }
  if (!files.some((file) => file.path === "config.json")) {
    throw new StartError(`${name} has no config.json: it is no checkpoint that can be served here.`);
  }
  return { commit, files };
}

async function isComplete(dir: string, files: readonly RemoteFile[]): Promise<boolean> {
  for (const file of files) if (!(await isPresent(dir, file))) return false;
  return true;
}

async function fetchAll(
  { name }: Repository,
  remote: RemoteCheckpoint,
  home: string,
  access: HubAccess,
  { onProgress }: DownloadListener,
): Promise<void> {
  const dir = join(home, remote.commit);
  makeHome(dir);
  const source = { repo: name, revision: remote.commit, ...credentials(access), fetch: fetchOf(undefined) };
  const work = async ({ token }: WorkLock): Promise<void> => {
    const total = remote.files.reduce((sum, file) => sum + file.size, 0);
    let done = 0;
    for (const file of remote.files) done += await bytesPresent(dir, file);
    await checkSpace(dir, total - done);
    let told = 0;
    const onBytes = (bytes: number): void => {
      done += bytes;
      if (performance.now() - told < PROGRESS_EVERY_MS) return;
      told = performance.now();
      onProgress(Math.max(0, Math.min(1, done / total)), `downloading ${name}`);
    };
    for (const file of remote.files) await downloadFileTo(dir, file, source, token, onBytes);
  };
  const onWait = (): void => onProgress(0, `waiting for another start that downloads ${name}`);
  await withWorkLock(join(home, LOCK_FILE), work, { onWait });
}

function makeHome(dir: string): void {
  try {
    makeFolder(dir);
  } catch (error) {
    throw new StartError(`${dir} ${refusalOf(error) ?? `cannot be made (${sentenceOf(error)})`}: ${OTHER_FOLDER}`);
  }
}

function fetchOf(signal: AbortSignal | undefined): typeof fetch {
  return hubFetch({
    ...(signal !== undefined && { signal }),
    wait: async (ms, aborted) => {
      await sleep(ms, undefined, { ...(aborted !== undefined && { signal: aborted }) }).catch((error: unknown) => {
        aborted?.throwIfAborted();
        throw error;
      });
    },
  });
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

/** An error in one sentence that begins in the middle of another one. */
function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function asStartError(
  error: unknown,
  { name, revision }: Repository,
  { hubUrl, token }: HubAccess,
  home: string,
): unknown {
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
  if (error instanceof DOMException) {
    return new StartError(`${hubUrl} gave no answer for ${name} within ${COPY_PATIENCE_MS / 1_000} seconds.`);
  }
  if (error instanceof SyntaxError || error instanceof InvalidApiResponseFormatError) {
    return new StartError(`${hubUrl} answered for ${name} with what is not the hub's JSON (${error.message}).`);
  }
  const refusal = codeOf(error) === "ENOENT" ? undefined : refusalOf(error);
  if (refusal !== undefined) return new StartError(`${home} ${refusal}: ${OTHER_FOLDER}`);
  return error;
}
