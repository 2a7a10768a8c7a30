// Reads sentence-transformers' files besides the weights: the modules after the transformer, pooling, the context, and
// the prompts. A folder without them is a bare embedding model: its architecture's pooling, and for a decoder Qwen's
// own query prompt.

import { join } from "node:path";
import * as z from "zod";

import { DEFAULT_QUERY_INSTRUCTION, INSTRUCTION_PLACE, instructionPrefix } from "../../shared/token-bound.ts";
import { PROMPT_CHARS_MAX, type Prompts } from "../../shared/wire.ts";
import type { Pooling } from "../compiler/architectures/architecture.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { checkFields, DENSE, MODULES, POOLING, SENTENCE_BERT, SENTENCE_TRANSFORMERS } from "./meaning.ts";
import { isFileName } from "./plain-file.ts";
import { readJson, readOptionalJson } from "./read-json.ts";

export interface SentenceTransformers {
  /** Tokens that a text may have by sentence_bert_config.json, the template's included; undefined: it says nothing. */
  readonly maxTokens: number | undefined;
  readonly pooling: Pooling;
  readonly dense: readonly DenseModule[];
  readonly prompts: Prompts;
}

/** A linear layer that pooled vectors go through, and what its values go through then. */
export interface DenseModule {
  /** In the checkpoint's folder. */
  readonly folder: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly biased: boolean;
  readonly activation: "identity" | "tanh";
}

export const MODULES_FILE = "modules.json";
export const PROMPTS_FILE = "config_sentence_transformers.json";
/** The names under which sentence-transformers looks for the transformer's settings. */
const TRANSFORMER_FILES = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"].map(
  (name) => `sentence_${name}_config.json`,
);
/** Where the pooling's settings lie when no modules.json says it. */
export const POOLING_DIR = "1_Pooling";
/** By the names that sentence-transformers' encode_query and encode_document look for, the first one that is there. */
const QUERY_PROMPTS = ["query"];
const DOCUMENT_PROMPTS = ["document", "passage", "corpus"];

const objectSchema = z.record(z.string(), z.unknown());
const moduleSchema = z.looseObject({ type: z.string(), path: z.string() });
const POOLINGS = ["lasttoken", "cls", "mean"] as const satisfies readonly Pooling[];
const POOLING_FIELDS = {
  lasttoken: "pooling_mode_lasttoken",
  cls: "pooling_mode_cls_token",
  mean: "pooling_mode_mean_tokens",
} as const;
const flag = z.boolean().nullish();
const poolingSchema = z.looseObject({
  pooling_mode_lasttoken: flag,
  pooling_mode_cls_token: flag,
  pooling_mode_mean_tokens: flag,
  pooling_mode: z.string().nullish(),
  include_prompt: flag,
});
const DENSE_ACTIVATIONS: Readonly<Record<string, DenseModule["activation"]>> = {
  "torch.nn.modules.linear.Identity": "identity",
  "torch.nn.modules.activation.Tanh": "tanh",
};
const denseSchema = z.looseObject({
  in_features: z.int().positive(),
  out_features: z.int().positive(),
  bias: flag,
  activation_function: z.string().nullish(),
});
const transformerSchema = z.looseObject({ max_seq_length: z.int().positive().nullish() });
const promptsSchema = z.looseObject({
  prompts: z.record(z.string(), z.string().max(PROMPT_CHARS_MAX)).nullish(),
  default_prompt_name: z.string().nullish(),
  similarity_fn_name: z.string().nullish(),
});

/** Reads what is there. `width`: of a hidden state. `otherwise`: the pooling of a folder that says none. Throws CheckpointError. */
export function readSentenceTransformers(dir: string, width: number, otherwise: Pooling): SentenceTransformers {
  const modules = readModules(dir);
  const poolingDir = modules?.find(({ kind }) => kind === "Pooling")?.path;
  const pooling = readPooling(dir, poolingDir ?? POOLING_DIR, poolingDir !== undefined) ?? otherwise;
  const normalised = modules === undefined || modules.some(({ kind }) => kind === "Normalize");
  const dense = readDense(
    dir,
    width,
    (modules ?? []).flatMap(({ kind, path }) => (kind === "Dense" ? [path] : [])),
  );
  return { maxTokens: readMaxTokens(dir), pooling, dense, prompts: readPrompts(dir, pooling, normalised) };
}

interface Module {
  readonly kind: string;
  readonly path: string;
}

/** The modules in order, of an embedding model or a reranker; undefined without a modules.json. Throws CheckpointError. */
export function listModules(dir: string): readonly Module[] | undefined {
  const path = join(dir, MODULES_FILE);
  const modules = readOptionalJson(dir, MODULES_FILE, z.array(moduleSchema))?.map(({ type, path: place }) => {
    const kind = type.startsWith("sentence_transformers.") ? type.slice(type.lastIndexOf(".") + 1) : type;
    if (!Object.hasOwn(MODULES, kind))
      throw new CheckpointError(`${path}: module ${type} is not supported; ${Object.keys(MODULES).join(", ")} are`);
    return { kind, path: place };
  });
  if (modules !== undefined && modules[0]?.path !== "")
    throw new CheckpointError(
      `${path}: the transformer lies in ${modules[0]?.path}; one in the checkpoint's own folder (path "") is supported`,
    );
  return modules;
}

