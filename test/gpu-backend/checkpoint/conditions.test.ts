// Checkpoints as quantisers, trainers and editors leave them: those that mean the same as the reference's give its
// vectors, those that mean another model are refused by name before anything is compiled.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import * as z from "zod";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { worstDistance } from "../cosine.ts";
import { editJson, floats, type Json, readTensors, writeTensors } from "../edit-checkpoint.ts";
import { float32Tolerance } from "../tolerances.ts";
import { added, both, config, type Edit, quantization, refusal, renamed, TARGET, tensors, zeros } from "./edits.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/checkpoints", import.meta.url));
const expectedSchema = z.object({ texts: z.array(z.array(z.int())), embeddings: z.array(z.array(z.number())) });
const scratch = mkdtempSync(join(tmpdir(), "conditions-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const LINEARS = ["self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"];
const OUTPUTS = [128, 64, 64];

/** What changes no vector: the folder's name, what is done to it. */
const SAME: readonly (readonly [string, string, Edit])[] = [
  [
    "biases of zero",
    "gptq-v1-sym",
    tensors((all) => {
      for (const [at, name] of LINEARS.entries()) all.set(`model.layers.0.${name}.bias`, zeros(OUTPUTS[at] ?? 0));
    }),
  ],
  [
    "GPTQ fields that are null",
    "gptq-v1-sym",
    quantization({ checkpoint_format: null, desc_act: null, dynamic: null }),
  ],
  ["GPTQ modules that were left alone", "gptq-v1-sym", quantization({ dynamic: { "-:.*lm_head.*": {} } })],
  [
    "quantize_config.json alone",
    "gptq-v1-sym",
    (dir) => {
      let settings: Json = {};
      config((content, own) => ((settings = own), { ...content, quantization_config: null }))(dir);
      const { quant_method: _, ...rest } = settings;
      editJson(dir, "quantize_config.json", () => rest);
    },
  ],
  [
    "quantize_config.json completing config.json",
    "gptq-v2-sym",
    (dir) => {
      quantization({ checkpoint_format: null, sym: false })(dir);
      editJson(dir, "quantize_config.json", () => ({ bits: 4, checkpoint_format: "gptq_v2" }));
    },
  ],
  ["version 2 labelled as 1", "gptq-v2-sym", quantization({ checkpoint_format: "gptq", sym: true })],
  ["version 1 labelled as 2", "gptq-v1-sym", quantization({ checkpoint_format: "gptq_v2" })],
  [
    "compression_config",
    "ct-sym",
    config(({ quantization_config: settings, ...content }) => ({ ...content, compression_config: settings })),
  ],
  [
    "zero points of eight though symmetric",
    "ct-sym",
    added("model.layers.0.mlp.up_proj.weight_zero_point", {
      dtype: "I8",
      shape: [96, 2],
      data: new Uint8Array(192),
    }),
  ],
  [
    "a window on layers that there are none of",
    "ct-sym",
    config((content) => ({
      ...content,
      layer_types: null,
      use_sliding_window: true,
      sliding_window: 16,
      max_window_layers: 2,
    })),
  ],
  [
    "a window as long as the context",
    "ct-sym",
    config((content) => ({
      ...content,
      layer_types: null,
      use_sliding_window: true,
      sliding_window: 256,
      max_window_layers: 0,
    })),
  ],
  [
    "tensors of types that nobody needs",
    "plain-fp16",
    both(
      added("extra.scale", { dtype: "F8_E4M3", shape: [4], data: new Uint8Array(4) }),
      added("model.version", { dtype: "U32", shape: [], data: new Uint8Array(4) }),
      added("lm_head.weight_packed", { dtype: "F4", shape: [6], data: new Uint8Array(3) }),
      added("model.layers.0.self_attn.rotary_emb.inv_freq", zeros(16)),
    ),
  ],
  [
    "the table as lm_head alone",
    "plain-fp16",
    renamed((name) => (name === "model.embed_tokens.weight" ? "lm_head.weight" : name)),
  ],
  ["the prefix language_model.", "plain-fp16", renamed((name) => name.replace("model.", "language_model."))],
  ["the prefix 0.auto_model.", "ct-sym", renamed((name) => name.replace("model.", "0.auto_model."))],
  ["the prefix of a compiled module", "gptq-v1-sym", renamed((name) => `_orig_mod.${name}`)],
  ["no prefix", "gptq-v1-sym", renamed((name) => name.replace("model.", ""))],
  [
    "a stale copy in another shard",
    "plain-bf16-sharded",
    (dir) => {
      const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
      const [left, right] = [readTensors(dir, first), readTensors(dir, second)];
      for (const [name, tensor] of left) right.set(name, { ...tensor, data: new Uint8Array(tensor.data.length) });
      writeTensors(dir, right, second);
    },
  ],
];

describe("a checkpoint that means the same", () => {
  it.each(SAME)("gives the reference's vectors with %s", async (_, name, edit) => {
    const dir = copyCheckpoint(join(CHECKPOINTS, name), scratch);
    const { texts, embeddings } = expectedSchema.parse(JSON.parse(readFileSync(join(dir, "expected.json"), "utf8")));
    edit(dir);
    const model = await compileCheckpoint(dir, TARGET);
    const { graphPath, config: shape } = model;
    const session = await GraphSession.open({ graphPath, target: "cpu", cudaWeights: "as-is", threads: 1 });
    const vectors = [];
    for (const text of texts) vectors.push(await session.run([Int32Array.from(text)]));
    await session.close();
    // The table in float16 is ours, weights dequantised to float16 are GPTQModel's.
    const tolerance = float32Tolerance(shape, name.startsWith("gptq") ? 1 + shape.layers : 1);
    expect(worstDistance(vectors, embeddings)).toBeLessThanOrEqual(tolerance);
  });
});

/** What means another model, or cannot be read: and what the refusal says. */
const OTHER: readonly (readonly [string, string, Edit, RegExp])[] = [
  ["a rotation", "ct-sym", added("model.layers.0.mlp.down_proj.R4_input", floats([1])), /R4_input is no part of/u],
  [
    "an adapter's tensors",
    "ct-sym",
    added("model.layers.1.mlp.up_proj.lora_A.weight", zeros(4)),
    /lora_A.weight is no/u,
  ],
  [
    "a bias",
    "gptq-v1-sym",
    added("model.layers.0.self_attn.q_proj.bias", floats([0, 1e-3])),
    /q_proj.bias is no part/u,
  ],
  ["a reranker's head", "plain-fp16", added("score.weight", zeros(64)), /score.weight is no part of/u],
  [
    "fewer layers than it has",
    "ct-sym",
    config((content) => ({ ...content, num_hidden_layers: 1, layer_types: null })),
    /layers\.1\..* is no part of the model that .*config.json describes/u,
  ],
  ["a second model", "plain-fp16", added("draft.layers.0.input_layernorm.weight", zeros(64)), /more than one model: /u],
  [
    "a lost order",
    "gptq-v1-sym",
    both(
      quantization({ desc_act: true }),
      tensors((all) => {
        for (const name of all.keys()) if (name.endsWith("g_idx")) all.delete(name);
      }),
    ),
    /g_idx is missing/u,
  ],
  [
    "zero points though symmetric",
    "ct-sym",
    added("model.layers.0.mlp.up_proj.weight_zero_point", {
      dtype: "I8",
      shape: [96, 2],
      data: new Uint8Array(192).fill(1),
    }),
    /weight_zero_point holds zero points, though config.json says symmetric/u,
  ],
  [
    "other settings for some layers",
    "gptq-v1-sym",
    quantization({ dynamic: { "+:.*up.*": { bits: 8 } } }),
    /dynamic "\+:/u,
  ],
  [
    "two files that disagree",
    "gptq-v1-sym",
    (dir) => editJson(dir, "quantize_config.json", () => ({ checkpoint_format: "gptq_v2" })),
    /quantize_config.json: checkpoint_format is "gptq_v2", and "gptq" in config.json/u,
  ],
  [
    "weights that nothing explains",
    "gptq-v1-sym",
    config((content) => ({ ...content, quantization_config: null })),
    /stored as qweight, and neither config.json nor quantize_config.json says how/u,
  ],
  [
    "an untied table that is missing",
    "plain-fp16",
    both(
      config((content) => ({ ...content, tie_word_embeddings: false })),
      renamed((name) => (name === "model.embed_tokens.weight" ? "lm_head.weight" : name)),
    ),
    /embed_tokens.weight is missing/u,
  ],
  [
    "two values of rope_theta",
    "plain-fp16",
    config((content) => ({ ...content, rope_theta: 10_000 })),
    /rope_theta is said to be 1000000 and 10000/u,
  ],
  [
    "a tensor that lies elsewhere than its index says",
    "plain-bf16-sharded",
    (dir) =>
      editJson(dir, "model.safetensors.index.json", ({ weight_map: map, ...rest }) => ({
        ...rest,
        weight_map: {
          ...Object(map),
          "norm.weight": "model-00001-of-00002.safetensors",
          "layers.0.input_layernorm.weight": "model-00002-of-00002.safetensors",
        },
      })),
    /says .* is in model-0000\d-of-00002.safetensors, which does not have it/u,
  ],
  // Sizes beyond what the tensors have: refused by the first tensor, nothing allocated.
  [
    "a width of 1e12",
    "plain-fp16",
    config((content) => ({ ...content, hidden_size: 1e12 })),
    /shape \[128, 64\] where \[128, 1000000000000\]/u,
  ],
  [
    "1e9 layers",
    "plain-fp16",
    config((content) => ({ ...content, num_hidden_layers: 1e9, layer_types: null })),
    /layers.2.input_layernorm.weight is missing/u,
  ],
  [
    "a vocabulary of 1e12",
    "plain-fp16",
    config((content) => ({ ...content, vocab_size: 1e12 })),
    /where \[1000000000000, 64\]/u,
  ],
  [
    "heads of 1e12",
    "plain-fp16",
    config((content) => ({ ...content, head_dim: 1e12 })),
    /q_norm.weight has shape \[32\]/u,
  ],
];

describe("a checkpoint that means another model", () => {
  it.each(OTHER)("is refused by name: %s", async (_, name, edit, sentence) => {
    expect(await refusal(copyCheckpoint(join(CHECKPOINTS, name), scratch), edit)).toMatch(sentence);
  });
});

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1000000\n";
const over =
  (name: string, content: string | Buffer): Edit =>
  (dir) =>
    writeFileSync(join(dir, name), content);
const folderInPlaceOf =
  (name: string): Edit =>
  (dir) => {
    rmSync(join(dir, name));
    mkdirSync(join(dir, name));
  };
const index = (shard: string): Edit =>
  both(
    (dir) => rmSync(join(dir, "model.safetensors")),
    over("model.safetensors.index.json", JSON.stringify({ weight_map: { "model.norm.weight": shard } })),
  );

describe("files that are not what their names say", () => {
  it.each<[string, Edit, RegExp]>([
    [
      "a Git LFS pointer for weights",
      over("model.safetensors", LFS),
      /model.safetensors: is a Git LFS pointer.*git lfs pull/u,
    ],
    ["a Git LFS pointer for JSON", over("config.json", LFS), /config.json: is a Git LFS pointer/u],
    ["a Git LFS pointer for the tokenizer", over("tokenizer.json", LFS), /tokenizer.json: is a Git LFS pointer/u],
    [
      "a byte order mark",
      over("config.json", Buffer.concat([BOM, Buffer.from("{}")])),
      /begins with a byte order mark \(EF BB BF\)/u,
    ],
    ["Infinity", over("config.json", '{\n "a": 1,\n "b": -Infinity }'), /Infinity in line 3, column \d+/u],
    ["JSON that breaks off", over("tokenizer_config.json", '{\n "a": '), /Unexpected end of JSON input in line 2/u],
    ["a folder for weights", folderInPlaceOf("model.safetensors"), /model.safetensors: is a folder; a file is needed/u],
    ["a folder for JSON", folderInPlaceOf("config.json"), /config.json: is a folder/u],
    ["a shard without a name", index(""), /names the shard "", which is not a plain file name/u],
    ["a shard elsewhere", index("..\\..\\etc"), /which is not a plain file name/u],
    [
      "a shard with a line break",
      index("model\n.safetensors"),
      /"model\\n.safetensors", which is not a plain file name/u,
    ],
    [
      "a GGUF file",
      (dir) => renameSync(join(dir, "config.json"), join(dir, "model.gguf")),
      /model.gguf: GGUF is not supported; a folder with/u,
    ],
    [
      "a pipe",
      (dir) => (rmSync(join(dir, "config.json")), execFileSync("mkfifo", [join(dir, "config.json")])),
      /config.json: is not a plain file/u,
    ],
  ])("are named: %s", async (_, edit, sentence) => {
    expect(await refusal(copyCheckpoint(join(CHECKPOINTS, "plain-fp16"), scratch), edit)).toMatch(sentence);
  });
});
