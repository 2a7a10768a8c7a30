// What tokenizer.json and tokenizer_config.json say, as far as it decides whether the tokenizer is one that is built
// here, and which token ends a text. Loading it is gpu-backend/tokenizer/'s, in a process of its own.

import { join } from "node:path";
import * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";
import { checkFields, isObject } from "./meaning.ts";
import { readPlainFile } from "./plain-file.ts";
import { readJson, readOptionalJson } from "./read-json.ts";
import { checkKind } from "./tokenizer-kinds.ts";
import { ADDED_TOKEN, TOKENIZER, TOKENIZER_CONFIG, TOKENIZER_MODELS } from "./tokenizer-meaning.ts";
import { stepsOf, stepsSchema } from "./tokenizer-steps.ts";

/** Ends a text where the tokenizer's template names no other token. */
export const END_TOKEN = "<|endoftext|>";

const tokenizerSchema = z.looseObject({
  model: z.looseObject({ type: z.string().nullish() }),
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
  normalizer: stepsSchema,
  pre_tokenizer: stepsSchema,
  post_processor: stepsSchema,
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;
const configSchema = z.looseObject({
  added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })).default({}),
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  do_lower_case: z.boolean().nullish(),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().nullish(),
});
type TokenizerConfig = z.infer<typeof configSchema>;

/**
 * Id of the token that ends every text: the last one of the template, or END_TOKEN's; undefined: the files, either of
 * which may be missing, name none. Throws CheckpointError for a tokenizer that is not built here.
 */
export function readEndToken(dir: string): number | undefined {
  const tokenizer = readOptionalJson(dir, "tokenizer.json", tokenizerSchema);
  const config = readOptionalJson(dir, "tokenizer_config.json", configSchema);
  if (config !== undefined) checkFields(join(dir, "tokenizer_config.json"), "", TOKENIZER_CONFIG, config);
  const inDecoder = Object.entries(config?.added_tokens_decoder ?? {});
  if (tokenizer === undefined) {
    const id = inDecoder.find(([, token]) => token.content === END_TOKEN)?.[0];
    return id === undefined ? undefined : Number(id);
  }
  checkTokenizer(join(dir, "tokenizer.json"), tokenizer);
  for (const [id, { content }] of inDecoder) {
    const own = tokenizer.added_tokens.find((token) => token.content === content)?.id;
    if (own === Number(id)) continue;
    throw new CheckpointError(
      `${join(dir, "tokenizer_config.json")}: added_tokens_decoder gives ${JSON.stringify(content)} the id ${id}, tokenizer.json ${own ?? "none"}; both have to agree`,
    );
  }
  const template = templateOf(tokenizer);
  if (config !== undefined) checkAgreement(join(dir, "tokenizer_config.json"), config, tokenizer, template);
  return template.last ?? tokenizer.added_tokens.find((token) => token.content === END_TOKEN)?.id;
}

/** Ids of a vocabulary's own tokens; undefined for one that it has not. Throws CheckpointError without a tokenizer.json. */
export function readTokenIds(dir: string, tokens: readonly string[]): readonly (number | undefined)[] {
  const { model } = readJson(dir, "tokenizer.json", z.looseObject({ model: z.looseObject({ vocab: z.unknown() }) }));
  return tokens.map((token) => {
    const id = isObject(model.vocab) && Object.hasOwn(model.vocab, token) ? model.vocab[token] : undefined;
    return typeof id === "number" ? id : undefined;
  });
}

/** Whether the tokenizer's template ends every text with a token; false without a tokenizer.json. */
export function endsTexts(dir: string): boolean {
  const tokenizer = readOptionalJson(dir, "tokenizer.json", tokenizerSchema);
  return tokenizer !== undefined && templateOf(tokenizer).last !== undefined;
}

/** The chat template, of a file of its own or of tokenizer_config.json; undefined: there is none, or several. */
export function readChatTemplate(dir: string): string | undefined {
  const file = readPlainFile(join(dir, "chat_template.jinja"));
  if (file !== undefined) return file.toString("utf8");
  const config = readOptionalJson(
    dir,
    "tokenizer_config.json",
    z.looseObject({ chat_template: z.unknown().optional() }),
  );
  return typeof config?.chat_template === "string" ? config.chat_template : undefined;
}

function checkTokenizer(path: string, tokenizer: TokenizerFile): void {
  checkFields(path, "", TOKENIZER, tokenizer);
  const { type } = tokenizer.model;
  // A model that does not say its type is BPE.
  const fields = TOKENIZER_MODELS[type === "WordPiece" || type === "Unigram" ? type : "BPE"];
  checkFields(path, "model.", fields, tokenizer.model);
  for (const token of tokenizer.added_tokens) checkFields(path, "added_tokens.", ADDED_TOKEN, token);
  checkKind(path, tokenizer);
}

/** Checks the settings by which transformers would change the tokenizer of tokenizer.json: they must agree with it. */
function checkAgreement(path: string, config: TokenizerConfig, tokenizer: TokenizerFile, template: Template): void {
  const bert = stepsOf(tokenizer.normalizer).find(({ type }) => type === "BertNormalizer");
  const marks = [...stepsOf(tokenizer.normalizer), ...stepsOf(tokenizer.pre_tokenizer)];
  const facts: readonly (readonly [string, boolean | null | undefined, boolean | null, string])[] = [
    // False is the value of classes that leave the template unchanged.
    [
      "add_bos_token",
      config.add_bos_token || null,
      template.first !== undefined,
      "its template begins a text with a token",
    ],
    [
      "add_eos_token",
      config.add_eos_token || null,
      template.last !== undefined,
      "its template ends a text with a token",
    ],
    [
      "add_prefix_space",
      config.add_prefix_space,
      marks.some(({ type }) => type === "Metaspace" || type === "Prepend"),
      "it begins a text with a space",
    ],
    ["do_lower_case", config.do_lower_case, bert?.lowercase ?? false, "its normalizer lowers case"],
    ["strip_accents", config.strip_accents, bert?.strip_accents ?? null, "its normalizer strips accents"],
    [
      "tokenize_chinese_chars",
      config.tokenize_chinese_chars,
      bert?.handle_chinese_chars ?? null,
      "its normalizer parts Chinese characters",
    ],
  ];
  for (const [name, said, is, what] of facts) {
    if (said === undefined || said === null || said === is) continue;
    // Without a BertNormalizer there is nothing that these two could change.
    if (is === null && !said) continue;
    throw new CheckpointError(
      `${path}: ${name} is ${said}, and of tokenizer.json it is ${is === true ? "true" : "not true"} that ${what}; both have to agree`,
    );
  }
}

interface Template {
  /** Ids of the tokens at either end, if there is one. */
  readonly first: number | undefined;
  readonly last: number | undefined;
}

function templateOf(tokenizer: TokenizerFile): Template {
  const step = stepsOf(tokenizer.post_processor).findLast(
    ({ type, sep }) => type === "TemplateProcessing" || sep !== undefined,
  );
  if (step?.sep !== undefined) return { first: step.cls?.[1], last: step.sep[1] };
  const [first, last] = [step?.single?.at(0), step?.single?.at(-1)].map((part) => part?.SpecialToken?.id);
  const ids = (token: string | undefined): readonly number[] =>
    token === undefined ? [] : (step?.special_tokens?.[token]?.ids ?? []);
  return { first: ids(first).at(0), last: ids(last).at(-1) };
}
