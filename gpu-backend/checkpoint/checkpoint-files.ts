// A checkpoint's tensors by name, over one safetensors file or the shards that model.safetensors.index.json lists.
// Names are given without the prefix `model.`: exports of the bare Qwen3Model lack it, those of the causal LM have it.

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";
import { type Dtype, SafetensorsFile, type TensorInfo } from "./safetensors.ts";
import { float16BitsToFloat32 } from "../../shared/float16.ts";
import { bfloat16BitsToFloat32 } from "./bfloat16.ts";

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

export type FloatDtype = "F32" | "F16" | "BF16";

interface Located {
  readonly file: SafetensorsFile;
  readonly info: TensorInfo;
}

export class CheckpointFiles {
  readonly dir: string;
  /** The files that hold tensors, in a fixed order. */
  readonly paths: readonly string[];
  readonly #files: readonly SafetensorsFile[];
  readonly #tensors = new Map<string, Located>();
  readonly #prefix: string;

  /** Opens every file. Throws CheckpointError when one is missing or damaged. */
  constructor(dir: string) {
    this.dir = dir;
    this.paths = tensorFiles(dir).map((name) => join(dir, name));
    const files: SafetensorsFile[] = [];
    try {
      for (const path of this.paths) files.push(new SafetensorsFile(path));
    } catch (error) {
      for (const file of files) file.close();
      throw error;
    }
    this.#files = files;
    for (const file of files) for (const info of file.tensors.values()) this.#tensors.set(info.name, { file, info });
    this.#prefix = this.#tensors.has("model.embed_tokens.weight") ? "model." : "";
  }

  has(name: string): boolean {
    return this.#tensors.has(this.#prefix + name);
  }

  /** The tensor's dtype and shape. Throws CheckpointError when it is missing. */
  info(name: string): TensorInfo {
    return this.#locate(name).info;
  }

  /** Checks a tensor's dtype and shape, then reads all of its bytes. */
  read(name: string, dtypes: readonly Dtype[], shape: readonly number[]): Uint8Array<ArrayBuffer> {
    const { file, info } = this.#expect(name, dtypes, shape);
    return file.read(info);
  }

  /** Rows `start` to `end` of a float matrix [rows, columns] as float32, every value checked to be a number. */
  readFloatRows(name: string, shape: readonly [number, number], start: number, end: number): Float32Array<ArrayBuffer> {
    const { file, info } = this.#expect(name, ["F32", "F16", "BF16"], shape);
    const rowBytes = info.byteLength / shape[0];
    const values = toFloat32(file.read(info, start * rowBytes, (end - start) * rowBytes), info.dtype);
    this.#requireFinite(name, values);
    return values;
  }

  /** A whole float tensor as float32, every value checked to be a number. */
  readFloats(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
    const { file, info } = this.#expect(name, ["F32", "F16", "BF16"], shape);
    const values = toFloat32(file.read(info), info.dtype);
    this.#requireFinite(name, values);
    return values;
  }

  /** An int32 tensor. */
  readInt32(name: string, shape: readonly number[]): Int32Array<ArrayBuffer> {
    return new Int32Array(this.read(name, ["I32"], shape).buffer);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #locate(name: string): Located {
    const located = this.#tensors.get(this.#prefix + name);
    if (located === undefined) {
      throw new CheckpointError(
        `${this.dir}: tensor ${this.#prefix}${name} is missing from ${this.paths.map((path) => basename(path)).join(", ")}`,
      );
    }
    return located;
  }

  #expect(name: string, dtypes: readonly Dtype[], shape: readonly number[]): Located {
    const located = this.#locate(name);
    const { info, file } = located;
    if (!dtypes.includes(info.dtype)) {
      throw new CheckpointError(
        `${file.path}: tensor ${info.name} has dtype ${info.dtype} where ${dtypes.join(" or ")} is needed`,
      );
    }
    if (info.shape.length !== shape.length || info.shape.some((size, axis) => size !== shape[axis])) {
      throw new CheckpointError(
        `${file.path}: tensor ${info.name} has shape [${info.shape.join(", ")}] where [${shape.join(", ")}] is needed`,
      );
    }
    return located;
  }

  #requireFinite(name: string, values: Float32Array): void {
    // A plain loop: this sees every weight, and a callback per value costs seconds on a large embedding table.
    for (let position = 0; position < values.length; position += 1) {
      if (Number.isFinite(values[position] ?? 0)) continue;
      const { file, info } = this.#locate(name);
      throw new CheckpointError(
        `${file.path}: tensor ${info.name} holds ${values[position]} at position ${position}; every value must be finite`,
      );
    }
  }
}

function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): Float32Array<ArrayBuffer> {
  if (dtype === "F32") return new Float32Array(bytes.buffer);
  const bits = new Uint16Array(bytes.buffer);
  return dtype === "F16" ? float16BitsToFloat32(bits) : bfloat16BitsToFloat32(bits);
}

/** Names of the files that hold the tensors: the single file, or the index's shards, sorted. */
function tensorFiles(dir: string): string[] {
  if (existsSync(join(dir, SINGLE_FILE))) return [SINGLE_FILE];
  const indexPath = join(dir, INDEX_FILE);
  if (!existsSync(indexPath)) throw new CheckpointError(`${dir}: has neither ${SINGLE_FILE} nor ${INDEX_FILE}`);
  const parsed = parseIndex(indexPath);
  const names = [...new Set(Object.values(parsed.weight_map))].toSorted();
  const outside = names.find((name) => basename(name) !== name || name.startsWith("."));
  if (outside !== undefined)
    throw new CheckpointError(`${indexPath}: names the shard ${outside}, which is not a plain file name`);
  if (names.length === 0) throw new CheckpointError(`${indexPath}: lists no shard`);
  return names;
}

function parseIndex(path: string): z.infer<typeof indexSchema> {
  try {
    return indexSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    throw new CheckpointError(`${path}: is not a JSON object with a weight_map from tensor names to file names`);
  }
}
