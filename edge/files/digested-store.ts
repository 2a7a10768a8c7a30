// Passes chunks on to the store and digests their bytes in order. The digest depends on the file's content alone, not
// on how it was cut into chunks.

import type { ChunkStore } from "./chunk-store.ts";
import type { FileChunk, FilePlace } from "./types.ts";
import { hex } from "../../shared/hmac.ts";

export class DigestedStore implements Pick<ChunkStore, "write"> {
  readonly #store: Pick<ChunkStore, "write">;
  readonly #digest = new crypto.DigestStream("SHA-256");
  readonly #writer = this.#digest.getWriter();

  constructor(store: Pick<ChunkStore, "write">) {
    this.#store = store;
  }

  /** Calls must not overlap: the digest needs the chunks in order. */
  async write(place: FilePlace, name: string, plain: Uint8Array): Promise<FileChunk> {
    await this.#writer.write(plain);
    return this.#store.write(place, name, plain);
  }

  /** Hex digest of everything written. Ends the writing. */
  async digest(): Promise<string> {
    await this.#writer.close();
    return hex(new Uint8Array(await this.#digest.digest));
  }
}
