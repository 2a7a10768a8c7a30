// SHA-256 of a checkpoint's files. Hashing 2 GB takes seconds, so results are remembered in the cache folder under the
// file's size, times and inode; anything that changes a file changes its ctime.

import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";

import { assert } from "../../shared/assert.ts";

const MEMO_FILE = "fingerprints.json";
const PIECE_BYTES = 1 << 24;
const memoSchema = z.record(z.string(), z.object({ stamp: z.string(), sha256: z.string() }));
type Memo = z.infer<typeof memoSchema>;

/** File name → SHA-256 in hex. `memoDir`: a folder that can be written, where results are remembered; undefined remembers nothing. */
export async function fingerprintFiles(
  paths: readonly string[],
  memoDir: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const memo = memoDir === undefined ? {} : readMemo(memoDir);
  const fresh: Memo = {};
  const hashes = new Map<string, string>();
  for (const path of paths) {
    const stats = statSync(path, { bigint: true });
    const stamp = [stats.size, stats.mtimeNs, stats.ctimeNs, stats.ino].join(":");
    const name = basename(path);
    const known = memo[name];
    const sha256 = known?.stamp === stamp ? known.sha256 : await hashFile(path);
    fresh[name] = { stamp, sha256 };
    hashes.set(name, sha256);
  }
  if (memoDir !== undefined && JSON.stringify(memo) !== JSON.stringify(fresh)) {
    writeFileSync(join(memoDir, MEMO_FILE), JSON.stringify(fresh));
  }
  return hashes;
}

function readMemo(dir: string): Memo {
  const path = join(dir, MEMO_FILE);
  if (!existsSync(path)) return {};
  try {
    return memoSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    // A memo cut short by a crash is worth nothing and costs one more hashing.
    return {};
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
