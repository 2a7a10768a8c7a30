// Goes through the table of what a checkpoint's folder may say: each field is refused, followed or ignored as it claims.

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { CheckpointError } from "../../../gpu-backend/checkpoint/checkpoint-error.ts";
import {
  COMPRESSED,
  COMPRESSED_GROUP,
  COMPRESSED_WEIGHTS,
  DENSE,
  COMMON_CONFIG,
  GPTQ,
  POOLING,
  REFUSED_FILES,
  SENTENCE_BERT,
  SENTENCE_TRANSFORMERS,
  type Fields,
} from "../../../gpu-backend/checkpoint/meaning.ts";
import {
  ADDED_TOKEN,
  TOKENIZER,
  TOKENIZER_CONFIG,
  TOKENIZER_MODELS,
} from "../../../gpu-backend/checkpoint/tokenizer-meaning.ts";
import { ROPE } from "../../../gpu-backend/compiler/architectures/decoder.ts";
import { ARCHITECTURES } from "../../../gpu-backend/compiler/architectures/table.ts";
import { type ModelConfig, readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { loadTokenizer } from "../../../gpu-backend/tokenizer/library.ts";
import { editJson, type Json } from "../edit-checkpoint.ts";
import { addedToken } from "../write-tokenizer.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../vectors/checkpoints", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "meaning-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const template = {
  type: "TemplateProcessing",
  single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "<|endoftext|>", type_id: 0 } }],
  pair: [],
  special_tokens: { "<|endoftext|>": { id: "<|endoftext|>", ids: [127], tokens: ["<|endoftext|>"] } },
};
/** What a folder holds beside config.json and the weights, each file complete. */
const FILES: Readonly<Record<string, unknown>> = {
  "tokenizer.json": {
    version: "1.0",
    added_tokens: [addedToken("<|endoftext|>", 127, { special: true })],
    normalizer: { type: "NFC" },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: template,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
  },
  "tokenizer_config.json": { added_tokens_decoder: { "127": { content: "<|endoftext|>" } } },
  "modules.json": [
    { path: "", type: "sentence_transformers.models.Transformer" },
    { path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
    { path: "2_Dense", type: "sentence_transformers.models.Dense" },
    { path: "3_Normalize", type: "sentence_transformers.models.Normalize" },
  ],
  "sentence_bert_config.json": { max_seq_length: 100 },
  "config_sentence_transformers.json": { prompts: { query: "find: " }, similarity_fn_name: "cosine" },
};

function folderOf(checkpoint: string): string {
  const dir = mkdtempSync(join(scratch, "folder-"));
  copyFileSync(join(CHECKPOINTS, checkpoint, "config.json"), join(dir, "config.json"));
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(dir, name), JSON.stringify(content));
  editJson(dir, "1_Pooling/config.json", () => ({ pooling_mode_lasttoken: true }));
  editJson(dir, "config.json", (config) => {
    const width = config["hidden_size"];
    editJson(dir, "2_Dense/config.json", () => ({ in_features: width, out_features: width }));
    return config;
  });
  return dir;
}

/** What both readers of the folder make of it. */
async function read(dir: string): Promise<ModelConfig> {
  const config = readConfig(dir);
  await loadTokenizer(dir, config.endTokenId, config.vocabSize);
  return config;
}

/** The object at `path` with `field` set. */
function withField(content: Json, path: readonly string[], field: string, value: unknown): Json {
  const [next, ...rest] = path;
  if (next === undefined) return { ...content, [field]: value };
  const inner = content[next];
  if (Array.isArray(inner)) return { ...content, [next]: [withField(inner[0], rest.slice(1), field, value)] };
  return { ...content, [next]: withField(Object(inner), rest, field, value) };
}

/** A checkpoint of an architecture. */
const exampleOf = (modelType: string): string =>
  modelType === "qwen3" ? "gptq-v1-sym" : `../architectures/${modelType}`;
