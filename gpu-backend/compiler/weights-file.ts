// The external data file of a graph: tensors are appended as they are made, so that a compile never holds more than one
// layer. ONNX Runtime maps it into memory by page, hence the alignment.

import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { basename } from "node:path";

/** A page: what the ONNX specification recommends for external data, and what mmap wants. */
const ALIGNMENT_BYTES = 4096;

export interface WeightsPlace {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export class WeightsFile {
  readonly #descriptor: number;
  readonly #location: string;
  #end = 0;
  #open: { readonly offset: number } | undefined;

  /** Creates (or empties) the file. `path`: the graph keeps its name, so it must be in the graph's folder. */
  constructor(path: string) {
    this.#descriptor = openSync(path, "w");
    this.#location = basename(path);
  }

  /** Appends one tensor whole. */
  append(bytes: Uint8Array): WeightsPlace {
    this.begin();
    this.write(bytes);
    return this.end();
  }

  /** Starts a tensor that is written in pieces. */
  begin(): void {
    this.#end = Math.ceil(this.#end / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    this.#open = { offset: this.#end };
  }

  write(bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const written = writeSync(this.#descriptor, bytes, done, Math.min(bytes.length - done, 1 << 30), this.#end);
      done += written;
      this.#end += written;
    }
  }

  end(): WeightsPlace {
    const offset = this.#open?.offset ?? this.#end;
    this.#open = undefined;
    return { location: this.#location, offset, length: this.#end - offset };
  }

  /** Flushes to the disk: the rename that publishes the folder must not come before the bytes. */
  close(): void {
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
  }
}
