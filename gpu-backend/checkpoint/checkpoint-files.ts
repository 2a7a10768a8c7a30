// A checkpoint's tensors by name, over one safetensors file or the shards that model.safetensors.index.json lists.
// Names are given without what exports put before them (`model.`, `language_model.`, `0.auto_model.`): it is seen from
// one tensor that the model has once.

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import * as z from "zod";

import { float16BitsToFloat32 } from "../../shared/float16.ts";
import { bfloat16BitsToFloat32 } from "./bfloat16.ts";
import { anchorName, isOfHead, namesOf, tableName } from "../compiler/architectures/tensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { isFileName } from "./plain-file.ts";
import type { ModelConfig } from "./read-config.ts";
import { readJson } from "./read-json.ts";
import { type Dtype, isDtype, SafetensorsFile, type TensorInfo } from "./safetensors.ts";

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

const TIED_TABLE = /(?:^|\.)lm_head\.weight$/;

export const FLOAT_DTYPES: readonly Dtype[] = ["F32", "F16", "BF16"];

interface Located {
  readonly file: SafetensorsFile;
  readonly info: TensorInfo;
}

export class CheckpointFiles {
  readonly dir: string;
  /** The files that hold tensors, in a fixed order. */
  readonly paths: readonly string[];
  readonly #files: readonly SafetensorsFile[];
  /** By the name as stored. */
  readonly #tensors: ReadonlyMap<string, Located>;
  readonly #prefix: string;
  readonly #model: Pick<ModelConfig, "reranker"> | undefined;
  /** The embedding table, by its own name and as stored. */
  readonly tableName: string;
  readonly #table: string;