const GROUP = ["quantization_config", "config_groups", "group_0"];
const SECTIONS: readonly (readonly [string, Fields, string, string, readonly string[]])[] = [
  ["COMMON_CONFIG", COMMON_CONFIG, "gptq-v1-sym", "config.json", []],
  ...ARCHITECTURES.map(
    (one) => [`of ${one.modelType}`, one.fields, exampleOf(one.modelType), "config.json", []] as const,
  ),
  ["ROPE", ROPE, "gptq-v1-sym", "config.json", ["rope_parameters"]],
  ["ROPE", ROPE, "gptq-v1-sym", "config.json", ["rope_scaling"]],
  ["GPTQ", GPTQ, "gptq-v1-sym", "config.json", ["quantization_config"]],
  ["COMPRESSED", COMPRESSED, "ct-sym", "config.json", ["quantization_config"]],
  ["COMPRESSED_GROUP", COMPRESSED_GROUP, "ct-sym", "config.json", GROUP],
  ["COMPRESSED_WEIGHTS", COMPRESSED_WEIGHTS, "ct-sym", "config.json", [...GROUP, "weights"]],
  ["POOLING", POOLING, "plain-fp16", "1_Pooling/config.json", []],
  ["DENSE", DENSE, "plain-fp16", "2_Dense/config.json", []],
  ["SENTENCE_BERT", SENTENCE_BERT, "plain-fp16", "sentence_bert_config.json", []],
  ["SENTENCE_TRANSFORMERS", SENTENCE_TRANSFORMERS, "plain-fp16", "config_sentence_transformers.json", []],
  ["TOKENIZER", TOKENIZER, "plain-fp16", "tokenizer.json", []],
  ["TOKENIZER_MODELS.BPE", TOKENIZER_MODELS.BPE, "plain-fp16", "tokenizer.json", ["model"]],
  ["ADDED_TOKEN", ADDED_TOKEN, "plain-fp16", "tokenizer.json", ["added_tokens", "0"]],
  ["TOKENIZER_CONFIG", TOKENIZER_CONFIG, "plain-fp16", "tokenizer_config.json", []],
];
/** Nothing that any field means, in two types: what is read is not satisfied with both. */
const NONSENSE: readonly unknown[] = [{ surely: "not this" }, "surely not this"];

/** Fields that must say something. */
const NEEDED = new Set(["model_type", "quant_method", "bits", "num_bits", "single_word"]);

describe.each(SECTIONS)("the table %s", (_, fields, checkpoint, file, path) => {
  let dir: string;
  let before: ModelConfig;
  beforeAll(async () => {
    dir = folderOf(checkpoint);
    before = await read(dir);
  });

  async function outcome(field: string, value: unknown): Promise<ModelConfig | CheckpointError> {
    const original = readFileSync(join(dir, file));
    editJson(dir, file, (content) => withField(content, path, field, value));
    try {
      return await read(dir);
    } catch (error) {
      if (error instanceof CheckpointError) return error;
      throw error;
    } finally {
      writeFileSync(join(dir, file), original);
    }
  }

  it.each(Object.entries(fields))("holds for %s", async (field, rule) => {
    const results = [await outcome(field, NONSENSE[0]), await outcome(field, NONSENSE[1])];
    for (const result of results) if (result instanceof Error) expect(result.message).toContain(dir);
    const said = results.map(String);
    switch (rule.kind) {
      case "ignored":
        expect(results).toEqual([before, before]);
        return;
      case "honoured":
        expect(results.some((result) => !isDeepStrictEqual(result, before))).toBe(true);
        return;
      case "only":
        for (const sentence of said) expect(sentence).toMatch(new RegExp(`CheckpointError: .*\\b${field}\\b`));
        if (!NEEDED.has(field)) expect(await outcome(field, null)).not.toBeInstanceOf(Error);
    }
  });
});

