// Where compiled files lie and how they get there: `.compiled/<revision>/` beside the checkpoint, or in a cache folder
// where the checkpoint cannot be written. A folder appears whole by one rename, so that a kill leaves nothing half.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";

export const GRAPH_FILE = "graph.onnx";
export const WEIGHTS_FILE = "weights.bin";
const MANIFEST_FILE = "manifest.json";
const FOLDER = ".compiled";
const TEMPORARY = "tmp-";

const manifestSchema = z.object({ layout: z.string(), graphBytes: z.int(), weightsBytes: z.int() });
export type Manifest = z.infer<typeof manifestSchema>;

/** The folders to look into, the checkpoint's own first. */
export function compiledRoots(checkpointDir: string, cacheDir: string | undefined): readonly string[] {
  const own = join(checkpointDir, FOLDER);
  return cacheDir === undefined ? [own] : [own, join(cacheDir, basename(checkpointDir) + FOLDER)];
}

/** The first root that can be written, created if need be, or undefined when there is none. */
export function findWritableRoot(roots: readonly string[]): string | undefined {
  return roots.find((root) => {
    try {
      mkdirSync(root, { recursive: true });
      accessSync(root, constants.W_OK);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return false;
    }
  });
}

/** The manifest of a complete folder, or undefined. A file of another size than the manifest says makes it incomplete. */
export function readCompiled(folder: string): Manifest | undefined {
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path)) return undefined;
  const manifest = manifestSchema.safeParse(parseJson(readFileSync(path, "utf8")));
  if (!manifest.success) return undefined;
  const sizes = [GRAPH_FILE, WEIGHTS_FILE].map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size);
  return sizes[0] === manifest.data.graphBytes && sizes[1] === manifest.data.weightsBytes ? manifest.data : undefined;
}

/** Makes a folder in `root` by calling `write` on a temporary one and renaming it to `name`. */
export async function publish(
  root: string,
  name: string,
  write: (folder: string) => Promise<Manifest>,
): Promise<Manifest> {
  removeAbandoned(root);
  const temporary = mkdtempSync(join(root, `${TEMPORARY}${process.pid}-`));
  try {
    const manifest = await write(temporary);
    writeFileSync(join(temporary, MANIFEST_FILE), JSON.stringify(manifest), { flush: true });
    const target = join(root, name);
    // Somebody else may have published the same revision meanwhile: same content, so theirs stays if it is whole.
    const theirs = readCompiled(target);
    if (theirs !== undefined) return theirs;
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
    return manifest;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Removes temporary folders whose process is gone. */
function removeAbandoned(root: string): void {
  for (const name of readdirSync(root)) {
    if (!name.startsWith(TEMPORARY)) continue;
    const pid = Number(name.slice(TEMPORARY.length).split("-")[0]);
    if (!isAlive(pid)) rmSync(join(root, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    ["EACCES", "EROFS", "EPERM", "EEXIST", "ENOTDIR"].includes(String(error.code))
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
