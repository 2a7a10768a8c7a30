// Where compiled files are stored, and how they get there: in `.compiled/<revision>/` of the checkpoint's folder, or in
// a cache folder if the checkpoint cannot be written. A folder appears complete by one rename, so that a kill leaves
// nothing half-written. Its manifest has a checksum of each file, which shows what a disk or a copy has damaged since.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import * as z from "zod";

import { refusalOf } from "../storage/refusal.ts";
import { type LockOptions, withWorkLock, type WorkLock } from "../storage/work-lock.ts";

export const GRAPH_FILE = "graph.onnx";
export const WEIGHTS_FILE = "weights.bin";
/** The graph of one layer, see layer-graphs.ts. */
export const layerFile = (layer: number): string => `layer-${layer}.onnx`;
const MANIFEST_FILE = "manifest.json";
const LOCK_FILE = "compiling.lock";
const FOLDER = ".compiled";
const TEMPORARY = "tmp-";
/** A compile writes all the time: a temporary folder without a change for so long has lost its process. */
const ABANDONED_MS = 60_000;
/** Read at a time while a file is checked: 2 GB take about a second. */
const PIECE_BYTES = 1 << 20;

const fileSchema = z.object({ bytes: z.int(), crc32: z.int() });
const manifestSchema = z.object({ layout: z.string(), files: z.record(z.string(), fileSchema) });
export type Manifest = z.infer<typeof manifestSchema>;

/** The folders to look into, the checkpoint's own first. */
export function compiledRoots(checkpointDir: string, cacheDir: string | undefined): readonly string[] {
  const own = join(checkpointDir, FOLDER);
  return cacheDir === undefined ? [own] : [own, join(cacheDir, basename(checkpointDir) + FOLDER)];
}

/** The manifest of a complete folder, or undefined. A file of another size than the manifest says makes it incomplete. */
export function readCompiled(folder: string): Manifest | undefined {
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path)) return undefined;
  const manifest = manifestSchema.safeParse(parseJson(readFileSync(path, "utf8")));
  if (!manifest.success) return undefined;
  const whole = Object.entries(manifest.data.files).every(
    ([name, { bytes }]) => statSync(join(folder, name), { throwIfNoEntry: false })?.size === bytes,
  );
  return whole ? manifest.data : undefined;
}

/** The first file of a complete folder whose content is not what was compiled, or undefined. Reads all of them. */
export async function findDamage(folder: string): Promise<string | undefined> {
  const manifest = readCompiled(folder);
  if (manifest === undefined) return MANIFEST_FILE;
  for (const [name, file] of Object.entries(manifest.files)) {
    if ((await checksum(join(folder, name))) !== file.crc32) return name;
  }
  return undefined;
}

/** Takes a damaged folder away, if it can be written; where it cannot, its readers have to leave it out. */
export function discardCompiled(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
  }
}

/**
 * Makes a folder in `root` by calling `write` on a temporary one and renaming it to `name`; `write` gives the layout.
 * Where another start makes the same, waits for its result. Rejects as `write` does, or with the system's error when the
 * root cannot be written.
 */
export function publish(
  root: string,
  name: string,
  write: (folder: string) => Promise<string>,
  options: LockOptions,
): Promise<Manifest> {
  const target = join(root, name);
  return withWorkLock(
    join(root, LOCK_FILE),
    async (lock) => {
      const theirs = readCompiled(target);
      if (theirs !== undefined) return theirs;
      removeAbandoned(root, lock);
      const temporary = join(root, TEMPORARY + lock.token);
      try {
        mkdirSync(temporary);
        const manifest = { layout: await write(temporary), files: await describe(temporary) };
        writeFileSync(join(temporary, MANIFEST_FILE), JSON.stringify(manifest), { flush: true });
        // Who took this process for dead may have published the same content meanwhile.
        const faster = readCompiled(target);
        if (faster !== undefined) return faster;
        rmSync(target, { recursive: true, force: true });
        renameSync(temporary, target);
        return manifest;
      } finally {
        rmSync(temporary, { recursive: true, force: true });
      }
    },
    options,
  );
}

async function describe(folder: string): Promise<Manifest["files"]> {
  const files: Manifest["files"] = {};
  for (const name of readdirSync(folder).toSorted()) {
    const path = join(folder, name);
    files[name] = { bytes: statSync(path).size, crc32: await checksum(path) };
  }
  return files;
}

/**
 * CRC-32: it is damage that has to be found, not a forger, and a cryptographic hash takes three times as long on some
 * processors. One buffer for all pieces: fresh ones cost as much as the sum.
 */
async function checksum(path: string): Promise<number> {
  const file = await open(path);
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    let sum = 0;
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, null);
      if (bytesRead === 0) return sum;
      sum = crc32(piece.subarray(0, bytesRead), sum);
    }
  } finally {
    await file.close();
  }
}

/** Removes what compiles that were killed have left: the folder of a holder gone silent, and any that nothing writes to. */
function removeAbandoned(root: string, lock: WorkLock): void {
  // The file system's own time: a machine's clock may differ from it.
  const now = statSync(join(root, LOCK_FILE)).mtimeMs;
  for (const name of readdirSync(root)) {
    if (!name.startsWith(TEMPORARY)) continue;
    const folder = join(root, name);
    if (name === TEMPORARY + String(lock.deadToken) || now - lastChange(folder) > ABANDONED_MS)
      rmSync(folder, { recursive: true, force: true });
  }
}

/** When the folder or a file in it was last written; infinity for one that is gone, which is nothing to remove. */
function lastChange(folder: string): number {
  const own = statSync(folder, { throwIfNoEntry: false });
  if (own === undefined) return Number.POSITIVE_INFINITY;
  const times = readdirSync(folder).map(
    (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  return Math.max(own.mtimeMs, ...times);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