function readModules(dir: string): readonly Module[] | undefined {
  const path = join(dir, MODULES_FILE);
  const modules = listModules(dir);
  if (modules === undefined) return undefined;
  const order = modules.map(({ kind }) => kind).filter((kind) => kind !== "Dropout");
  if (!/^Transformer,Pooling(,Dense)*(,Normalize)?$/.test(order.join()))
    throw new CheckpointError(
      `${path}: the modules ${modules.map(({ kind }) => kind).join(", ")} are not supported; one Transformer, then one Pooling, any Dense, and Normalize are`,
    );
  return modules;
}

/** The folder of a module. */
export function folderOf(dir: string, path: string): string {
  if (isFileName(path)) return join(dir, path);
  throw new CheckpointError(`${join(dir, MODULES_FILE)}: the path ${JSON.stringify(path)} is no folder's name`);
}

/** undefined: there is no such folder, and none is `named`. */
function readPooling(dir: string, poolingDir: string, named: boolean): Pooling | undefined {
  const folder = folderOf(dir, poolingDir);
  const read = named ? readJson : readOptionalJson;
  const settings = read(folder, "config.json", poolingSchema);
  if (settings === undefined) return undefined;
  const path = join(folder, "config.json");
  checkFields(path, "", POOLING, settings);
  const modes = new Set(
    POOLINGS.filter((mode) => settings[POOLING_FIELDS[mode]] === true || settings.pooling_mode === mode),
  );
  const [mode] = modes;
  if (mode === undefined || modes.size > 1)
    throw new CheckpointError(
      `${path}: pooling_mode is ${mode === undefined ? "none" : [...modes].join(" and ")}; one of ${POOLINGS.join(", ")} (${Object.values(POOLING_FIELDS).join(", ")}) is needed`,
    );
  if (mode === "mean" && settings.include_prompt === false)
    throw new CheckpointError(
      `${path}: include_prompt false is not supported with the mean of all tokens; true is: the prompt's are among them`,
    );
  return mode;
}

function readDense(dir: string, width: number, paths: readonly string[]): readonly DenseModule[] {
  let inFeatures = width;
  return paths.map((name) => {
    const folder = folderOf(dir, name);
    const path = join(folder, "config.json");
    const settings = readJson(folder, "config.json", denseSchema);
    checkFields(path, "", DENSE, settings);
    if (settings.in_features !== inFeatures)
      throw new CheckpointError(
        `${path}: in_features is ${settings.in_features}, and what goes in has ${inFeatures}; both have to agree`,
      );
    const kind = settings.activation_function ?? "torch.nn.modules.activation.Tanh";
    const activation = Object.hasOwn(DENSE_ACTIVATIONS, kind) ? DENSE_ACTIVATIONS[kind] : undefined;
    if (activation === undefined)
      throw new CheckpointError(
        `${path}: activation_function ${JSON.stringify(kind)} is not supported; ${Object.keys(DENSE_ACTIVATIONS).join(" or ")} is`,
      );
    inFeatures = settings.out_features;
    return {
      folder: name,
      inFeatures: settings.in_features,
      outFeatures: settings.out_features,
      biased: settings.bias ?? true,
      activation,
    };
  });
}

/** Tokens that a text, or a pair, may have by the transformer's own settings; undefined: they say nothing. */
export function readMaxTokens(dir: string): number | undefined {
  for (const name of TRANSFORMER_FILES) {
    const settings = readOptionalJson(dir, name, transformerSchema);
    if (settings === undefined) continue;
    checkFields(join(dir, name), "", SENTENCE_BERT, settings);
    return settings.max_seq_length ?? undefined;
  }
  return undefined;
}

/** Forms of a query's prompt that contain an instruction: Qwen's and E5's, and bge-multilingual-gemma2's. */
const INSTRUCTION_FORMS = [/^(Instruct: )[^\n]*(\nQuery: ?)$/, /^(<instruct>)[^\n]*(\n<query>)$/];

/** The form of `query` with a place in it for the caller's instruction. */
function instructionFormOf(query: string | undefined): string | undefined {
  const form = INSTRUCTION_FORMS.find((known) => known.test(query ?? ""));
  return form && query?.replace(form, (_, before: string, after: string) => before + INSTRUCTION_PLACE + after);
}

function readPrompts(dir: string, pooling: Pooling, normalised: boolean): Prompts {
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
  // Decoders that are made embedding models follow instructions, and encoders do not, unless their prompts say so.
  const isDecoder = pooling === "lasttoken";
  const query = first(QUERY_PROMPTS);
  const otherwise = isDecoder && name === undefined ? instructionPrefix(DEFAULT_QUERY_INSTRUCTION) : plain;
  return {
    query: query ?? otherwise,
    document: first(DOCUMENT_PROMPTS) ?? plain,
    plain,
    instruction: instructionFormOf(query) ?? (isDecoder ? instructionPrefix(INSTRUCTION_PLACE) : null),
  };
}
