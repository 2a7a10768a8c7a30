// What makes a folder a reranker, and how it reads pairs. config.json's class says it, or, of a class that embedding models
// have too (Qwen3ForCausalLM), what stands beside the weights: sentence-transformers' files, a chat template for pairs, a
// tokenizer that ends its texts (an embedding model's does), and last the folder's name, as published ones have it.

import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import * as z from "zod";

import type { Architecture, PairPrompt, ScoreHead } from "../compiler/architectures/architecture.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { checkFields, CROSS_ENCODER, LOGIT_SCORE } from "./meaning.ts";
import type { RawConfig } from "./raw-config.ts";
import { readJson, readOptionalJson } from "./read-json.ts";
import { folderOf, listModules, MODULES_FILE, POOLING_DIR, PROMPTS_FILE } from "./sentence-transformers.ts";
import { endsTexts, readChatTemplate, readTokenIds } from "./tokenizer-files.ts";

export interface Reranker {
  readonly head: ScoreHead;
  /** Of a head over tokens: whose rows are subtracted. */
  readonly tokens?: { readonly yes: number; readonly no: number };
  /** Absent: pairs are put together by the tokenizer's own template. */
  readonly prompt?: PairPrompt;
}

const YES = "yes";
const NO = "no";
/** A logit goes through a sigmoid whichever of these the folder names: scores are from 0 to 1. */
const ACTIVATIONS = ["torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"];
const settingsSchema = z.looseObject({
  model_type: z.string().nullish(),
  activation_fn: z.string().nullish(),
  prompts: z.record(z.string(), z.string()).nullish(),
  default_prompt_name: z.string().nullish(),
});
const tokenId = z.int().nonnegative();
const logitScoreSchema = z.looseObject({ true_token_id: tokenId, false_token_id: tokenId.nullish() });
/** A chat template that speaks of a pair's documents, and the instruction that it gives a pair without one. */
const PAIRS = /["']document["']/;
const DEFAULT_INSTRUCTION = /\bdefault\("([^"\\]*)"\)/;
const NAMED = /rerank|embed/i;

/** undefined: the folder is an embedding model. Throws CheckpointError for what is neither, or both. */
export function readReranker(dir: string, raw: RawConfig, architecture: Architecture): Reranker | undefined {
  const path = join(dir, "config.json");
  const head = headOf(dir, raw, architecture);
  if (head === undefined) return undefined;
  const { id2label } = raw;
  if (head.kind === "linear" && Object.keys(id2label ?? {}).length !== 1)
    throw new CheckpointError(
      `${path}: id2label has ${id2label ? Object.keys(id2label).length : "no"} labels; a reranker with one is supported`,
    );
  const settings = readOptionalJson(dir, PROMPTS_FILE, settingsSchema) ?? {};
  checkFields(join(dir, PROMPTS_FILE), "", CROSS_ENCODER, settings);
  checkActivation(join(dir, PROMPTS_FILE), "activation_fn", settings.activation_fn);
  checkActivation(path, "sentence_transformers.activation_fn", raw.sentence_transformers?.activation_fn);
  checkActivation(path, "sbert_ce_default_activation_function", raw.sbert_ce_default_activation_function);
  const name = settings.default_prompt_name ?? undefined;
  const instruction = name === undefined ? undefined : settings.prompts?.[name];
  const { pairPrompt } = architecture;
  if (pairPrompt === undefined && instruction)
    throw new CheckpointError(
      `${join(dir, PROMPTS_FILE)}: default_prompt_name ${JSON.stringify(name)} is not supported; pairs without a prompt are`,
    );
  return {
    head,
    ...(head.kind === "tokens" && { tokens: readTokens(dir, raw) }),
    ...(pairPrompt && { prompt: { ...pairPrompt, instruction: instruction ?? readPairs(dir, pairPrompt) } }),
  };
}

/** The class's head, if the folder is a reranker's. */
function headOf(dir: string, raw: RawConfig, { classes, rerankers = {} }: Architecture): ScoreHead | undefined {
  const { architectures } = raw;
  const name = Array.isArray(architectures) ? String(architectures[0]) : "";
  const head = Object.hasOwn(rerankers, name) ? rerankers[name] : undefined;
  const said = kindSaid(dir);
  if (
    said !== undefined &&
    (said.kind === "reranker" ? head === undefined : !classes.includes(name) && head !== undefined)
  )
    throw new CheckpointError(
      `${join(dir, "config.json")}: ${name || "architectures"} is no ${said.kind === "reranker" ? "reranker" : "embedding model"}, which ${said.file} says it is; both have to agree`,
    );
  if (head === undefined || !classes.includes(name)) return head;
  return (said?.kind ?? kindOfBoth(dir, raw)) === "reranker" ? head : undefined;
}

