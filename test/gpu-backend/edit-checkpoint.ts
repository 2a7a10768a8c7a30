// A checkpoint's files, read, changed and written again: how tests make the folders that others make by accident.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";

const objectSchema = z.record(z.string(), z.unknown());
export type Json = z.infer<typeof objectSchema>;

/** Changes a JSON file of `dir`, made if it is not there. */
export function editJson(dir: string, name: string, edit: (content: Json) => unknown): void {
  const path = join(dir, name);
  let content: Json = {};
  try {
    content = objectSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(edit(content)));
}

export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int()),
  data_offsets: z.tuple([z.int(), z.int()]),
});

export function readTensors(dir: string, file = "model.safetensors"): Map<string, StoredTensor> {
  const bytes = readFileSync(join(dir, file));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = objectSchema.parse(JSON.parse(bytes.subarray(8, start).toString()));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = entrySchema.parse(entry);
    tensors.set(name, { dtype, shape, data: bytes.subarray(start + offsets[0], start + offsets[1]) });
  }
  return tensors;
}

export function writeTensors(
  dir: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  file = "model.safetensors",
): void {
  const header: Json = {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(dir, file), Buffer.concat([length, text, ...[...tensors.values()].map(({ data }) => data)]));
}

/** Rewrites model.safetensors with what `edit` does to its tensors. */
export function editTensors(dir: string, edit: (tensors: Map<string, StoredTensor>) => void): void {
  const tensors = readTensors(dir);
  edit(tensors);
  writeTensors(dir, tensors);
}

/** A float32 tensor. */
export function floats(values: readonly number[]): StoredTensor {
  return { dtype: "F32", shape: [values.length], data: new Uint8Array(Float32Array.from(values).buffer) };
}
