// Writes a file from beginning to end under a temporary name, a megabyte at a time, and renames it once it is complete
// and on the disk.

import { renameSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";

const CHUNK_BYTES = 1024 * 1024;

export class WholeFile {
  readonly path: string;
  readonly #file: FileHandle;
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #used = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<WholeFile> {
    return new WholeFile(path, await open(`${path}.partial`, "w"));
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#used + bytes.length > this.#chunk.length) await this.#flush();
    if (bytes.length > this.#chunk.length) {
      await this.#file.writeFile(bytes);
      return;
    }
    this.#chunk.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Writes over the file's first bytes, and names it. */
  async finish(head?: Uint8Array): Promise<string> {
    await this.#flush();
    if (head !== undefined) await this.#file.write(head, 0, head.length, 0);
    await this.#file.sync();
    await this.#file.close();
    renameSync(`${this.path}.partial`, this.path);
    return this.path;
  }

  async #flush(): Promise<void> {
    await this.#file.writeFile(this.#chunk.subarray(0, this.#used));
    this.#used = 0;
  }
}
