import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import * as z from "zod";

import { CheckpointError } from "../../../gpu-backend/checkpoint/checkpoint-error.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/checkpoints", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "refusals-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const copyOf = (name: string): string => copyCheckpoint(join(CHECKPOINTS, name), scratch);
const objectSchema = z.record(z.string(), z.unknown());
type Json = z.infer<typeof objectSchema>;

function editConfig(dir: string, edit: (config: Json, quantization: Json) => Json): void {
  const path = join(dir, "config.json");
  const config = objectSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  writeFileSync(path, JSON.stringify(edit(config, objectSchema.parse(config["quantization_config"] ?? {}))));
}

/** Rewrites a checkpoint's safetensors header (padded to its old length by spaces) and, if asked, its data. */
function editTensors(dir: string, edit: (header: Record<string, Json>, data: Buffer) => void): void {
  const path = join(dir, "model.safetensors");
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = z.record(z.string(), objectSchema).parse(JSON.parse(bytes.subarray(8, 8 + length).toString()));
  edit(header, bytes.subarray(8 + length));
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([start, text, bytes.subarray(8 + length)]));
}

/** The sentence with which a checkpoint is refused; it has to be one sentence, on one line, and name a file or folder. */
async function refusal(dir: string): Promise<string> {
  const error: unknown = await compileCheckpoint(dir, { target: "cpu", precision: "exact" }).then(
    () => expect.unreachable("the checkpoint was accepted"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CheckpointError)) throw error;
  expect(error.message).toContain(scratch);
  expect(error.message).not.toContain("\n");
  return error.message;
}

describe("a checkpoint whose config says something that is not supported", () => {
  it.each<[string, string, (config: Json, quantization: Json) => Json, RegExp]>([
    [
      "3 bits",
      "gptq-v1-sym",
      (config, quantization) => ({ ...config, quantization_config: { ...quantization, bits: 3 } }),
      /quantization_config.bits 3 is not supported; 4-bit weights/u,
    ],
    [
      "an unknown quant_method",
      "gptq-v1-sym",
      (config) => ({ ...config, quantization_config: { quant_method: "awq" } }),
      /quant_method "awq" is not supported; gptq and compressed-tensors are/u,
    ],
    [
      "an unknown GPTQ format",
      "gptq-v1-sym",
      (config, quantization) => ({ ...config, quantization_config: { ...quantization, checkpoint_format: "marlin" } }),
      /checkpoint_format "marlin" is not supported; gptq or gptq_v2 is/u,
    ],
    [
      "an unknown compressed format",
      "ct-sym",
      (config, quantization) => ({ ...config, quantization_config: { ...quantization, format: "marlin-24" } }),
      /format "marlin-24" is not supported; pack-quantized is/u,
    ],
    [
      "another architecture",
      "plain-fp16",
      (config) => ({ ...config, architectures: ["T5EncoderModel"], model_type: "t5" }),
      /config.json: T5EncoderModel, model_type "t5" is not supported; qwen3 or .*xlm-roberta are/u,
    ],
    [
      "another head",
      "plain-fp16",
      (config) => ({ ...config, architectures: ["Qwen3ForTokenClassification"] }),
      /config.json: Qwen3ForTokenClassification .* is not supported; Qwen3Model or Qwen3ForCausalLM or Qwen3ForSequenceClassification is/u,
    ],
    [
      "heads of another size",
      "plain-fp16",
      (config) => ({ ...config, head_dim: 24 }),
      /head_dim .* 24 is not supported; a multiple of 16 is/u,
    ],
    [
      "RoPE scaling",
      "plain-fp16",
      (config) => ({ ...config, rope_parameters: { rope_type: "yarn", rope_theta: 1e6 } }),
      /rope_parameters.rope_type "yarn" is not supported/u,
    ],
    [
      "a window of no size",
      "plain-fp16",
      (config) => ({ ...config, layer_types: ["full_attention", "sliding_attention"] }),
      /layer_types says sliding_attention, and sliding_window .* that there is none/u,
    ],
    [
      "layers of another kind",
      "plain-fp16",
      (config) => ({ ...config, layer_types: ["full_attention", "linear_attention"] }),
      /layer_types linear_attention is not supported; full_attention or sliding_attention is/u,
    ],
    [
      "a window in bidirectional attention",
      "plain-fp16",
      (config) => ({
        ...config,
        is_causal: false,
        layer_types: null,
        use_sliding_window: true,
        sliding_window: 100,
        max_window_layers: 1,
      }),
      /sliding_window in bidirectional attention is not supported; causal attention has it/u,
    ],
    ["attention biases", "plain-fp16", (config) => ({ ...config, attention_bias: true }), /attention_bias/u],
    [
      "heads that do not divide",
      "plain-fp16",
      (config) => ({ ...config, num_key_value_heads: 3 }),
      /multiple of num_key_value_heads 3/u,
    ],
    ["a field of the wrong type", "plain-fp16", (config) => ({ ...config, hidden_size: "64" }), /field hidden_size/u],
    [
      "an ending token outside the vocabulary",
      "plain-fp16",
      (config) => ({ ...config, eos_token_id: 128 }),
      /id 128 is not below config.json's vocab_size 128/u,
    ],
  ])("is refused by name: %s", async (_, name, edit, sentence) => {
    const dir = copyOf(name);
    editConfig(dir, edit);
    expect(await refusal(dir)).toMatch(sentence);
  });
});

