// Chunks in R2: `files/{account}/{file}/{name}`, sealed (cipher.ts). A chunk is written whole and read whole, so that
// no byte of an unverified chunk is ever used; memory holds one chunk.

import { must } from "../../shared/assert.ts";
import type { AccountId } from "../../shared/ids.ts";
import { DamagedFileError, cipherOf } from "../lib/cipher.ts";
import type { Cipher, StorageSecrets } from "../lib/cipher.ts";
import type { FileChunk, FilePlace } from "./types.ts";

/** Plaintext bytes of an upload's chunk: 25 writes for 100 MB, and less memory than a request may take. */
export const CHUNK_BYTES = 4 * 1024 * 1024;
/** Keys that R2 lists or deletes in one operation. */
const KEYS_MAX = 1000;

export class ChunkStore {
  readonly #bucket: R2Bucket;
  readonly #cipher: Cipher;

  constructor(bucket: R2Bucket, cipher: Cipher) {
    this.#bucket = bucket;
    this.#cipher = cipher;
  }

  /** Durable when it resolves. A chunk of the same name is replaced. */
  async write(place: FilePlace, name: string, plain: Uint8Array): Promise<FileChunk> {
    const sealed = await this.#cipher.file(place).seal(name, plain);
    must(await this.#bucket.put(prefixOf(place) + name, sealed), "an unconditional put");
    return { name, bytes: plain.length };
  }

  /** Throws DamagedFileError for a chunk that is missing or changed. */
  async read(place: FilePlace, chunk: FileChunk): Promise<Uint8Array<ArrayBuffer>> {
    const object = await this.#bucket.get(prefixOf(place) + chunk.name);
    if (object === null) throw new DamagedFileError("a chunk is gone");
    const plain = await this.#cipher.file(place).open(chunk.name, new Uint8Array(await object.arrayBuffer()));
    if (plain.length !== chunk.bytes) throw new DamagedFileError("a chunk has another length than its record says");
    return plain;
  }
}

/** The store over the Worker's bindings. */
export function chunkStoreOf(env: { readonly FILES: R2Bucket } & StorageSecrets): ChunkStore {
  return new ChunkStore(env.FILES, cipherOf(env));
}

/** Deletes every chunk of a file. Repeating it has no effect. */
export function deleteChunks(bucket: R2Bucket, place: FilePlace): Promise<void> {
  return deletePrefix(bucket, prefixOf(place));
}

/** Deletes every chunk of every file of an account. */
export function deleteAccountChunks(bucket: R2Bucket, accountId: AccountId): Promise<void> {
  return deletePrefix(bucket, `files/${accountId}/`);
}

async function deletePrefix(bucket: R2Bucket, prefix: string): Promise<void> {
  for (;;) {
    const { objects, truncated } = await bucket.list({ prefix, limit: KEYS_MAX });
    if (objects.length > 0) await bucket.delete(objects.map(({ key }) => key));
    if (!truncated) return;
  }
}

function prefixOf({ accountId, fileId }: FilePlace): string {
  return `files/${accountId}/${fileId}/`;
}
