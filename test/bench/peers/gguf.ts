// Writes a Qwen3 GGUF of a given shape with random Q4_0 weights, for llama.cpp. Format: ggml's own page on GGUF, version 3;
// Q4_0: blocks of 32 values, a float16 scale and 16 bytes of nibbles, value = (nibble − 8) · scale.

import { closeSync, openSync, writeSync } from "node:fs";

import { float32ToFloat16Bits } from "../../../shared/float16.ts";
import type { Shape } from "../gpu/random-checkpoint.ts";

const ALIGNMENT = 32;
const TYPE_F32 = 0;
const TYPE_Q4_0 = 2;
const VALUE_UINT32 = 4;
const VALUE_FLOAT32 = 6;
const VALUE_STRING = 8;
const VALUE_ARRAY = 9;
/** llama.cpp's LLAMA_FTYPE_MOSTLY_Q4_0. */
const FILE_TYPE_Q4_0 = 2;
const BLOCK_VALUES = 32;
const BLOCK_BYTES = 18;
const PIECE_BLOCKS = 1 << 16;

interface Tensor {
  readonly name: string;
  /** Fastest first, as ggml counts. */
  readonly dims: readonly number[];
  readonly type: typeof TYPE_F32 | typeof TYPE_Q4_0;
  /** Standard deviation of its values (F32: all of them this value). */
  readonly size: number;
}

/** Writes the file. Its vocabulary is only there to be loaded: the bench sends token ids. */
export function writeRandomGguf(path: string, shape: Shape, contextTokens: number): void {
  const tensors = tensorsOf(shape);
  const header = new Bytes();
  header.text("GGUF", false);
  header.uint32(3);
  header.uint64(tensors.length);
  const facts = factsOf(shape, contextTokens);
  header.uint64(facts.length);
  for (const [key, type, value] of facts) {
    header.text(key);
    header.uint32(type);
    if (typeof value === "object") header.texts(value);
    else if (type === VALUE_STRING) header.text(String(value));
    else if (type === VALUE_FLOAT32) header.float32(Number(value));
    else header.uint32(Number(value));
  }
  let offset = 0;
  for (const { name, dims, type, ...tensor } of tensors) {
    header.text(name);
    header.uint32(dims.length);
    for (const dim of dims) header.uint64(dim);
    header.uint32(type);
    header.uint64(offset);
    offset = aligned(offset + bytesOf({ name, dims, type, ...tensor }));
  }
  const descriptor = openSync(path, "w");
  try {
    const start = aligned(header.length);
    writeAll(descriptor, header.padded(start));
    const random = randomWords(1);
    for (const tensor of tensors) writeTensor(descriptor, tensor, random);
  } finally {
    closeSync(descriptor);
  }
}

type Fact = readonly [key: string, type: number, value: string | number | readonly string[]];

function factsOf(shape: Shape, contextTokens: number): readonly Fact[] {
  const of = (name: string): string => `qwen3.${name}`;
  return [
    ["general.architecture", VALUE_STRING, "qwen3"],
    ["general.name", VALUE_STRING, "random weights"],
    ["general.file_type", VALUE_UINT32, FILE_TYPE_Q4_0],
    [of("block_count"), VALUE_UINT32, shape.layers],
    [of("context_length"), VALUE_UINT32, contextTokens],
    [of("embedding_length"), VALUE_UINT32, shape.hidden],
    [of("feed_forward_length"), VALUE_UINT32, shape.mlp],
    [of("attention.head_count"), VALUE_UINT32, shape.heads],
    [of("attention.head_count_kv"), VALUE_UINT32, shape.kvHeads],
    [of("attention.key_length"), VALUE_UINT32, shape.headDim],
    [of("attention.value_length"), VALUE_UINT32, shape.headDim],
    [of("attention.layer_norm_rms_epsilon"), VALUE_FLOAT32, 1e-6],
    [of("rope.freq_base"), VALUE_FLOAT32, 1_000_000],
    ["tokenizer.ggml.model", VALUE_STRING, "gpt2"],
    ["tokenizer.ggml.pre", VALUE_STRING, "qwen2"],
    ["tokenizer.ggml.tokens", VALUE_ARRAY, Array.from({ length: shape.vocabulary }, (_, id) => String(id))],
    ["tokenizer.ggml.merges", VALUE_ARRAY, ["1 0"]],
    ["tokenizer.ggml.eos_token_id", VALUE_UINT32, shape.vocabulary - 1],
  ];
}

