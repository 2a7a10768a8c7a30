// Reads one safetensors file: 8 bytes of header length (little-endian u64), a JSON header, then the tensors' bytes.
// The header is untrusted: every length and offset is checked against the file's size before anything is read.
// Format: huggingface/safetensors, README "Format"; the limit of 100 MB for the header is that library's own.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";
import { cannotRead, plainFileBytes, refuseLfsPointer } from "./plain-file.ts";

const HEADER_BYTES_MAX = 100_000_000;
/** readSync takes at most 2^31 - 1 bytes on Linux; smaller pieces cost nothing. */
const READ_BYTES_MAX = 1 << 30;
/** A Git LFS pointer's first line is shorter. */
const LFS_POINTER_BYTES = 64;

/** Of the types that anything here reads; a tensor of another type may be in the file as long as it is not read. */
const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I8: 1 } as const;
export type Dtype = keyof typeof DTYPE_BYTES;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.unknown());

export interface TensorInfo {
  readonly name: string;
  /** As the header says it: not always one that can be read. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where its bytes start in the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export class SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #descriptor: number;

  /** Opens the file and checks its header. Throws CheckpointError for a missing, truncated or damaged file. */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = openFile(path);
    try {
      this.tensors = readHeader(path, this.#descriptor);
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  /** `byteLength` bytes of a tensor from its byte `start` on; little-endian, row-major. */
  read(tensor: TensorInfo, start = 0, byteLength = tensor.byteLength - start): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(byteLength);
    readFully(this.path, this.#descriptor, bytes, tensor.offset + start);
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function openFile(path: string): number {
  if (plainFileBytes(path) === undefined) throw new CheckpointError(`${path}: cannot be opened: there is no such file`);
  try {
    return openSync(path, "r");
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function readFully(path: string, descriptor: number, target: Uint8Array, position: number): void {
  let done = 0;
  while (done < target.length) {
    const wanted = Math.min(READ_BYTES_MAX, target.length - done);
    const got = readSome(path, descriptor, target, { start: done, length: wanted, position: position + done });
    if (got === 0) throw new CheckpointError(`${path}: is truncated: it ends at byte ${position + done}`);
    done += got;
  }
}

function readSome(
  path: string,
  descriptor: number,
  target: Uint8Array,
  { start, length, position }: { readonly start: number; readonly length: number; readonly position: number },
): number {
  try {
    return readSync(descriptor, target, start, length, position);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function readHeader(path: string, descriptor: number): Map<string, TensorInfo> {
  const fileBytes = fstatSync(descriptor).size;
  if (fileBytes < 8)
    throw new CheckpointError(`${path}: is truncated: a safetensors file has at least 8 bytes, this one ${fileBytes}`);
  const lengthBytes = new Uint8Array(8);
  readFully(path, descriptor, lengthBytes, 0);
  const headerBytes = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  if (headerBytes > BigInt(HEADER_BYTES_MAX)) {
    const start = new Uint8Array(Math.min(fileBytes, LFS_POINTER_BYTES));
    readFully(path, descriptor, start, 0);
    refuseLfsPointer(path, start);
    throw new CheckpointError(
      `${path}: claims a header of ${headerBytes} bytes; at most ${HEADER_BYTES_MAX} are allowed, so this is no safetensors file`,
    );
  }
  const dataStart = 8 + Number(headerBytes);
  if (dataStart > fileBytes)
    throw new CheckpointError(`${path}: is truncated: its header needs ${dataStart} bytes, the file has ${fileBytes}`);
  const text = new Uint8Array(Number(headerBytes));
  readFully(path, descriptor, text, 8);
  const tensors = new Map<string, TensorInfo>();
  for (const [name, entry] of Object.entries(parseHeader(path, text))) {
    if (name !== "__metadata__") tensors.set(name, parseEntry(path, name, entry, dataStart, fileBytes));
  }
  return tensors;
}

function parseHeader(path: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    throw new CheckpointError(
      `${path}: has a header that is not a JSON object in UTF-8, so this is no safetensors file`,
    );
  }
}

function parseEntry(path: string, name: string, entry: unknown, dataStart: number, fileBytes: number): TensorInfo {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw new CheckpointError(`${path}: tensor ${name} has a damaged header entry`);
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  const stored = offsets[1] - offsets[0];
  const byteLength = isDtype(dtype) ? shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]) : stored;
  if (stored !== byteLength || stored < 0) {
    throw new CheckpointError(
      `${path}: tensor ${name} has ${stored} bytes where its shape [${shape.join(", ")}] needs ${byteLength}`,
    );
  }
  const end = dataStart + offsets[1];
  if (end > fileBytes)
    throw new CheckpointError(`${path}: is truncated: tensor ${name} ends at byte ${end}, the file has ${fileBytes}`);
  return { name, dtype, shape, offset: dataStart + offsets[0], byteLength };
}

export function isDtype(text: string): text is Dtype {
  return Object.hasOwn(DTYPE_BYTES, text);
}