describe("beside the fields that are known", () => {
  const result = async (edit: (dir: string) => void): Promise<unknown> => {
    const dir = folderOf("plain-fp16");
    edit(dir);
    try {
      return await read(dir);
    } catch (error) {
      return error;
    }
  };

  it("a field that nobody reads is ignored, and one that speaks of the arithmetic refused", async () => {
    const config = (field: string, value: unknown) =>
      result((dir) => editJson(dir, "config.json", (content) => ({ ...content, [field]: value })));
    expect(await config("unsloth_version", "2026.1")).not.toBeInstanceOf(Error);
    expect(await config("residual_multiplier", null)).not.toBeInstanceOf(Error);
    for (const [field, value] of [
      ["residual_multiplier", 0.22],
      ["attn_logit_softcapping", 50],
      ["rope_local_base_freq", 10_000],
      ["num_experts", 8],
    ] as const) {
      expect(String(await config(field, value))).toContain(`${field} ${value} is not known here`);
    }
  });

  it.each([
    [{ add_eos_token: true }, undefined],
    [{ add_eos_token: false, add_bos_token: false }, undefined],
    [{ add_bos_token: true }, /add_bos_token is true, .* not true that its template begins a text/u],
    [{ add_prefix_space: true }, /add_prefix_space is true/u],
    [{ do_lower_case: true }, /do_lower_case is true, .* not true that its normalizer lowers case/u],
  ])("the tokenizer's settings %j have to agree with tokenizer.json", async (settings, sentence) => {
    const said = await result((dir) => editJson(dir, "tokenizer_config.json", (own) => ({ ...own, ...settings })));
    if (sentence === undefined) expect(said).not.toBeInstanceOf(Error);
    else expect(String(said)).toMatch(sentence);
  });

  it.each(Object.keys(REFUSED_FILES))("the file %s is refused", async (name) => {
    expect(String(await result((dir) => writeFileSync(join(dir, name), "{}")))).toMatch(/adapter .* is not supported/u);
  });

  it.each([
    ["Dense after Normalize", "sentence_transformers.models.Dense", /any Dense, and Normalize are/u],
    ["custom code", "custom_st.Transformer2", /module custom_st/u],
    ["a second Pooling", "sentence_transformers.models.Pooling", /one Transformer, then one Pooling/u],
  ])("a module is refused: %s", async (_, type, sentence) => {
    const modules = [...(FILES["modules.json"] as unknown[]), { path: "3_More", type }];
    expect(String(await result((dir) => writeFileSync(join(dir, "modules.json"), JSON.stringify(modules))))).toMatch(
      sentence,
    );
  });

  it("Dropout and a missing Normalize change nothing, unless lengths count", async () => {
    const [transformer, pooling] = FILES["modules.json"] as unknown[];
    const dropout = { path: "2_Dropout", type: "sentence_transformers.models.Dropout" };
    const modules = JSON.stringify([transformer, pooling, dropout]);
    expect(await result((dir) => writeFileSync(join(dir, "modules.json"), modules))).not.toBeInstanceOf(Error);
    const dot = await result((dir) => {
      writeFileSync(join(dir, "modules.json"), modules);
      editJson(dir, "config_sentence_transformers.json", () => ({ similarity_fn_name: "dot" }));
    });
    expect(String(dot)).toMatch(/similarity_fn_name dot without a Normalize module is not supported/u);
  });
});

