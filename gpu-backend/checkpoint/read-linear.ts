// Finds how one linear layer is stored and reads it into the common form. The tensors' names decide, so that a module
// that the quantiser skipped (`ignore`) is read as it is.

import { CheckpointError } from "./checkpoint-error.ts";
import { type CheckpointFiles, FLOAT_DTYPES } from "./checkpoint-files.ts";
import { compressedTensors, readCompressedLinear } from "./compressed-tensors.ts";
import { gptqTensors, readGptqLinear } from "./gptq.ts";
import type { Linear, LinearShape } from "./linear.ts";
import type { Quantization } from "./quantization.ts";

/**
 * Checks that the layer's tensors are there with their dtypes and shapes; returns the names of all that describe it,
 * including unused ones. Throws CheckpointError.
 */
export function linearTensors(files: CheckpointFiles, shape: LinearShape, quantization: Quantization): string[] {
  const weights = weightTensors(files, shape, quantization);
  if (!shape.biased) return weights;
  files.expect(`${shape.name}.bias`, FLOAT_DTYPES, [shape.outFeatures]);
  return [...weights, `${shape.name}.bias`];
}

function weightTensors(files: CheckpointFiles, shape: LinearShape, quantization: Quantization): string[] {
  const { name, outFeatures, inFeatures } = shape;
  if (quantization.kind === "gptq" && files.has(`${name}.qweight`)) return gptqTensors(files, shape, quantization);
  if (quantization.kind === "compressed-tensors" && files.has(`${name}.weight_packed`))
    return compressedTensors(files, shape, quantization);
  if (!files.has(`${name}.weight`)) throw missing(files, name, quantization);
  files.expect(`${name}.weight`, FLOAT_DTYPES, [outFeatures, inFeatures]);
  return [`${name}.weight`];
}

/** Reads a layer that linearTensors has passed. Throws CheckpointError. */
export function readLinear(files: CheckpointFiles, shape: LinearShape, quantization: Quantization): Linear {
  const linear = readWeights(files, shape, quantization);
  return shape.biased ? { ...linear, bias: files.readFloats(`${shape.name}.bias`, [shape.outFeatures]) } : linear;
}

function readWeights(files: CheckpointFiles, shape: LinearShape, quantization: Quantization): Linear {
  const { name, outFeatures, inFeatures } = shape;
  if (quantization.kind === "gptq" && files.has(`${name}.qweight`)) return readGptqLinear(files, shape, quantization);
  if (quantization.kind === "compressed-tensors" && files.has(`${name}.weight_packed`))
    return readCompressedLinear(files, shape, quantization);
  return { kind: "dense", ...shape, weights: files.readFloats(`${name}.weight`, [outFeatures, inFeatures]) };
}

function missing(files: CheckpointFiles, name: string, { kind }: Quantization): CheckpointError {
  const packed = ["qweight", "weight_packed"].find((suffix) => files.has(`${name}.${suffix}`));
  if (packed !== undefined) {
    const said = kind === "none" ? "neither config.json nor quantize_config.json says how" : `config.json says ${kind}`;
    return new CheckpointError(`${files.dir}: layer ${files.storedName(name)} is stored as ${packed}, and ${said}`);
  }
  const expected = kind === "gptq" ? "qweight" : kind === "none" ? "weight" : "weight_packed";
  return new CheckpointError(
    `${files.dir}: tensor ${files.storedName(name)}.${expected} is missing, though config.json ${kind === "none" ? "counts it" : `says ${kind}`}`,
  );
}
