// Files of a checkpoint are untrusted: only a plain file of a plain name is opened, so that a pipe cannot hang the
// start, a device cannot fill it, and a name cannot lead out of the folder.

import { readFileSync, type Stats, statSync } from "node:fs";

import { CheckpointError } from "./checkpoint-error.ts";

/** No path in it, no control character, not hidden. */
const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
/** The largest tokenizer.json known has 34 MB. */
const TEXT_BYTES_MAX = 256 * 1024 * 1024;
const LFS_POINTER = "version https://git-lfs.github.com/spec/";

export function isFileName(name: string): boolean {
  return FILE_NAME.test(name);
}

/** Size in bytes of a plain file; undefined when nothing is there. Throws CheckpointError for anything else. */
export function plainFileBytes(path: string): number | undefined {
  const stats = statOf(path);
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) throw new CheckpointError(`${path}: is a folder; a file is needed`);
  if (!stats.isFile()) throw new CheckpointError(`${path}: is not a plain file`);
  return stats.size;
}

/** The whole file; undefined when nothing is there. Throws CheckpointError when it cannot be read. */
export function readPlainFile(path: string): Buffer | undefined {
  const size = plainFileBytes(path);
  if (size === undefined) return undefined;
  if (size > TEXT_BYTES_MAX)
    throw new CheckpointError(`${path}: has ${size} bytes; at most ${TEXT_BYTES_MAX} are read`);
  try {
    const bytes = readFileSync(path);
    refuseLfsPointer(path, bytes);
    return bytes;
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** Throws CheckpointError when the file's first bytes are those of a Git LFS pointer. */
export function refuseLfsPointer(path: string, start: Uint8Array): void {
  if (!Buffer.from(start.subarray(0, LFS_POINTER.length)).toString("latin1").startsWith(LFS_POINTER)) return;
  throw new CheckpointError(
    `${path}: is a Git LFS pointer, not the file itself; "git lfs pull" in its repository fetches the file`,
  );
}

export function cannotRead(path: string, error: unknown): CheckpointError {
  if (error instanceof CheckpointError) return error;
  return new CheckpointError(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw cannotRead(path, error);
  }
}
