// Finds how one linear layer is stored and reads it into the common form. The tensors' names decide, so that a module
// the quantiser left alone (`ignore`) is read as it is.

import type { CheckpointFiles } from "./checkpoint-files.ts";
import { readCompressedLinear } from "./compressed-tensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { readGptqLinear } from "./gptq.ts";
import type { Linear } from "./linear.ts";
import type { Quantization } from "./quantization.ts";

/** Reads `name` (without `.weight`), a layer [outFeatures, inFeatures]. Throws CheckpointError. */
export function readLinear(
  files: CheckpointFiles,
  name: string,
  outFeatures: number,
  inFeatures: number,
  quantization: Quantization,
): Linear {
  const shape = { name, outFeatures, inFeatures };
  if (files.has(`${name}.bias`))
    throw new CheckpointError(`${files.dir}: tensor ${name}.bias is not supported; Qwen3's linear layers have no bias`);
  if (quantization.kind === "gptq" && files.has(`${name}.qweight`)) return readGptqLinear(files, shape, quantization);
  if (quantization.kind === "compressed-tensors" && files.has(`${name}.weight_packed`))
    return readCompressedLinear(files, shape, quantization);
  if (quantization.kind === "none" || files.has(`${name}.weight`)) {
    return { kind: "dense", ...shape, weights: files.readFloats(`${name}.weight`, [outFeatures, inFeatures]) };
  }
  const expected = quantization.kind === "gptq" ? "qweight" : "weight_packed";
  throw new CheckpointError(
    `${files.dir}: tensor ${name}.${expected} is missing, though config.json says ${quantization.kind}`,
  );
}
