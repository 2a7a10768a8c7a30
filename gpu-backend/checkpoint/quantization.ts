// What a checkpoint says about the layout of its weights: `quantization_config` or `compression_config` in config.json,
// or only quantize_config.json. Unknown layouts are refused by name (meaning.ts).

import { join } from "node:path";
import * as z from "zod";

import { unreachable } from "../../shared/assert.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { checkFields, COMPRESSED, COMPRESSED_GROUP, COMPRESSED_WEIGHTS, GPTQ } from "./meaning.ts";
import { readOptionalJson } from "./read-json.ts";

export type Quantization =
  | { readonly kind: "none" }
  /**
   * `version`: v1 stores each zero point minus one. `groupSize` -1: one group a row. `symmetric`: every zero point is 8,
   * whatever version the label claims. `actOrder`: each layer has a g_idx.
   */
  | {
      readonly kind: "gptq";
      readonly version: 1 | 2;
      readonly groupSize: number;
      readonly symmetric: boolean;
      readonly actOrder: boolean;
    }
  | { readonly kind: "compressed-tensors"; readonly groupSize: number; readonly symmetric: boolean };

const QUANTIZE_FILE = "quantize_config.json";
/** Fields that config.json and quantize_config.json may both state, and then alike. */
const STATED_TWICE = ["bits", "group_size", "desc_act", "sym", "checkpoint_format", "pack_dtype"];

const settingsSchema = z.looseObject({ quant_method: z.string().nullish() });
type Settings = z.infer<typeof settingsSchema>;
const gptqSchema = z.looseObject({
  group_size: z.int(),
  desc_act: z.boolean().nullish(),
  sym: z.boolean().nullish(),
  checkpoint_format: z.string().nullish(),
  format: z.string().nullish(),
  dynamic: z.record(z.string(), z.unknown()).nullish(),
});
const weightsSchema = z.looseObject({
  symmetric: z.boolean().nullish(),
  strategy: z.string().nullish(),
  group_size: z.int().nullish(),
});
const compressedSchema = z.looseObject({
  format: z.string().nullish(),
  config_groups: z.record(z.string(), z.looseObject({ weights: weightsSchema, format: z.string().nullish() })),
});

/** Throws CheckpointError when the layout is not supported, or two files tell two. */
export function readQuantization(
  dir: string,
  config: { readonly quantization_config?: unknown; readonly compression_config?: unknown },
): Quantization {
  const file = readOptionalJson(dir, QUANTIZE_FILE, settingsSchema);
  const field = config.quantization_config ? "quantization_config" : "compression_config";
  const stated = config[field];
  const path = join(dir, "config.json");
  if (config.quantization_config && config.compression_config)
    throw new CheckpointError(`${path}: has quantization_config and compression_config; one of them is needed`);
  if (!stated) return file === undefined ? { kind: "none" } : parseGptq(join(dir, QUANTIZE_FILE), "", file);
  const settings = parse(path, `${field}.`, settingsSchema, stated);
  switch (settings.quant_method) {
    case "gptq":
      return parseGptq(path, `${field}.`, file === undefined ? settings : agreed(dir, settings, file));
    case "compressed-tensors":
      return parseCompressed(path, `${field}.`, settings);
    default:
      throw new CheckpointError(
        `${path}: ${field}.quant_method ${JSON.stringify(settings.quant_method ?? null)} is not supported; gptq and compressed-tensors are`,
      );
  }
}

/** config.json's settings, completed by those that only quantize_config.json has. */
function agreed(dir: string, settings: Settings, file: Settings): Settings {
  const merged: Record<string, unknown> = { ...settings };
  for (const name of STATED_TWICE) {
    const [own, other] = [settings[name] ?? undefined, file[name] ?? undefined];
    if (own === undefined) merged[name] = other ?? null;
    else if (other !== undefined && other !== own)
      throw new CheckpointError(
        `${join(dir, QUANTIZE_FILE)}: ${name} is ${JSON.stringify(other)}, and ${JSON.stringify(own)} in config.json; both have to agree`,
      );
  }
  return settingsSchema.parse(merged);
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

function parseGptq(path: string, where: string, settings: Settings): Quantization {
  checkFields(path, where, GPTQ, settings);
  if (settings["bits"] === undefined || settings["bits"] === null)
    throw new CheckpointError(`${path}: ${where}bits is missing; 4-bit weights are supported`);
  const parsed = parse(path, where, gptqSchema, settings);
  // "-:" names modules that were left as they are, which their tensors show too; "+:" or nothing, other settings.
  const override = Object.keys(parsed.dynamic ?? {}).find((pattern) => !pattern.startsWith("-:"));
  if (override !== undefined)
    throw new CheckpointError(
      `${path}: ${where}dynamic ${JSON.stringify(override)} is not supported; one setting for all quantised layers is`,
    );
  requireGroupSize(path, where, parsed.group_size);
  return {
    kind: "gptq",
    version: (parsed.checkpoint_format ?? parsed.format) === "gptq_v2" ? 2 : 1,
    groupSize: parsed.group_size,
    symmetric: parsed.sym !== false,
    actOrder: parsed.desc_act === true,
  };
}

function parseCompressed(path: string, where: string, settings: Settings): Quantization {
  checkFields(path, where, COMPRESSED, settings);
  const parsed = parse(path, where, compressedSchema, settings);
  const groups = Object.entries(parsed.config_groups);
  const [entry] = groups;
  if (groups.length !== 1 || entry === undefined)
    throw new CheckpointError(`${path}: ${where}config_groups has ${groups.length} groups; one is supported`);
  const [name, group] = entry;
  const inGroup = `${where}config_groups.${name}.`;
  checkFields(path, inGroup, COMPRESSED_GROUP, { format: parsed.format, ...group });
  const { weights } = group;
  checkFields(path, `${inGroup}weights.`, COMPRESSED_WEIGHTS, weights);
  if (weights["num_bits"] !== 4)
    throw new CheckpointError(`${path}: ${inGroup}weights.num_bits is missing; 4-bit weights are supported`);
  if ((group.format ?? parsed.format) !== "pack-quantized")
    throw new CheckpointError(`${path}: ${where}format is missing; pack-quantized is supported`);
  const strategy = weights.strategy ?? (weights.group_size ? "group" : "channel");
  const groupSize = strategy === "channel" ? -1 : (weights.group_size ?? 0);
  requireGroupSize(path, `${inGroup}weights.`, groupSize);
  return { kind: "compressed-tensors", groupSize, symmetric: weights.symmetric !== false };
}

function requireGroupSize(path: string, where: string, groupSize: number): void {
  if (groupSize === -1 || (groupSize >= 8 && groupSize % 8 === 0)) return;
  throw new CheckpointError(
    `${path}: ${where}group_size ${groupSize} is not supported; a multiple of 8, or -1 for one group a row, is`,
  );
}

function parse<Schema extends z.ZodType>(path: string, where: string, schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CheckpointError(`${path}: ${where}${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is wrong"}`);
}
