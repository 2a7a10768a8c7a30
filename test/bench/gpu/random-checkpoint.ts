// Makes a checkpoint of a real model's shape with random 4-bit weights (compressed-tensors pack-quantized, groups of
// 128), for measuring time and memory where the real weights are not at hand. Activations stay near 1 throughout.
//   node --import tsx test/bench/gpu/random-checkpoint.ts 0.6B /tmp/qwen3-0.6B

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { float32ToFloat16Bits } from "../../../shared/float16.ts";

const GROUP = 128;
const PIECE_BYTES = 1 << 24;

/** Qwen3-Embedding's published sizes. */
export const SHAPES = {
  // Not one of them: for rehearsals.
  tiny: { layers: 2, hidden: 256, heads: 4, kvHeads: 2, headDim: 64, mlp: 512, vocabulary: 2_000 },
  "0.6B": { layers: 28, hidden: 1024, heads: 16, kvHeads: 8, headDim: 128, mlp: 3072, vocabulary: 151_669 },
  "4B": { layers: 36, hidden: 2560, heads: 32, kvHeads: 8, headDim: 128, mlp: 9728, vocabulary: 151_665 },
  "8B": { layers: 36, hidden: 4096, heads: 32, kvHeads: 8, headDim: 128, mlp: 12_288, vocabulary: 151_665 },
} as const satisfies Record<string, Shape>;
export type ShapeName = keyof typeof SHAPES;
export interface Shape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mlp: number;
  readonly vocabulary: number;
}

interface Tensor {
  readonly name: string;
  readonly dtype: "F16" | "I32";
  readonly shape: readonly number[];
  /** Writes `bytes` bytes of it through `write`. */
  readonly fill: (write: (bytes: Uint8Array) => void, bytes: number) => void;
}

/** A small generator with a seed (xorshift32), so that a run can be repeated. */
function randomBytes(seed: number) {
  let state = seed;
  return (bytes: number): Uint8Array => {
    const words = new Uint32Array(Math.ceil(bytes / 4));
    for (let index = 0; index < words.length; index += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[index] = state;
    }
    return new Uint8Array(words.buffer, 0, bytes);
  };
}

function constant(value: number): Tensor["fill"] {
  const [bits = 0] = float32ToFloat16Bits(Float32Array.of(value));
  return (write, bytes) => write(new Uint8Array(new Uint16Array(bytes / 2).fill(bits).buffer));
}

function norm(name: string, size: number): Tensor {
  return { name: `${name}.weight`, dtype: "F16", shape: [size], fill: constant(1) };
}

function tensors(shape: Shape): readonly Tensor[] {
  const random = randomBytes(1);
  const packed: Tensor["fill"] = (write, bytes) => {
    for (let done = 0; done < bytes; done += PIECE_BYTES) write(random(Math.min(PIECE_BYTES, bytes - done)));
  };
  const embedding: Tensor["fill"] = (write, bytes) => {
    for (let done = 0; done < bytes; done += PIECE_BYTES) {
      const bits = new Uint16Array(random(Math.min(PIECE_BYTES, bytes - done)).slice().buffer);
      // Sign and mantissa random, exponent 2^-5: values of one size and either sign.
      for (let index = 0; index < bits.length; index += 1) bits[index] = ((bits[index] ?? 0) & 0x83ff) | (10 << 10);
      write(new Uint8Array(bits.buffer));
    }
  };
  const linear = (name: string, rows: number, columns: number): readonly Tensor[] => [
    { name: `${name}.weight_packed`, dtype: "I32", shape: [rows, columns / 8], fill: packed },
    // Nibbles around 8 have a standard deviation of 4.6: the product keeps its input's size.
    {
      name: `${name}.weight_scale`,
      dtype: "F16",
      shape: [rows, columns / GROUP],
      fill: constant(1 / (4.6 * Math.sqrt(columns))),
    },
  ];
  const { hidden, heads, kvHeads, headDim, mlp } = shape;
  const layer = (index: number): readonly Tensor[] => {
    const prefix = `model.layers.${index}`;
    return [
      norm(`${prefix}.input_layernorm`, hidden),
      norm(`${prefix}.post_attention_layernorm`, hidden),
      norm(`${prefix}.self_attn.q_norm`, headDim),
      norm(`${prefix}.self_attn.k_norm`, headDim),
      ...linear(`${prefix}.self_attn.q_proj`, heads * headDim, hidden),
      ...linear(`${prefix}.self_attn.k_proj`, kvHeads * headDim, hidden),
      ...linear(`${prefix}.self_attn.v_proj`, kvHeads * headDim, hidden),
      ...linear(`${prefix}.self_attn.o_proj`, hidden, heads * headDim),
      ...linear(`${prefix}.mlp.gate_proj`, mlp, hidden),
      ...linear(`${prefix}.mlp.up_proj`, mlp, hidden),
      ...linear(`${prefix}.mlp.down_proj`, hidden, mlp),
    ];
  };
  return [
    { name: "model.embed_tokens.weight", dtype: "F16", shape: [shape.vocabulary, hidden], fill: embedding },
    norm("model.norm", hidden),
    ...Array.from({ length: shape.layers }, (_, index) => layer(index)).flat(),
  ];
}

function config(shape: Shape): unknown {
  return {
    model_type: "qwen3",
    hidden_size: shape.hidden,
    num_hidden_layers: shape.layers,
    intermediate_size: shape.mlp,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    vocab_size: shape.vocabulary,
    max_position_embeddings: 40_960,
    hidden_act: "silu",
    eos_token_id: Math.min(151_643, shape.vocabulary - 1),
    quantization_config: {
      quant_method: "compressed-tensors",
      format: "pack-quantized",
      config_groups: {
        group_0: {
          targets: ["Linear"],
          weights: { num_bits: 4, type: "int", symmetric: true, strategy: "group", group_size: GROUP },
        },
      },
    },
  };
}

/** Writes config.json and model.safetensors of the shape into `dir`. */
export function writeRandomCheckpoint(shape: Shape, dir: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "config.json"), JSON.stringify(config(shape)));
  const list = tensors(shape);
  const header: Record<string, unknown> = {};
  let offset = 0;
  const sizes = list.map((tensor) => {
    const bytes = tensor.shape.reduce((product, size) => product * size, tensor.dtype === "F16" ? 2 : 4);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
    return bytes;
  });
  const headerBytes = new TextEncoder().encode(JSON.stringify(header));
  const lengthBytes = new Uint8Array(BigUint64Array.of(BigInt(headerBytes.length)).buffer);
  const descriptor = openSync(join(dir, "model.safetensors"), "w");
  const write = (bytes: Uint8Array): void => {
    for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
  };
  write(lengthBytes);
  write(headerBytes);
  for (const [index, tensor] of list.entries()) tensor.fill(write, sizes[index] ?? 0);
  closeSync(descriptor);
}

const [shapeName, dir] = process.argv[1] === import.meta.filename ? process.argv.slice(2) : [];
if (shapeName !== undefined && dir !== undefined && Object.hasOwn(SHAPES, shapeName))
  writeRandomCheckpoint(SHAPES[shapeName as ShapeName], dir);
