// What tokenizer.json and tokenizer_config.json say, as far as it decides whether the tokenizer is one that is built
// here, and which token ends a text. Loading it is gpu-backend/tokenizer/'s, in a thread of its own.

import { join } from "node:path";
import * as z from "zod";

import { CheckpointError } from "./checkpoint-error.ts";
import { ADDED_TOKEN, checkFields, TOKENIZER, TOKENIZER_CONFIG, TOKENIZER_MODEL } from "./meaning.ts";
import { readOptionalJson } from "./read-json.ts";

/** Ends a text where the tokenizer's template names no other token. */
export const END_TOKEN = "<|endoftext|>";

/** A step of a normalizer, pre-tokenizer or post-processor. */
const stepSchema = z.looseObject({
  type: z.string(),
  add_prefix_space: z.boolean().nullish(),
  single: z.array(z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() })).optional(),
  special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })).optional(),
});
type Step = z.infer<typeof stepSchema>;
const stepsSchema = z.array(stepSchema).optional();
/** One step, or a sequence: its steps' field is called after what they are. */
const sequenceSchema = stepSchema.extend({
  normalizers: stepsSchema,
  pretokenizers: stepsSchema,
  processors: stepsSchema,
});
type Sequence = z.infer<typeof sequenceSchema>;
const tokenizerSchema = z.looseObject({
  model: z.looseObject({}),
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
  normalizer: sequenceSchema.nullish(),
  pre_tokenizer: sequenceSchema.nullish(),
  post_processor: sequenceSchema.nullish(),
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;
const configSchema = z.looseObject({
  added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })).default({}),
});

/**
 * Id of the token that ends every text: the last one of the template, or END_TOKEN's; undefined: the files, either of
 * which may be missing, name none. Throws CheckpointError for a tokenizer that is not built here.
 */
export function readEndToken(dir: string): number | undefined {
  const tokenizer = readOptionalJson(dir, "tokenizer.json", tokenizerSchema);
  const decoder = readOptionalJson(dir, "tokenizer_config.json", configSchema);
  if (decoder !== undefined) checkFields(join(dir, "tokenizer_config.json"), "", TOKENIZER_CONFIG, decoder);
  const inDecoder = Object.entries(decoder?.added_tokens_decoder ?? {});
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
  return templateEnd(tokenizer) ?? tokenizer.added_tokens.find((token) => token.content === END_TOKEN)?.id;
}

function checkTokenizer(path: string, tokenizer: TokenizerFile): void {
  checkFields(path, "", TOKENIZER, tokenizer);
  checkFields(path, "model.", TOKENIZER_MODEL, tokenizer.model);
  for (const token of tokenizer.added_tokens) checkFields(path, "added_tokens.", ADDED_TOKEN, token);
  checkSteps(path, "normalizer", stepsOf(tokenizer.normalizer), ["NFC"]);
  checkSteps(path, "post_processor", stepsOf(tokenizer.post_processor), ["ByteLevel", "TemplateProcessing"]);
  const splits = stepsOf(tokenizer.pre_tokenizer);
  if (!splits.some(({ type }) => type === "ByteLevel"))
    throw new CheckpointError(`${path}: a pre_tokenizer without ByteLevel is not supported; byte-level BPE is`);
  if (splits.some(({ add_prefix_space: prefixed }) => prefixed === true))
    throw new CheckpointError(`${path}: pre_tokenizer add_prefix_space true is not supported; texts as they are are`);
}

/** The steps of a sequence, or the one step that it is. */
function stepsOf(sequence: Sequence | null | undefined): readonly Step[] {
  if (sequence === null || sequence === undefined) return [];
  if (sequence.type !== "Sequence") return [sequence];
  return sequence.normalizers ?? sequence.pretokenizers ?? sequence.processors ?? [];
}

function checkSteps(path: string, field: string, steps: readonly Step[], known: readonly string[]): void {
  const other = steps.find(({ type }) => !known.includes(type));
  if (other === undefined) return;
  throw new CheckpointError(`${path}: ${field} ${other.type} is not supported; ${known.join(" and ")} is`);
}

/** The id that the tokenizer's own template puts after a text, if it puts one. */
function templateEnd(tokenizer: TokenizerFile): number | undefined {
  const template = stepsOf(tokenizer.post_processor).findLast(({ type }) => type === "TemplateProcessing");
  const token = template?.single?.at(-1)?.SpecialToken?.id;
  return token === undefined ? undefined : template?.special_tokens?.[token]?.ids.at(-1);
}