describe("a damaged checkpoint", () => {
  it("is refused when its folder is missing", async () => {
    expect(await refusal(join(scratch, "nowhere"))).toMatch(/is not a folder/u);
  });

  it("is refused when a file is missing", async () => {
    const [config, weights] = [copyOf("plain-fp16"), copyOf("plain-fp16")];
    rmSync(join(config, "config.json"));
    rmSync(join(weights, "model.safetensors"));
    expect(await refusal(config)).toMatch(/config.json is missing/u);
    expect(await refusal(weights)).toMatch(/neither model.safetensors nor model.safetensors.index.json/u);
  });

  it("is refused when a shard is missing, or its name leads elsewhere", async () => {
    const [missing, outside] = [copyOf("plain-bf16-sharded"), copyOf("plain-bf16-sharded")];
    rmSync(join(missing, "model-00002-of-00002.safetensors"));
    writeFileSync(
      join(outside, "model.safetensors.index.json"),
      JSON.stringify({ weight_map: { "norm.weight": "../../etc/passwd" } }),
    );
    expect(await refusal(missing)).toMatch(/model-00002-of-00002.safetensors: cannot be opened/u);
    expect(await refusal(outside)).toMatch(/not a plain file name/u);
  });

  it("is refused when the weights are cut short", async () => {
    const [data, header, nothing] = [copyOf("plain-fp16"), copyOf("plain-fp16"), copyOf("plain-fp16")];
    truncateSync(join(data, "model.safetensors"), 100_000);
    truncateSync(join(header, "model.safetensors"), 100);
    truncateSync(join(nothing, "model.safetensors"), 3);
    for (const dir of [data, header, nothing]) expect(await refusal(dir)).toMatch(/is truncated/u);
  });

  it("is refused when the header's length is absurd, or the header is no JSON", async () => {
    const [absurd, text] = [copyOf("plain-fp16"), copyOf("plain-fp16")];
    writeFileSync(join(absurd, "model.safetensors"), Buffer.alloc(100, "any text at all"));
    writeFileSync(
      join(text, "model.safetensors"),
      Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("abcd")]),
    );
    expect(await refusal(absurd)).toMatch(/claims a header of \d+ bytes/u);
    expect(await refusal(text)).toMatch(/header that is not a JSON object/u);
  });

  it.each<[string, string, (header: Record<string, Json>, data: Buffer) => void, RegExp]>([
    [
      "a tensor is missing",
      "gptq-v1-sym",
      (header) => delete header["model.layers.1.mlp.up_proj.qweight"],
      /layers.1.mlp.up_proj.qweight is missing/u,
    ],
    [
      "a scale is missing",
      "ct-sym",
      (header) => delete header["model.layers.0.mlp.up_proj.weight_scale"],
      /layers.0.mlp.up_proj.weight_scale is missing/u,
    ],
    [
      "a shape is wrong",
      "plain-fp16",
      (header) => Object.assign(header["model.norm.weight"] ?? {}, { shape: [8, 8] }),
      /norm.weight has shape \[8, 8\] where \[64\] is needed/u,
    ],
    [
      "a dtype is wrong",
      "ct-sym",
      (header) => Object.assign(header["model.layers.0.mlp.up_proj.weight_packed"] ?? {}, { dtype: "F32" }),
      /dtype F32 where I32 is needed/u,
    ],
    [
      "a dtype is unknown",
      "ct-sym",
      (header) => Object.assign(header["model.norm.weight"] ?? {}, { dtype: "F4" }),
      /norm.weight has dtype F4 where F32 or F16 or BF16 is needed/u,
    ],
    [
      "bytes and shape disagree",
      "ct-sym",
      (header) => Object.assign(header["model.norm.weight"] ?? {}, { shape: [65] }),
      /bytes where its shape \[65\] needs 130/u,
    ],
    [
      "a scale is not finite",
      "gptq-v1-sym",
      (header, data) => {
        const [start = 0] = z.array(z.int()).parse(header["model.layers.0.mlp.up_proj.scales"]?.["data_offsets"]);
        data.writeUInt16LE(0x7c00, start + 2);
      },
      /layers.0.mlp.up_proj.scales holds Infinity at position 1; every value must be finite/u,
    ],
    [
      "an embedding is not a number",
      "plain-fp16",
      (header, data) => {
        const [start = 0] = z.array(z.int()).parse(header["model.embed_tokens.weight"]?.["data_offsets"]);
        data.writeUInt16LE(0x7e00, start);
      },
      /embed_tokens.weight holds NaN at position 0/u,
    ],
    [
      "an activation order has a group too large",
      "gptq-v1-desc-act",
      (header, data) => {
        const [start = 0, end = 0] = z
          .array(z.int())
          .parse(header["model.layers.0.mlp.up_proj.g_idx"]?.["data_offsets"]);
        data.fill(0, start, end);
      },
      /g_idx puts column 32 into group 0; there are 2 groups of 32/u,
    ],
  ])("is refused when %s", async (_, name, edit, sentence) => {
    const dir = copyOf(name);
    editTensors(dir, edit);
    expect(await refusal(dir)).toMatch(sentence);
  });

  it("leaves nothing behind", async () => {
    const dir = copyOf("gptq-v1-sym");
    editTensors(dir, (header) => delete header["model.layers.1.mlp.up_proj.scales"]);
    expect(await refusal(dir)).toMatch(/up_proj.scales is missing/u);
    expect(readdirSync(dir)).not.toContain(".compiled");
  });
});
