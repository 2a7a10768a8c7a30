// Unpacks members of a wheel (a zip archive) into a folder; each file gets its name when it is complete.

import { createWriteStream } from "node:fs";
import { chmod, rename } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import { openPromise } from "yauzl";

import type { Wheel } from "../../gpu-backend/cuda/wheels.ts";

/** Rejects if a member is missing or has another size. */
export async function unpackWheel(path: string, { file, members }: Wheel, folder: string): Promise<void> {
  const wanted = new Map(members.map((member) => [member[0], member]));
  const zip = await openPromise(path);
  try {
    for await (const entry of zip.eachEntry()) {
      const member = wanted.get(entry.fileName);
      if (member === undefined) continue;
      const [, name, bytes] = member;
      if (entry.uncompressedSize !== bytes)
        throw new Error(`${file}: ${entry.fileName} has ${entry.uncompressedSize} bytes, not ${bytes}.`);
      const part = join(folder, `${name}.part`);
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(part));
      await chmod(part, 0o755);
      await rename(part, join(folder, name));
      wanted.delete(entry.fileName);
    }
  } finally {
    zip.close();
  }
  if (wanted.size > 0) throw new Error(`${file} has no ${[...wanted.keys()].join(", ")}.`);
}
