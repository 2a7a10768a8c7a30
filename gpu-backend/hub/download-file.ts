// One file of a repository → its place in a folder: continued where it broke off, checked against size and hash, given
// its name only then.

import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

import { downloadFile, HubApiError } from "@huggingface/hub";

import { StartError } from "../config.ts";
import { chunksOf, digestOf, fetchWhole, sizeOf, withoutStall } from "../storage/fetched-file.ts";
import { refusalOf } from "../storage/refusal.ts";

export interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** Of a file in large-file storage. */
  readonly sha256: string | undefined;
  /** Git's own hash, of any other file. */
  readonly gitOid: string | undefined;
}

export interface FileSource {
  readonly repo: string;
  readonly revision: string;
  readonly hubUrl: string;
  readonly accessToken?: string;
  readonly fetch: typeof fetch;
}

const PART = ".part";
const ATTEMPTS_MAX = 6;
/** Times the attempt's square: 0.2 s, 0.8 s, … 5 s. */
const RETRY_MS = 200;

export async function isPresent(dir: string, file: RemoteFile): Promise<boolean> {
  return (await sizeOf(join(dir, file.path))) === file.size;
}

/** Bytes of `file` that an earlier start has left in `dir`. */
export async function bytesPresent(dir: string, file: RemoteFile): Promise<number> {
  if (await isPresent(dir, file)) return file.size;
  const sizes = await Promise.all((await partsOf(dir, file)).map(sizeOf));
  return Math.min(file.size, Math.max(0, ...sizes));
}

/**
 * Fetches what is missing of `file`. `token`: names the part file, so that no two starts write to one; what an earlier
 * start has left is gone on with under the new name. `onBytes`: as they arrive; negative when bytes turned out to be wrong. Rejects with
 * HubApiError, TypeError (network) or StartError (twice a wrong hash).
 */
export async function downloadFileTo(
  dir: string,
  file: RemoteFile,
  source: FileSource,
  token: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const place = join(dir, file.path);
  if (await isPresent(dir, file)) return;
  await mkdir(dirname(place), { recursive: true });
  const part = `${place}.${token}${PART}`;
  await adoptLargest(await partsOf(dir, file), part);
  await fetchWhole({
    part,
    bytes: file.size,
    fetchRest: () => fetchRest(part, file, source, onBytes),
    matches: () => matches(part, file),
    onBytes,
    wrongTwice: () =>
      new StartError(`${source.repo}: ${file.path} arrived twice with another content than the hub states.`),
    isFinal,
    attemptsMax: ATTEMPTS_MAX,
    retryMs: RETRY_MS,
  });
  await rename(part, place);
}

async function fetchRest(
  part: string,
  file: RemoteFile,
  source: FileSource,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const have = await sizeOf(part);
  const blob = await downloadFile({ ...source, path: file.path });
  if (blob === null) throw new StartError(`${source.repo} has no file ${file.path}.`);
  await withoutStall(async (signal, onByte) => {
    const arrived = (count: number): void => {
      onByte();
      onBytes(count);
    };
    const rest = have === 0 ? blob : blob.slice(have, file.size);
    await pipeline(chunksOf(rest.stream(), arrived), createWriteStream(part, { flags: "a" }), { signal });
  });
}

async function matches(path: string, file: RemoteFile): Promise<boolean> {
  if ((await sizeOf(path)) !== file.size) return false;
  if (file.sha256 !== undefined) return (await digestOf(path)) === file.sha256;
  if (file.gitOid === undefined) return true;
  return (await digestOf(path, createHash("sha1").update(`blob ${file.size}\0`))) === file.gitOid;
}

function isFinal(error: unknown): boolean {
  // A disk that is full or cannot be written stays so.
  if (error instanceof StartError || refusalOf(error) !== undefined) return true;
  return error instanceof HubApiError && error.statusCode < 500 && error.statusCode !== 429;
}

/** What earlier starts have left of a file. */
async function partsOf(dir: string, file: RemoteFile): Promise<string[]> {
  const place = join(dir, file.path);
  const names = await readdir(dirname(place)).catch(() => []);
  const parts = names.filter((name) => name.startsWith(`${basename(place)}.`) && name.endsWith(PART));
  return parts.map((name) => join(dirname(place), name));
}

async function adoptLargest(parts: readonly string[], as: string): Promise<void> {
  const sized = await Promise.all(parts.map(async (path) => ({ path, size: await sizeOf(path) })));
  const [largest, ...others] = sized.toSorted((left, right) => right.size - left.size);
  if (largest !== undefined) await rename(largest.path, as);
  for (const { path } of others) await rm(path, { force: true });
}
