import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

import { CheckpointError } from "../../../gpu-backend/checkpoint/checkpoint-error.ts";
import { readConfig } from "../../../gpu-backend/checkpoint/read-config.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { editJson, type Json } from "../edit-checkpoint.ts";
import { RERANKERS } from "../reranker-checkpoint.ts";
import { added, both, config, type Edit, refusal, zeros } from "./edits.ts";

const EMBEDDING = fileURLToPath(new URL("../../vectors/checkpoints/plain-fp16", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "kinds-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const copy = (name: string): string => copyCheckpoint(join(RERANKERS, name), scratch);
const file =
  (name: string, content: unknown): Edit =>
  (dir) => {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
  };
const without =
  (...names: readonly string[]): Edit =>
  (dir) => {
    for (const name of names) rmSync(join(dir, name), { recursive: true });
  };
const json =
  (name: string, edit: (content: Json) => Json): Edit =>
  (dir) =>
    editJson(dir, name, edit);
const TRANSFORMER = { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" };
const POOLING = { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" };
const LAST_TOKEN = file("1_Pooling/config.json", { pooling_mode_lasttoken: true });
const NO_MODULES = without(
  "modules.json",
  "config_sentence_transformers.json",
  "sentence_bert_config.json",
  "1_LogitScore",
);
const PLAIN_CHAT = json("tokenizer_config.json", (content) => ({ ...content, chat_template: null }));
const ENDING = json("tokenizer.json", (content) => ({
  ...content,
  post_processor: {
    type: "TemplateProcessing",
    single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "<|endoftext|>", type_id: 0 } }],
    pair: [],
    special_tokens: { "<|endoftext|>": { id: "<|endoftext|>", ids: [380], tokens: ["<|endoftext|>"] } },
  },
}));

describe("a folder of a class that embedding models and rerankers have", () => {
  const kindOf = (name: string, ...edits: readonly Edit[]): string => {
    const dir = copy(name);
    for (const edit of edits) edit(dir);
    return readConfig(dir).reranker === undefined ? "embedding" : "reranker";
  };
  const renamed = (name: string, ...edits: readonly Edit[]): string => {
    const dir = join(mkdtempSync(join(scratch, "renamed-")), name);
    cpSync(copy("qwen3"), dir, { recursive: true });
    for (const edit of [NO_MODULES, PLAIN_CHAT, ...edits]) edit(dir);
    return readConfig(dir).reranker === undefined ? "embedding" : "reranker";
  };

  it("is what sentence-transformers' modules say", () => {
    expect(kindOf("qwen3")).toBe("reranker");
    const pooled = [
      file("modules.json", [TRANSFORMER, POOLING]),
      LAST_TOKEN,
      without("config_sentence_transformers.json"),
    ];
    expect(kindOf("qwen3", ...pooled)).toBe("embedding");
    expect(kindOf("qwen3-reranker-untied", ...pooled.slice(0, 2))).toBe("embedding");
  });

  it("is what the settings beside the modules say, where there are none", () => {
    expect(kindOf("qwen3", without("modules.json"), PLAIN_CHAT)).toBe("reranker");
    expect(kindOf("qwen3", NO_MODULES, LAST_TOKEN)).toBe("embedding");
  });

  it("is a reranker by a chat template for pairs, an embedding model by a tokenizer that ends texts", () => {
    expect(kindOf("qwen3", NO_MODULES)).toBe("reranker");
    expect(kindOf("qwen3-reranker-untied", ENDING)).toBe("embedding");
  });

  it("is what the names say where nothing else does, and otherwise an embedding model", () => {
    expect(renamed("Qwen3-Reranker-4B-W4A16-G128")).toBe("reranker");
    expect(renamed("Qwen3-Embedding-4B")).toBe("embedding");
    expect(renamed("my-model")).toBe("embedding");
    expect(
      renamed(
        "my-model",
        config((content) => ({ ...content, _name_or_path: "Qwen/Qwen3-Reranker-4B" })),
      ),
    ).toBe("reranker");
  });
});

describe("a reranker's folder", () => {
  it("has its words' ids of its own module, or of the vocabulary", () => {
    const { true_token_id: yes, false_token_id: no } = { true_token_id: 276, false_token_id: 280 };
    const byModule = readConfig(copy("qwen3")).reranker?.tokens;
    expect(byModule).toEqual(readConfig(copy("qwen3-compressed")).reranker?.tokens);
    expect(byModule).toEqual({ yes, no });
    const dir = copy("qwen3");
    file("1_LogitScore/config.json", { true_token_id: 5, false_token_id: 6 })(dir);
    expect(readConfig(dir).reranker?.tokens).toEqual({ yes: 5, no: 6 });
  });

  it("has the instruction of its prompts, or of its chat template", () => {
    const dir = copy("qwen3");
    json("tokenizer_config.json", (content) => ({
      ...content,
      chat_template: String(content["chat_template"]).replace("Given a web search query", "Given a law"),
    }))(dir);
    expect(readConfig(dir).reranker?.prompt?.instruction).toMatch(/^Given a law, /);
    json("config_sentence_transformers.json", (content) => ({
      ...content,
      prompts: { law: "Find laws" },
      default_prompt_name: "law",
    }))(dir);
    expect(readConfig(dir).reranker?.prompt?.instruction).toBe("Find laws");
  });

  it("may name the activation that its scores have anyway", () => {
    for (const name of ["Identity", "Sigmoid"]) {
      const module = name === "Identity" ? "torch.nn.modules.linear" : "torch.nn.modules.activation";
      const dir = copy("bert");
      config((content) => ({ ...content, sbert_ce_default_activation_function: `${module}.${name}` }))(dir);
      expect(readConfig(dir).reranker).toBeDefined();
    }
  });

  const TANH = "torch.nn.modules.activation.Tanh";
  it.each<[string, string, Edit, RegExp]>([
    [
      "three labels",
      "bert",
      config((content) => ({ ...content, id2label: { 0: "a", 1: "b", 2: "c" } })),
      /id2label has 3 labels; a reranker with one is supported$/u,
    ],
    ["no labels", "qwen3-seq-cls", config((content) => ({ ...content, id2label: null })), /id2label has no labels/u],
    [
      "another activation",
      "bert",
      config((content) => ({ ...content, sbert_ce_default_activation_function: TANH })),
      /sbert_ce_default_activation_function torch\.nn\.modules\.activation\.Tanh is not supported/u,
    ],
    [
      "another activation in the newer field",
      "xlm-roberta",
      config((content) => ({ ...content, sentence_transformers: { activation_fn: TANH } })),
      /sentence_transformers\.activation_fn .*Tanh is not supported/u,
    ],
    [
      "another activation beside the modules",
      "bert-modules",
      json("config_sentence_transformers.json", (content) => ({ ...content, activation_fn: TANH })),
      /activation_fn .*Tanh is not supported/u,
    ],
    [
      "a score of one token",
      "qwen3",
      file("1_LogitScore/config.json", { true_token_id: 5, false_token_id: null }),
      /false_token_id is missing; a score of two tokens is supported$/u,
    ],
    [
      "a token beyond the table",
      "qwen3",
      file("1_LogitScore/config.json", { true_token_id: 5_000, false_token_id: 1 }),
      /token id 5000 is not below/u,
    ],
    [
      "another prompt",
      "qwen3",
      json("tokenizer_config.json", (content) => ({
        ...content,
        chat_template: String(content["chat_template"]).replace("<Query>", "<Question>"),
      })),
      /the chat template puts pairs together otherwise/u,
    ],
    [
      "a prompt of a cross-encoder",
      "bert-modules",
      json("config_sentence_transformers.json", (content) => ({
        ...content,
        prompts: { a: "Find" },
        default_prompt_name: "a",
      })),
      /default_prompt_name "a" is not supported/u,
    ],
    [
      "a Dense after the transformer",
      "bert-modules",
      file("modules.json", [TRANSFORMER, { ...POOLING, type: "sentence_transformers.models.Dense" }]),
      /the modules Transformer, Dense are not supported/u,
    ],
    [
      "a pooling beside a classifier",
      "bert",
      both(file("modules.json", [TRANSFORMER, POOLING]), LAST_TOKEN),
      /BertForSequenceClassification is no embedding model, which modules\.json says it is; both have to agree$/u,
    ],
    [
      "a tokenizer without the words",
      "qwen3-reranker-untied",
      json("tokenizer.json", (content) => ({ ...content, model: { ...(content["model"] as Json), vocab: {} } })),
      /has no token "yes"/u,
    ],
    [
      "no pooler",
      "bert",
      config((content) => ({ ...content, architectures: ["BertModel"] })),
      /classifier\.bias is no part of|classifier\.weight is no part of/u,
    ],
    [
      "another class",
      "bert",
      config((content) => ({ ...content, architectures: ["BertForTokenClassification"] })),
      /BertForTokenClassification .* is not supported; BertModel or BertForSequenceClassification is$/u,
    ],
    ["a second head", "qwen3", added("score.weight", zeros(64)), /score\.weight is no part of/u],
  ])("with %s is refused by name", async (_, name, edit, sentence) => {
    expect(await refusal(copy(name), edit)).toMatch(sentence);
  });

  it("is refused where an embedding model's class is said to be one", async () => {
    const dir = copyCheckpoint(EMBEDDING, scratch);
    const edit = both(
      config((content) => ({ ...content, architectures: ["Qwen3Model"] })),
      file("modules.json", [TRANSFORMER]),
    );
    expect(await refusal(dir, edit)).toMatch(/Qwen3Model is no reranker, which modules\.json says it is/u);
    expect(() => readConfig(dir)).toThrow(CheckpointError);
  });
});
