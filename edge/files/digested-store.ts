// Chunks on their way to the store, and the digest of their bytes in order: what a file holds, however it was cut.

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

  /** One after the other. */
  async write(place: FilePlace, name: string, plain: Uint8Array): Promise<FileChunk> {
    await this.#writer.write(plain);
    return this.#store.write(place, name, plain);
  }

  /** Hex, of everything that was written; nothing is written afterwards. */
  async digest(): Promise<string> {
    await this.#writer.close();
    return hex(new Uint8Array(await this.#digest.digest));
  }
}
