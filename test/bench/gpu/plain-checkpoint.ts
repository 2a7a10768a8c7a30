// A checkpoint's weights as float32 under the names of transformers' Qwen3Model, whatever layout they are stored in: what torch is given.

import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { CheckpointFiles } from "../../../gpu-backend/checkpoint/checkpoint-files.ts";
import { dequantise } from "../../../gpu-backend/checkpoint/linear.ts";
import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { readLinear } from "../../../gpu-backend/checkpoint/read-linear.ts";
import { linearOf, normOf } from "../../../gpu-backend/compiler/architectures/tensors.ts";

const PARTS = ["q", "k", "v", "o", "gate", "up", "down"] as const;
const NORMS = ["attentionNorm", "mlpNorm", "qNorm", "kNorm"] as const;

/** Writes config.json and model.safetensors into `out`. Throws a sentence where the model is no Qwen3. */
export function writePlainCheckpoint(dir: string, out: string): void {
  const config = readConfig(dir);
  if (config.architecture !== "qwen3")
    throw new Error(`${dir} is a ${config.architecture}, which torch is not tried with here`);
  const files = new CheckpointFiles(dir, config);
  const tensors: { name: string; shape: readonly number[]; values: Float32Array }[] = [];
  const add = (name: string, shape: readonly number[], values = files.readFloats(name, shape)): void =>
    void tensors.push({ name, shape, values });
  try {
    add("embed_tokens.weight", [config.vocabSize, config.hiddenSize]);
    add("norm.weight", [config.hiddenSize]);
    for (let layer = 0; layer < config.layers; layer += 1) {
      for (const part of NORMS) {
        const { name, size } = normOf(config, layer, part);
        add(`${name}.weight`, [size]);
      }
      for (const part of PARTS) {
        const shape = linearOf(config, layer, part);
        const linear = readLinear(files, shape, config.quantization);
        const values = linear.kind === "dense" ? linear.weights : dequantise(linear);
        add(`${shape.name}.weight`, [shape.outFeatures, shape.inFeatures], values);
      }
    }
  } finally {
    files.close();
  }
  mkdirSync(out, { recursive: true });
  const { quantization_config: _, ...plain }: Record<string, unknown> = JSON.parse(
    readFileSync(join(dir, "config.json"), "utf8"),
  );
  writeFileSync(join(out, "config.json"), JSON.stringify(plain));
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, (offset += values.byteLength)] };
  }
  const bytes = Buffer.from(JSON.stringify(header));
  const descriptor = openSync(join(out, "model.safetensors"), "w");
  writeSync(descriptor, new Uint8Array(BigUint64Array.of(BigInt(bytes.length)).buffer));
  for (const part of [bytes, ...tensors.map(({ values }) => values)]) {
    for (let done = 0; done < part.byteLength;)
      done += writeSync(descriptor, new Uint8Array(part.buffer, part.byteOffset + done, part.byteLength - done));
  }
  closeSync(descriptor);
}