  /**
   * Opens every file. `model`: the model whose tensors these are (`tied`: lm_head.weight may replace the embedding
   * table); absent: names are as stored. Throws CheckpointError when a file is missing or damaged.
   */
  constructor(dir: string, model?: Pick<ModelConfig, "architecture" | "tied" | "reranker">) {
    const names = model && namesOf(model);
    this.dir = dir;
    this.#model = model;
    const shards = tensorFiles(dir);
    this.paths = shards.names.map((name) => join(dir, name));
    const files: SafetensorsFile[] = [];
    try {
      for (const path of this.paths) files.push(new SafetensorsFile(path));
      this.#tensors = locate(dir, files, shards.weightMap);
      this.#prefix = names === undefined ? "" : prefixOf(dir, anchorName(names), this.#tensors.keys());
    } catch (error) {
      for (const file of files) file.close();
      throw error;
    }
    this.#files = files;
    this.tableName = names === undefined ? "" : tableName(names);
    const own = this.#prefix + this.tableName;
    const lent = model?.tied ? [...this.#tensors.keys()].find((name) => TIED_TABLE.test(name)) : undefined;
    this.#table = this.#tensors.has(own) ? own : (lent ?? own);
  }

  /** Names as stored. */
  get storedNames(): Iterable<string> {
    return this.#tensors.keys();
  }

  storedName(name: string): string {
    if (name === this.tableName) return this.#table;
    return this.#model !== undefined && isOfHead(this.#model, name) ? name : this.#prefix + name;
  }

  has(name: string): boolean {
    return this.#tensors.has(this.storedName(name));
  }

  /** The tensor's dtype and shape. Throws CheckpointError when it is missing. */
  info(name: string): TensorInfo {
    return this.#locate(name).info;
  }

  /** Throws CheckpointError unless the tensor is there with one of the dtypes and this shape. */
  expect(name: string, dtypes: readonly Dtype[], shape: readonly number[]): void {
    this.#expect(name, dtypes, shape);
  }

  /** Checks a tensor's dtype and shape, then reads all of its bytes. */
  read(name: string, dtypes: readonly Dtype[], shape: readonly number[]): Uint8Array<ArrayBuffer> {
    const { file, info } = this.#expect(name, dtypes, shape);
    return file.read(info);
  }

  /** Rows `start` to `end` of a float matrix [rows, columns] as float32, every value checked to be a number. */
  readFloatRows(name: string, shape: readonly [number, number], start: number, end: number): Float32Array<ArrayBuffer> {
    const { file, info } = this.#expect(name, FLOAT_DTYPES, shape);
    const rowBytes = info.byteLength / shape[0];
    const values = toFloat32(file.read(info, start * rowBytes, (end - start) * rowBytes), info.dtype);
    this.#requireFinite(name, values);
    return values;
  }

  /** A whole float tensor as float32, every value checked to be a number. */
  readFloats(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
    const { file, info } = this.#expect(name, FLOAT_DTYPES, shape);
    const values = toFloat32(file.read(info), info.dtype);
    this.#requireFinite(name, values);
    return values;
  }

  /** An int32 tensor. */
  readInt32(name: string, shape: readonly number[]): Int32Array<ArrayBuffer> {
    return new Int32Array(this.read(name, ["I32"], shape).buffer);
  }

  /** Whether every byte of a tensor, by its stored name, is zero; false for one of more than `bytesMax`. */
  isZero(storedName: string, bytesMax: number): boolean {
    const located = this.#tensors.get(storedName);
    if (located === undefined || located.info.byteLength > bytesMax) return false;
    return located.file.read(located.info).every((byte) => byte === 0);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #locate(name: string): Located {
    const stored = this.storedName(name);
    const located = this.#tensors.get(stored);
    if (located === undefined) {
      throw new CheckpointError(
        `${this.dir}: tensor ${stored} is missing from ${this.paths.map((path) => basename(path)).join(", ")}`,
      );
    }
    return located;
  }

  #expect(name: string, dtypes: readonly Dtype[], shape: readonly number[]): Located {
    const located = this.#locate(name);
    const { info, file } = located;
    if (!isDtype(info.dtype) || !dtypes.includes(info.dtype)) {
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

function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: string): Float32Array<ArrayBuffer> {
  if (dtype === "F32") return new Float32Array(bytes.buffer);
  const bits = new Uint16Array(bytes.buffer);
  return dtype === "F16" ? float16BitsToFloat32(bits) : bfloat16BitsToFloat32(bits);
}

/** Each tensor in the file that the index says; a copy of it elsewhere is an older one. */
function locate(
  dir: string,
  files: readonly SafetensorsFile[],
  weightMap: Readonly<Record<string, string>> | undefined,
): Map<string, Located> {
  const tensors = new Map<string, Located>();
  for (const file of files) {
    for (const info of file.tensors.values()) {
      const shard = weightMap === undefined ? basename(file.path) : weightMap[info.name];
      if (shard === basename(file.path)) tensors.set(info.name, { file, info });
    }
  }
  const lost = Object.keys(weightMap ?? {}).find((name) => !tensors.has(name));
  if (lost !== undefined)
    throw new CheckpointError(
      `${join(dir, INDEX_FILE)}: says ${lost} is in ${weightMap?.[lost]}, which does not have it`,
    );
  return tensors;
}

function prefixOf(dir: string, anchor: string, names: Iterable<string>): string {
  const prefixes: string[] = [];
  for (const name of names) {
    if (name === anchor || name.endsWith(`.${anchor}`)) prefixes.push(name.slice(0, -anchor.length));
  }
  const [first = "model.", second] = prefixes;
  if (second === undefined) return first;
  throw new CheckpointError(`${dir}: holds more than one model: ${first}${anchor} and ${second}${anchor}`);
}

/** The files that hold the tensors: the single file, or the index's shards, sorted, with what it says of each tensor. */
function tensorFiles(dir: string): { names: readonly string[]; weightMap?: Readonly<Record<string, string>> } {
  if (existsSync(join(dir, SINGLE_FILE))) return { names: [SINGLE_FILE] };
  const indexPath = join(dir, INDEX_FILE);
  if (!existsSync(indexPath)) throw new CheckpointError(`${dir}: has neither ${SINGLE_FILE} nor ${INDEX_FILE}`);
  const { weight_map: weightMap } = readJson(dir, INDEX_FILE, indexSchema);
  const names = [...new Set(Object.values(weightMap))].toSorted();
  const outside = names.find((name) => !isFileName(name));
  if (outside !== undefined)
    throw new CheckpointError(
      `${indexPath}: names the shard ${JSON.stringify(outside)}, which is not a plain file name`,
    );
  if (names.length === 0) throw new CheckpointError(`${indexPath}: lists no shard`);
  return { names, weightMap };
}
