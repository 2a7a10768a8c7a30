// The one place that knows @huggingface/tokenizers: text → ids and back, without special tokens of the template, plus
// what the checkpoint's files say about specials and token lengths. Everything above works on this interface, so a
// faster tokenizer can take its place as long as the exactness test (test/vectors/demo-reference.json) holds.

import { join } from "node:path";

import { Tokenizer } from "@huggingface/tokenizers";
import * as z from "zod";

import { utf8Length } from "../../shared/token-bound.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { readJson } from "../checkpoint/read-json.ts";
import { addedTokensOf, breaksWithin, type CutRules } from "./segments.ts";

export interface TokenizerLibrary {
  /** Ids of `text` alone: what the template adds around it is in `leading` and `trailing`. */
  encode(text: string): number[];
  /** The text of `ids`; bytes that are no UTF-8 become U+FFFD. Every id is known (`tokenBytes` gives a length). */
  decode(ids: readonly number[]): string;
  /** Bytes of normalised text that a token stands for; undefined for an id that the tokenizer does not have. */
  tokenBytes(id: number): number | undefined;
  readonly longestTokenBytes: number;
  /** Ids that the template puts before every text (none for Qwen3). */
  readonly leading: readonly number[];
  /** Ids that end every text: the template's, or the model's ending token where it has none. */
  readonly trailing: readonly number[];
  /** How a text may be cut so that its pieces have the ids of the whole; undefined: not at all. */
  readonly cutRules: CutRules | undefined;
}

/** Ids above are no vocabulary's (the largest known has 262,144): they would only make arrays of a thousand million holes. */
const TOKEN_ID_MAX = 2 ** 22;

const splitSchema = z.looseObject({
  type: z.string(),
  pattern: z.looseObject({ Regex: z.string().optional() }).optional(),
  behavior: z.string().optional(),
  invert: z.boolean().optional(),
  add_prefix_space: z.boolean().optional(),
});
const preTokenizerSchema = z.looseObject({ type: z.string(), pretokenizers: z.array(splitSchema).optional() });
const definitionSchema = z.looseObject({
  normalizer: z.unknown().optional(),
  pre_tokenizer: preTokenizerSchema.nullish(),
  model: z.looseObject({ vocab: z.custom<object>((value) => typeof value === "object" && value !== null) }),
  added_tokens: z
    .array(
      z.looseObject({
        id: z.int(),
        content: z.string(),
        special: z.boolean().default(false),
        normalized: z.boolean().optional(),
        lstrip: z.boolean().default(false),
        rstrip: z.boolean().default(false),
      }),
    )
    .default([]),
});
type Definition = z.infer<typeof definitionSchema>;

/**
 * Loads `dir`/tokenizer.json. `endTokenId` ends every text where the template adds nothing; `vocabSize`: rows of the model's
 * table. Throws CheckpointError.
 */
export function loadTokenizer(dir: string, endTokenId: number, vocabSize: number): TokenizerLibrary {
  const path = join(dir, "tokenizer.json");
  const definition = readJson(dir, "tokenizer.json", definitionSchema);
  const bytes = tokenLengths(path, definition);
  const tokenizer = construct(path, definition);
  const { leading, trailing } = templateIds(tokenizer, endTokenId);
  const beyond = [...leading, ...trailing].find((id) => id >= vocabSize);
  if (beyond !== undefined)
    throw new CheckpointError(`${path}: its template adds id ${beyond}; config.json's vocab_size is ${vocabSize}`);
  return {
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) =>
      ids.length === 0
        ? ""
        : tokenizer.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    tokenBytes: (id) => bytes[id],
    longestTokenBytes: bytes.reduce<number>((most, length) => Math.max(most, length ?? 0), 1),
    leading,
    trailing,
    cutRules: cutRulesOf(definition),
  };
}

/** Regular expressions under which segments.ts's cuts are exact: GPT-4's family and its descendants. */
const KNOWN_SPLITS: ReadonlySet<string> = new Set([
  // Qwen2, Qwen2.5, Qwen3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  // Llama 3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);

/** Undefined where the pre-tokenizer is not known, or an added token takes white space or is matched after normalising. */
function cutRulesOf({
  pre_tokenizer: preTokenizer,
  added_tokens: added,
  normalizer,
}: Definition): CutRules | undefined {
  const steps = preTokenizer?.pretokenizers ?? (preTokenizer ? [splitSchema.parse(preTokenizer)] : []);
  const known = steps.every(({ type, pattern, behavior, invert, add_prefix_space: prefixed }) => {
    if (type === "Digits") return true;
    if (type === "ByteLevel") return prefixed !== true;
    return type === "Split" && behavior === "Isolated" && invert !== true && KNOWN_SPLITS.has(pattern?.Regex ?? "");
  });
  const late = added.filter(({ special, normalized }) => normalizer && (normalized ?? !special));
  const breaks = late.some(({ content }) => breaksWithin(content) || breaksWithin(content.normalize("NFC")));
  if (!known || steps.length === 0 || breaks || added.some(({ lstrip, rstrip }) => lstrip || rstrip)) return undefined;
  return { addedTokens: addedTokensOf(added.filter((token) => !late.includes(token)).map(({ content }) => content)) };
}

function construct(path: string, definition: object): Tokenizer {
  try {
    // Fields that may be missing by the format, and may not by the library.
    const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
    // What tokenizer_config.json says beside it is the library's idea of other tokenizers' Python classes.
    return new Tokenizer({ ...absent, ...definition }, {});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(`${path}: not a tokenizer that can be used here (${reason})`);
  }
}

/** What the template adds around a text, seen from one that has ids of its own. */
function templateIds(tokenizer: Tokenizer, endTokenId: number): { leading: number[]; trailing: number[] } {
  const bare = tokenizer.encode("a", { add_special_tokens: false }).ids;
  const full = tokenizer.encode("a").ids;
  const start =
    full.length === bare.length ? 0 : full.findIndex((_, at) => sameIds(full.slice(at, at + bare.length), bare));
  const leading = start <= 0 ? [] : full.slice(0, start);
  const trailing = start < 0 ? [] : full.slice(start + bare.length);
  return { leading, trailing: trailing.length === 0 ? [endTokenId] : trailing };
}

function sameIds(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((id, index) => id === right[index]);
}

/** Byte-level vocabularies write one character per byte; added tokens stand for their own text. Sparse where no id is. */
function tokenLengths(path: string, { model, added_tokens: added }: Definition): (number | undefined)[] {
  const lengths: (number | undefined)[] = [];
  for (const [token, id] of Object.entries(model.vocab)) {
    checkId(path, "model.vocab", token, id);
    lengths[id] = token.length;
  }
  for (const { content, id } of added) {
    checkId(path, "added_tokens", content, id);
    lengths[id] = utf8Length(content);
  }
  return lengths;
}

function checkId(path: string, field: string, token: string, id: unknown): asserts id is number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= TOKEN_ID_MAX) return;
  throw new CheckpointError(
    `${path}: ${field} gives ${JSON.stringify(token)} the id ${String(id)}; an integer from 0 to ${TOKEN_ID_MAX} is needed`,
  );
}
