// Every tensor that the model needs, with its dtype and shape, before anything is allocated or compiled, and nothing left
// over that would change it: a rotation, an adapter, a bias, a layer that config.json does not count.

import { join } from "node:path";

import { tensorsAround, tensorsOf } from "../compiler/architectures/tensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { CheckpointFiles, FLOAT_DTYPES } from "./checkpoint-files.ts";
import { tensorMatters } from "./meaning.ts";
import type { ModelConfig } from "./read-config.ts";
import { linearTensors } from "./read-linear.ts";
import type { DenseModule } from "./sentence-transformers.ts";

/** A bias has one value an output; a larger tensor is not read to see whether it is zero. */
const BIAS_BYTES_MAX = 4 * 1024 * 1024;

/** Throws CheckpointError for what is missing, of another size, or left over. */
export function checkTensors(files: CheckpointFiles, config: ModelConfig): void {
  const known = new Set<string>();
  const expect = (name: string, shape: readonly number[]): void => {
    files.expect(name, FLOAT_DTYPES, shape);
    known.add(files.storedName(name));
  };
  for (const { name, shape } of tensorsAround(config)) expect(name, shape);
  for (let layer = 0; layer < config.layers; layer += 1) {
    const { linears, vectors } = tensorsOf(config, layer);
    for (const { name, shape } of vectors) expect(name, shape);
    for (const linear of linears) {
      for (const tensor of linearTensors(files, linear, config.quantization)) known.add(files.storedName(tensor));
    }
  }
  for (const module of config.dense) checkDense(files.dir, module);
  for (const stored of files.storedNames) {
    if (known.has(stored) || !tensorMatters(stored)) continue;
    if (stored.endsWith(".bias") && files.isZero(stored, BIAS_BYTES_MAX)) continue;
    throw new CheckpointError(
      `${files.dir}: tensor ${stored} is no part of the model that ${join(files.dir, "config.json")} describes and would change its vectors; weights without it are supported`,
    );
  }
}

function checkDense(dir: string, { folder, inFeatures, outFeatures, biased }: DenseModule): void {
  const files = new CheckpointFiles(join(dir, folder));
  try {
    files.expect("linear.weight", FLOAT_DTYPES, [outFeatures, inFeatures]);
    if (biased) files.expect("linear.bias", FLOAT_DTYPES, [outFeatures]);
  } finally {
    files.close();
  }
}
