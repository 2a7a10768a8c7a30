// Every tensor that the model needs, with its dtype and shape, before anything is allocated or compiled, and nothing left
// over that would change it: a rotation, an adapter, a bias, a layer that config.json does not count.

import { join } from "node:path";

import { CheckpointError } from "./checkpoint-error.ts";
import { type CheckpointFiles, EMBEDDING_TABLE, FLOAT_DTYPES } from "./checkpoint-files.ts";
import { tensorMatters } from "./meaning.ts";
import type { ModelConfig } from "./read-config.ts";
import { linearTensors } from "./read-linear.ts";

/** A bias has one value an output; a larger tensor is not read to see whether it is zero. */
const BIAS_BYTES_MAX = 4 * 1024 * 1024;

/** Throws CheckpointError for what is missing, of another size, or left over. */
export function checkTensors(files: CheckpointFiles, config: ModelConfig): void {
  const { layers, hiddenSize, intermediateSize, queryHeads, keyValueHeads, headDim, vocabSize } = config;
  const known = new Set<string>();
  const vector = (name: string, size: number): void => {
    files.expect(name, FLOAT_DTYPES, [size]);
    known.add(files.storedName(name));
  };
  const linear = (name: string, outFeatures: number, inFeatures: number): void => {
    const shape = { name, outFeatures, inFeatures };
    for (const tensor of linearTensors(files, shape, config.quantization)) known.add(files.storedName(tensor));
  };
  files.expect(EMBEDDING_TABLE, FLOAT_DTYPES, [vocabSize, hiddenSize]);
  known.add(files.storedName(EMBEDDING_TABLE));
  vector("norm.weight", hiddenSize);
  const [queries, keys] = [queryHeads * headDim, keyValueHeads * headDim];
  for (let layer = 0; layer < layers; layer += 1) {
    const name = `layers.${layer}`;
    vector(`${name}.input_layernorm.weight`, hiddenSize);
    vector(`${name}.post_attention_layernorm.weight`, hiddenSize);
    vector(`${name}.self_attn.q_norm.weight`, headDim);
    vector(`${name}.self_attn.k_norm.weight`, headDim);
    linear(`${name}.self_attn.q_proj`, queries, hiddenSize);
    linear(`${name}.self_attn.k_proj`, keys, hiddenSize);
    linear(`${name}.self_attn.v_proj`, keys, hiddenSize);
    linear(`${name}.self_attn.o_proj`, hiddenSize, queries);
    linear(`${name}.mlp.gate_proj`, intermediateSize, hiddenSize);
    linear(`${name}.mlp.up_proj`, intermediateSize, hiddenSize);
    linear(`${name}.mlp.down_proj`, hiddenSize, intermediateSize);
  }
  for (const stored of files.storedNames) {
    if (known.has(stored) || !tensorMatters(stored)) continue;
    if (stored.endsWith(".bias") && files.isZero(stored, BIAS_BYTES_MAX)) continue;
    throw new CheckpointError(
      `${files.dir}: tensor ${stored} is no part of the model that ${join(files.dir, "config.json")} describes and would change its vectors; weights without it are supported`,
    );
  }
}
