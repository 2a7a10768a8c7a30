// What `quantization_config` says about the weights' layout. Layouts that are not known are refused by name: a wrong
// guess gives vectors that look fine and mean nothing.

import * as z from "zod";

import { unreachable } from "../../shared/assert.ts";
import { CheckpointError } from "./checkpoint-error.ts";

export type Quantization =
  | { readonly kind: "none" }
  /** `zeroOffset`: v1 stores each zero point minus one. `groupSize` -1: one group a row. */
  | { readonly kind: "gptq"; readonly version: 1 | 2; readonly groupSize: number; readonly actOrder: boolean }
  | { readonly kind: "compressed-tensors"; readonly groupSize: number; readonly symmetric: boolean };

export const quantizationSchema = z.looseObject({ quant_method: z.string().optional() });

const gptqSchema = z.object({
  bits: z.int(),
  group_size: z.int(),
  desc_act: z.boolean().default(false),
  checkpoint_format: z.string().default("gptq"),
  pack_dtype: z.string().default("int32"),
  dynamic: z.record(z.string(), z.unknown()).nullish(),
});

const weightsSchema = z.looseObject({
  num_bits: z.int(),
  type: z.string().default("int"),
  symmetric: z.boolean().default(true),
  strategy: z.string().nullish(),
  group_size: z.int().nullish(),
  actorder: z.union([z.string(), z.boolean()]).nullish(),
});
const compressedSchema = z.object({
  format: z.string(),
  config_groups: z.record(
    z.string(),
    z.looseObject({
      weights: weightsSchema.nullish(),
      input_activations: z.unknown().optional(),
      format: z.string().nullish(),
    }),
  ),
});
const ACT_ORDERS = ["weight", "static", "group"];

/** Parses the value of `quantization_config`; `path` is the file it stands in. Throws CheckpointError when it is not supported. */
export function parseQuantization(
  path: string,
  config: z.infer<typeof quantizationSchema> | null | undefined,
): Quantization {
  if (config === null || config === undefined) return { kind: "none" };
  switch (config.quant_method) {
    case "gptq":
      return parseGptq(path, config);
    case "compressed-tensors":
      return parseCompressed(path, config);
    default:
      throw new CheckpointError(
        `${path}: quant_method ${JSON.stringify(config.quant_method)} is not supported; gptq and compressed-tensors are`,
      );
  }
}

/** The layout's public name, as /info shows it. */
export function layoutName(quantization: Quantization, floatDtype: string): string {
  switch (quantization.kind) {
    case "none":
      return floatDtype.toLowerCase();
    case "gptq":
      return `gptq-v${quantization.version}`;
    case "compressed-tensors":
      return "compressed-tensors";
    default:
      return unreachable(quantization);
  }
}

function parseGptq(path: string, config: unknown): Quantization {
  const parsed = parse(path, gptqSchema, config);
  requireFourBits(path, "bits", parsed.bits);
  if (parsed.pack_dtype !== "int32")
    throw new CheckpointError(`${path}: GPTQ pack_dtype ${parsed.pack_dtype} is not supported; int32 is`);
  if (parsed.dynamic && Object.keys(parsed.dynamic).length > 0)
    throw new CheckpointError(`${path}: GPTQ "dynamic" overrides are not supported; one setting for all layers is`);
  if (parsed.checkpoint_format !== "gptq" && parsed.checkpoint_format !== "gptq_v2") {
    throw new CheckpointError(
      `${path}: GPTQ checkpoint_format ${parsed.checkpoint_format} is not supported; gptq and gptq_v2 are`,
    );
  }
  requireGroupSize(path, parsed.group_size);
  return {
    kind: "gptq",
    version: parsed.checkpoint_format === "gptq" ? 1 : 2,
    groupSize: parsed.group_size,
    actOrder: parsed.desc_act,
  };
}

function parseCompressed(path: string, config: unknown): Quantization {
  const parsed = parse(path, compressedSchema, config);
  const groups = Object.values(parsed.config_groups);
  const [group] = groups;
  if (groups.length !== 1 || group === undefined)
    throw new CheckpointError(
      `${path}: compressed-tensors with ${groups.length} config_groups is not supported; one group is`,
    );
  const format = group.format ?? parsed.format;
  if (format !== "pack-quantized")
    throw new CheckpointError(`${path}: compressed-tensors format ${format} is not supported; pack-quantized is`);
  if (group.input_activations !== null && group.input_activations !== undefined) {
    throw new CheckpointError(
      `${path}: compressed-tensors with quantised activations is not supported; weights alone (W4A16) are`,
    );
  }
  const weights = group.weights;
  if (weights === null || weights === undefined)
    throw new CheckpointError(`${path}: compressed-tensors config group has no weights entry`);
  requireFourBits(path, "num_bits", weights.num_bits);
  if (weights.type !== "int")
    throw new CheckpointError(`${path}: compressed-tensors weight type ${weights.type} is not supported; int is`);
  if (typeof weights.actorder === "string" && !ACT_ORDERS.includes(weights.actorder)) {
    throw new CheckpointError(
      `${path}: compressed-tensors actorder ${weights.actorder} is not supported; ${ACT_ORDERS.join(", ")} and none are`,
    );
  }
  const strategy = weights.strategy ?? (weights.group_size ? "group" : "channel");
  if (strategy !== "group" && strategy !== "channel")
    throw new CheckpointError(
      `${path}: compressed-tensors strategy ${strategy} is not supported; group and channel are`,
    );
  const groupSize = strategy === "channel" ? -1 : (weights.group_size ?? 0);
  requireGroupSize(path, groupSize);
  return { kind: "compressed-tensors", groupSize, symmetric: weights.symmetric };
}

function requireFourBits(path: string, field: string, bits: number): void {
  if (bits !== 4)
    throw new CheckpointError(`${path}: quantization_config.${field} is ${bits}; only 4-bit weights are supported`);
}

function requireGroupSize(path: string, groupSize: number): void {
  if (groupSize !== -1 && (groupSize < 8 || groupSize % 8 !== 0)) {
    throw new CheckpointError(
      `${path}: quantization group size ${groupSize} is not supported; a multiple of 8, or -1 for one group a row, is`,
    );
  }
}

function parse<Schema extends z.ZodType>(path: string, schema: Schema, config: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CheckpointError(
    `${path}: quantization_config.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is wrong"}`,
  );
}
