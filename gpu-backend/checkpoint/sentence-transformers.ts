// What sentence-transformers' files beside the weights say: the modules after the transformer, pooling, the context, and
// the prompts. A folder without them is a bare Qwen3 embedding model: last token, Qwen's own query prompt.

import { join } from "node:path";
import * as z from "zod";

import { DEFAULT_QUERY_INSTRUCTION, instructionPrefix } from "../../shared/token-bound.ts";
import { PROMPT_CHARS_MAX, type Prompts } from "../../shared/wire.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { checkFields, MODULES, POOLING, SENTENCE_BERT, SENTENCE_TRANSFORMERS } from "./meaning.ts";
import { isFileName } from "./plain-file.ts";
import { readJson, readOptionalJson } from "./read-json.ts";

export interface SentenceTransformers {
  /** Tokens that a text may have by sentence_bert_config.json, the template's included; undefined: it says nothing. */
  readonly maxTokens: number | undefined;
  readonly prompts: Prompts;
}

const MODULES_FILE = "modules.json";
const PROMPTS_FILE = "config_sentence_transformers.json";
/** The names under which sentence-transformers looks for the transformer's settings. */
const TRANSFORMER_FILES = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"].map(
  (name) => `sentence_${name}_config.json`,
);
/** Where the pooling's settings lie when no modules.json says it. */
const POOLING_DIR = "1_Pooling";
/** By the names that sentence-transformers' encode_query and encode_document look for, the first one that is there. */
const QUERY_PROMPTS = ["query"];
const DOCUMENT_PROMPTS = ["document", "passage", "corpus"];

const objectSchema = z.record(z.string(), z.unknown());
const moduleSchema = z.looseObject({ type: z.string(), path: z.string() });
const poolingSchema = z.looseObject({ pooling_mode_lasttoken: z.boolean().nullish() });
const transformerSchema = z.looseObject({ max_seq_length: z.int().positive().nullish() });
const promptsSchema = z.looseObject({
  prompts: z.record(z.string(), z.string().max(PROMPT_CHARS_MAX)).nullish(),
  default_prompt_name: z.string().nullish(),
  similarity_fn_name: z.string().nullish(),
});

/** Reads what is there. Throws CheckpointError for modules, pooling or settings that are not built here. */
export function readSentenceTransformers(dir: string): SentenceTransformers {
  const modules = readModules(dir);
  const poolingDir = modules?.find(({ kind }) => kind === "Pooling")?.path;
  readPooling(dir, poolingDir ?? POOLING_DIR, poolingDir !== undefined);
  const normalised = modules === undefined || modules.some(({ kind }) => kind === "Normalize");
  return { maxTokens: readMaxTokens(dir), prompts: readPrompts(dir, normalised) };
}

interface Module {
  readonly kind: string;
  readonly path: string;
}

/** The modules in order; undefined without a modules.json. */
function readModules(dir: string): readonly Module[] | undefined {
  const path = join(dir, MODULES_FILE);
  const modules = readOptionalJson(dir, MODULES_FILE, z.array(moduleSchema))?.map(({ type, path: place }) => {
    const kind = type.startsWith("sentence_transformers.") ? type.slice(type.lastIndexOf(".") + 1) : type;
    if (!Object.hasOwn(MODULES, kind))
      throw new CheckpointError(`${path}: module ${type} is not supported; ${Object.keys(MODULES).join(", ")} are`);
    return { kind, path: place };
  });
  if (modules === undefined) return undefined;
  const order = modules.map(({ kind }) => kind).filter((kind) => kind === "Transformer" || kind === "Pooling");
  if (modules[0]?.kind !== "Transformer" || order.join() !== "Transformer,Pooling")
    throw new CheckpointError(
      `${path}: the modules ${modules.map(({ kind }) => kind).join(", ")} are not supported; one Transformer, then one Pooling is`,
    );
  if (modules[0].path !== "")
    throw new CheckpointError(
      `${path}: the transformer lies in ${modules[0].path}; one in the checkpoint's own folder (path "") is supported`,
    );
  return modules;
}

function readPooling(dir: string, poolingDir: string, named: boolean): void {
  if (!isFileName(poolingDir))
    throw new CheckpointError(`${join(dir, MODULES_FILE)}: the path ${JSON.stringify(poolingDir)} is no folder's name`);
  const read = named ? readJson : readOptionalJson;
  const pooling = read(join(dir, poolingDir), "config.json", poolingSchema);
  if (pooling === undefined) return;
  const path = join(dir, poolingDir, "config.json");
  checkFields(path, "", POOLING, pooling);
  if (pooling.pooling_mode_lasttoken !== true && pooling["pooling_mode"] !== "lasttoken")
    throw new CheckpointError(`${path}: pooling_mode_lasttoken is not true; last-token pooling is supported`);
}

function readMaxTokens(dir: string): number | undefined {
  for (const name of TRANSFORMER_FILES) {
    const settings = readOptionalJson(dir, name, transformerSchema);
    if (settings === undefined) continue;
    checkFields(join(dir, name), "", SENTENCE_BERT, settings);
    return settings.max_seq_length ?? undefined;
  }
  return undefined;
}

function readPrompts(dir: string, normalised: boolean): Prompts {
  const path = join(dir, PROMPTS_FILE);
  const settings = readOptionalJson(dir, PROMPTS_FILE, promptsSchema) ?? {};
  checkFields(path, "", SENTENCE_TRANSFORMERS, objectSchema.parse(settings));
  const { similarity_fn_name: similarity } = settings;
  if (!normalised && similarity && similarity !== "cosine")
    throw new CheckpointError(
      `${path}: similarity_fn_name ${similarity} without a Normalize module is not supported; vectors of length 1 (cosine) are`,
    );
  const prompts = settings.prompts ?? {};
  const first = (names: readonly string[]): string | undefined => {
    const name = names.find((one) => Object.hasOwn(prompts, one));
    return name === undefined ? undefined : prompts[name];
  };
  const name = settings.default_prompt_name ?? undefined;
  if (name !== undefined && !Object.hasOwn(prompts, name))
    throw new CheckpointError(
      `${path}: default_prompt_name ${JSON.stringify(name)} is none of the prompts ${Object.keys(prompts).join(", ")}`,
    );
  const plain = (name === undefined ? undefined : prompts[name]) ?? "";
  return {
    query: first(QUERY_PROMPTS) ?? (name === undefined ? instructionPrefix(DEFAULT_QUERY_INSTRUCTION) : plain),
    document: first(DOCUMENT_PROMPTS) ?? plain,
    plain,
  };
}
