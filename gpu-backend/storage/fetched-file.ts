// A file that arrives over the network under a name of its own, attempt after attempt, and is compared before it gets
// another: what models and CUDA's libraries have in common.

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Without a byte for so long the connection is given up. */
const STALL_MS = 60_000;

export interface FetchedFile {
  /** Where it grows. */
  readonly part: string;
  readonly bytes: number;
  /** Fetches what is missing; asked only while something is. */
  readonly fetchRest: () => Promise<void>;
  /** Whether the whole file has the content that it must have. */
  readonly matches: () => Promise<boolean>;
  /** Bytes that turned out to be wrong, as a negative number. */
  readonly onBytes: (bytes: number) => void;
  /** The error of a file that arrived twice with another content. */
  readonly wrongTwice: () => Error;
  /** Whether asking again would not help. */
  readonly isFinal: (error: unknown) => boolean;
  readonly attemptsMax: number;
  /** Times the attempt's square. */
  readonly retryMs: number;
}

/** Resolves when the part is whole and right. Rejects with the error that is final, or with the last attempt's. */
export async function fetchWhole(file: FetchedFile): Promise<void> {
  const { part, bytes, isFinal, attemptsMax, retryMs } = file;
  let wrong = 0;
  for (let attempt = 1; ; attempt += 1) {
    try {
      if ((await sizeOf(part)) < bytes) await file.fetchRest();
      if ((await sizeOf(part)) < bytes) throw new TypeError("the connection broke off");
      if (await file.matches()) return;
      file.onBytes(-(await sizeOf(part)));
      await rm(part, { force: true });
      wrong += 1;
      if (wrong > 1) throw file.wrongTwice();
    } catch (error) {
      if (isFinal(error) || attempt === attemptsMax) throw error;
      await sleep(retryMs * attempt * attempt);
    }
  }
}

/** Runs `work` with a signal that aborts once a minute has passed without a call of `onByte`. */
export async function withoutStall(work: (signal: AbortSignal, onByte: () => void) => Promise<void>): Promise<void> {
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(new TypeError("no bytes arrived for a minute")), STALL_MS);
  try {
    await work(stall.signal, () => timer.refresh());
  } finally {
    clearTimeout(timer);
  }
}

/** A body that breaks off after its first bytes ends here quietly, so that those reach the disk and the next attempt goes on from them. */
export async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  arrived: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let begun = false;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      arrived(next.value.length);
      yield next.value;
      begun = true;
    }
  } catch (error) {
    if (!begun) throw error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Hex. */
export async function digestOf(path: string, hash: Hash = createHash("sha256")): Promise<string> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}

/** Bytes; 0 where there is no file. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