describe("pooling and Dense modules", () => {
  const reading = (file: string, settings: Json) => () => {
    const dir = folderOf("plain-fp16");
    editJson(dir, file, (content) => (file.startsWith("1_") ? settings : { ...content, ...settings }));
    return readConfig(dir);
  };

  it.each<[string, Json, string]>([
    ["a field a mode", { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, "cls"],
    ["one field for all", { pooling_mode: "mean", include_prompt: true }, "mean"],
    ["both", { pooling_mode: "lasttoken", pooling_mode_lasttoken: true }, "lasttoken"],
    ["the first token, whatever the prompt", { pooling_mode: "cls", include_prompt: false }, "cls"],
  ])("are read: %s", (_, settings, pooling) => {
    expect(reading("1_Pooling/config.json", settings)().pooling).toBe(pooling);
  });

  it("make the vector's size", () => {
    expect(reading("2_Dense/config.json", { out_features: 7 })()).toMatchObject({ hiddenSize: 64, dimensions: 7 });
  });

  it.each<[string, string, Json, RegExp]>([
    ["no mode", "1_Pooling/config.json", {}, /pooling_mode is none; one of lasttoken, cls, mean/u],
    [
      "two modes",
      "1_Pooling/config.json",
      { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true },
      /pooling_mode is cls and mean; one of/u,
    ],
    [
      "a mean without the prompt",
      "1_Pooling/config.json",
      { pooling_mode_mean_tokens: true, include_prompt: false },
      /include_prompt false is not supported with the mean/u,
    ],
    ["another size", "2_Dense/config.json", { in_features: 65 }, /in_features is 65, and what goes in has 64/u],
    [
      "another activation",
      "2_Dense/config.json",
      { activation_function: "torch.nn.modules.activation.ReLU" },
      /activation_function "torch.*ReLU" is not supported; torch.*Identity or torch.*Tanh is/u,
    ],
  ])("are refused by name: %s", (_, file, settings, sentence) => {
    expect(reading(file, settings)).toThrow(sentence);
  });
});

describe("sentence-transformers' settings", () => {
  const QWEN = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";
  const configOf = (settings: Json): ModelConfig => {
    const dir = folderOf("plain-fp16");
    editJson(dir, "config_sentence_transformers.json", () => settings);
    return readConfig(dir);
  };

  it.each<[string, Json, { query: string; document: string; plain: string }]>([
    ["nothing", {}, { query: QWEN, document: "", plain: "" }],
    ["null", { prompts: null, default_prompt_name: null }, { query: QWEN, document: "", plain: "" }],
    ["both", { prompts: { query: "q: ", document: "d: " } }, { query: "q: ", document: "d: ", plain: "" }],
    ["an empty query prompt", { prompts: { query: "" } }, { query: "", document: "", plain: "" }],
    ["a passage prompt", { prompts: { passage: "p: " } }, { query: QWEN, document: "p: ", plain: "" }],
    [
      "a default",
      { prompts: { STS: "s: " }, default_prompt_name: "STS" },
      { query: "s: ", document: "s: ", plain: "s: " },
    ],
  ])("give the prompts where they say %s", (_, settings, prompts) => {
    expect(configOf(settings).prompts).toEqual({ ...prompts, instruction: "Instruct: {instruction}\nQuery:" });
  });

  it.each<[string, Json, string | null, string]>([
    ["nothing", {}, null, ""],
    ["prefixes", { prompts: { query: "query: ", passage: "passage: " } }, null, "query: "],
    [
      "a task, as E5 writes it",
      { prompts: { query: "Instruct: Find\nQuery: " } },
      "Instruct: {instruction}\nQuery: ",
      "Instruct: Find\nQuery: ",
    ],
    [
      "a task, as Gemma 2 has it",
      { prompts: { query: "<instruct>Find\n<query>" } },
      "<instruct>{instruction}\n<query>",
      "<instruct>Find\n<query>",
    ],
  ])("say of an encoder whether it takes instructions, where its prompts say %s", (_, settings, instruction, query) => {
    const dir = folderOf("plain-fp16");
    editJson(dir, "1_Pooling/config.json", () => ({ pooling_mode_mean_tokens: true }));
    editJson(dir, "config_sentence_transformers.json", () => settings);
    expect(readConfig(dir).prompts).toMatchObject({ instruction, query });
  });

  it("are refused when they name a prompt that is not there, or one of endless length", () => {
    expect(() => configOf({ prompts: {}, default_prompt_name: "query" })).toThrow(
      /default_prompt_name "query" is none of/u,
    );
    expect(() => configOf({ prompts: { query: "x".repeat(5_000) } })).toThrow(/field prompts.query: Too big/u);
  });

  it("bound the context", () => {
    const dir = folderOf("plain-fp16");
    expect(readConfig(dir).maxTokens).toBe(100);
    editJson(dir, "sentence_bert_config.json", () => ({ max_seq_length: null }));
    expect(readConfig(dir).maxTokens).toBe(256);
  });
});
