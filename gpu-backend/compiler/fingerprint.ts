// SHA-256 of a checkpoint's files. Hashing 2 GB takes seconds, so results are remembered in the cache folder under the
// file's size, times and inode; anything that changes a file changes its ctime.

import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";

import { assert } from "../../shared/assert.ts";
import { makeFolder } from "../storage/make-folder.ts";
import { refusalOf } from "../storage/refusal.ts";

const MEMO_FILE = "fingerprints.json";
const PIECE_BYTES = 1 << 24;
const memoSchema = z.record(z.string(), z.object({ stamp: z.string(), sha256: z.string() }));
type Memo = z.infer<typeof memoSchema>;

/**
 * File name → SHA-256 in hex. `memoDirs`: folders where earlier results are looked for; new ones are remembered in the
 * first that can be written, if there is one.
 */
export async function fingerprintFiles(
  paths: readonly string[],
  memoDirs: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const memos = memoDirs.map(readMemo);
  const fresh: Memo = {};
  const hashes = new Map<string, string>();
  for (const path of paths) {
    const stats = statSync(path, { bigint: true });
    const stamp = [stats.size, stats.mtimeNs, stats.ctimeNs, stats.ino].join(":");
    const name = basename(path);
    const known = memos.find((memo) => memo[name]?.stamp === stamp)?.[name];
    const sha256 = known?.sha256 ?? (await hashFile(path));
    fresh[name] = { stamp, sha256 };
    hashes.set(name, sha256);
  }
  const remembered = memos.some((memo) => JSON.stringify(memo) === JSON.stringify(fresh));
  if (!remembered) memoDirs.some((dir) => writeMemo(dir, fresh));
  return hashes;
}

function readMemo(dir: string): Memo {
  try {
    return memoSchema.parse(JSON.parse(readFileSync(join(dir, MEMO_FILE), "utf8")));
  } catch {
    // None, or one cut short by a crash, is worth nothing and costs one more hashing.
    return {};
  }
}

/** Whether it could be written: by one rename, since another start may read it now. */
function writeMemo(dir: string, memo: Memo): boolean {
  const path = join(dir, MEMO_FILE);
  const part = `${path}.${randomUUID()}`;
  try {
    makeFolder(dir);
    writeFileSync(part, JSON.stringify(memo));
    renameSync(part, path);
    return true;
  } catch (error) {
    if (existsSync(part)) rmSync(part);
    if (refusalOf(error) === undefined) throw error;
    return false;
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const stream: AsyncIterable<unknown> = createReadStream(path, { highWaterMark: PIECE_BYTES });
  for await (const piece of stream) {
    assert(piece instanceof Uint8Array, "a file is read as bytes");
    hash.update(piece);
  }
  return hash.digest("hex");
}