interface Said {
  readonly kind: "embedding" | "reranker";
  readonly file: string;
}

/** What sentence-transformers' files say. */
function kindSaid(dir: string): Said | undefined {
  const modules = listModules(dir)?.map(({ kind }) => kind);
  if (modules?.includes("Pooling")) return { kind: "embedding", file: MODULES_FILE };
  if (modules !== undefined) {
    if (/^Transformer(,LogitScore)?$/.test(modules.join())) return { kind: "reranker", file: MODULES_FILE };
    throw new CheckpointError(
      `${join(dir, MODULES_FILE)}: the modules ${modules.join(", ")} are not supported; a Transformer with a Pooling (an embedding model), or alone or with a LogitScore (a reranker) is`,
    );
  }
  const type = readOptionalJson(dir, PROMPTS_FILE, settingsSchema)?.model_type;
  if (type === "CrossEncoder") return { kind: "reranker", file: PROMPTS_FILE };
  if (existsSync(join(dir, POOLING_DIR))) return { kind: "embedding", file: POOLING_DIR };
  return type === "SentenceTransformer" ? { kind: "embedding", file: PROMPTS_FILE } : undefined;
}

/** Of a class that both have, in a folder without sentence-transformers' files. */
function kindOfBoth(dir: string, raw: RawConfig): Said["kind"] {
  if (PAIRS.test(readChatTemplate(dir) ?? "")) return "reranker";
  if (endsTexts(dir)) return "embedding";
  // A folder that the hub was asked for is called after the commit, and the one above it after the model.
  const folder = resolve(dir);
  const { _name_or_path: said } = raw;
  const names = [said ?? "", basename(folder), basename(dirname(folder))];
  const named = names.map((name) => NAMED.exec(name)?.[0]).find((match) => match !== undefined);
  return named?.toLowerCase() === "rerank" ? "reranker" : "embedding";
}

function checkActivation(path: string, field: string, value: string | null | undefined): void {
  if (value === null || value === undefined || ACTIVATIONS.includes(value)) return;
  throw new CheckpointError(`${path}: ${field} ${value} is not supported; ${ACTIVATIONS.join(" or ")} is`);
}

/** By the module that scores, or by the words themselves. */
function readTokens(dir: string, { vocab_size: rows }: RawConfig): { yes: number; no: number } {
  const module = listModules(dir)?.find(({ kind }) => kind === "LogitScore");
  if (module === undefined) {
    const [yes, no] = readTokenIds(dir, [YES, NO]);
    if (yes !== undefined && no !== undefined) return { yes, no };
    throw new CheckpointError(
      `${join(dir, "tokenizer.json")}: has no token ${JSON.stringify(yes === undefined ? YES : NO)}, whose logit a reranker's score is made of`,
    );
  }
  const folder = folderOf(dir, module.path);
  const path = join(folder, "config.json");
  const settings = readJson(folder, "config.json", logitScoreSchema);
  checkFields(path, "", LOGIT_SCORE, settings);
  const { true_token_id: yes, false_token_id: no } = settings;
  if (no === null || no === undefined)
    throw new CheckpointError(`${path}: false_token_id is missing; a score of two tokens is supported`);
  if (Math.max(yes, no) >= rows)
    throw new CheckpointError(`${path}: token id ${Math.max(yes, no)} is not below config.json's vocab_size ${rows}`);
  return { yes, no };
}

/** The instruction of the chat template for pairs, or the architecture's. Another template than the architecture's is refused. */
function readPairs(dir: string, prompt: PairPrompt): string {
  const template = readChatTemplate(dir) ?? "";
  if (!PAIRS.test(template)) return prompt.instruction;
  // Jinja takes one newline from a template's end.
  const text = template
    .replaceAll(/\{%[^]*?-%\}\s*|\{%[^]*?%\}/g, "")
    .replaceAll(/\{\{[^]*?\}\}/g, "{}")
    .replace(/\n$/, "");
  const { start, instruct, query, document, end } = prompt;
  if (text === `${start}${instruct}{}${query}{}${document}{}${end}`)
    return DEFAULT_INSTRUCTION.exec(template)?.[1] ?? prompt.instruction;
  throw new CheckpointError(
    `${dir}: the chat template puts pairs together otherwise than ${JSON.stringify(start + instruct)}…; that of Qwen3-Reranker is supported`,
  );
}