function tensorsOf(shape: Shape): readonly Tensor[] {
  const { hidden, heads, kvHeads, headDim, mlp, vocabulary } = shape;
  const linear = (name: string, rows: number, columns: number): Tensor => ({
    name: `${name}.weight`,
    dims: [columns, rows],
    type: TYPE_Q4_0,
    size: 1 / Math.sqrt(columns),
  });
  const norm = (name: string, size: number): Tensor => ({
    name: `${name}.weight`,
    dims: [size],
    type: TYPE_F32,
    size: 1,
  });
  const layer = (index: number): readonly Tensor[] => {
    const prefix = `blk.${index}`;
    return [
      norm(`${prefix}.attn_norm`, hidden),
      norm(`${prefix}.ffn_norm`, hidden),
      norm(`${prefix}.attn_q_norm`, headDim),
      norm(`${prefix}.attn_k_norm`, headDim),
      linear(`${prefix}.attn_q`, heads * headDim, hidden),
      linear(`${prefix}.attn_k`, kvHeads * headDim, hidden),
      linear(`${prefix}.attn_v`, kvHeads * headDim, hidden),
      linear(`${prefix}.attn_output`, hidden, heads * headDim),
      linear(`${prefix}.ffn_gate`, mlp, hidden),
      linear(`${prefix}.ffn_up`, mlp, hidden),
      linear(`${prefix}.ffn_down`, hidden, mlp),
    ];
  };
  return [
    { ...linear("token_embd", vocabulary, hidden), size: 1 / 32 },
    norm("output_norm", hidden),
    ...Array.from({ length: shape.layers }, (_, index) => layer(index)).flat(),
  ];
}

function bytesOf({ dims, type }: Tensor): number {
  const values = dims.reduce((product, dim) => product * dim, 1);
  return type === TYPE_F32 ? values * Float32Array.BYTES_PER_ELEMENT : (values / BLOCK_VALUES) * BLOCK_BYTES;
}

function writeTensor(descriptor: number, tensor: Tensor, random: (words: Uint32Array) => void): void {
  const bytes = bytesOf(tensor);
  if (tensor.type === TYPE_F32) {
    const values = new Float32Array(bytes / Float32Array.BYTES_PER_ELEMENT).fill(tensor.size);
    writeAll(descriptor, new Uint8Array(values.buffer));
  } else {
    // Nibbles around 8 have a standard deviation of 4.6.
    const [scale = 0] = float32ToFloat16Bits(Float32Array.of(tensor.size / 4.6));
    for (let left = bytes / BLOCK_BYTES; left > 0; left -= PIECE_BLOCKS) {
      const piece = new Uint8Array(Math.ceil((Math.min(left, PIECE_BLOCKS) * BLOCK_BYTES) / 4) * 4);
      random(new Uint32Array(piece.buffer));
      const used = Math.min(left, PIECE_BLOCKS) * BLOCK_BYTES;
      for (let at = 0; at < used; at += BLOCK_BYTES) {
        piece[at] = scale & 0xff;
        piece[at + 1] = scale >> 8;
      }
      writeAll(descriptor, piece.subarray(0, used));
    }
  }
  writeAll(descriptor, new Uint8Array(aligned(bytes) - bytes));
}

/** Xorshift32 with a seed, so that the file can be made again. */
function randomWords(seed: number): (words: Uint32Array) => void {
  let state = seed;
  return (words) => {
    for (let index = 0; index < words.length; index += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[index] = state;
    }
  };
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
}

/** Little-endian values one after the other. */
class Bytes {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  uint32(value: number): void {
    this.#add(new Uint8Array(Uint32Array.of(value).buffer));
  }

  uint64(value: number): void {
    this.#add(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  float32(value: number): void {
    this.#add(new Uint8Array(Float32Array.of(value).buffer));
  }

  text(value: string, counted = true): void {
    const bytes = new TextEncoder().encode(value);
    if (counted) this.uint64(bytes.length);
    this.#add(bytes);
  }

  texts(values: readonly string[]): void {
    this.uint32(VALUE_STRING);
    this.uint64(values.length);
    for (const value of values) this.text(value);
  }

  padded(size: number): Uint8Array {
    const all = new Uint8Array(size);
    let offset = 0;
    for (const part of this.#parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.length += part.length;
  }
}
