// The one place that knows Hugging Face's tokenizers, the library that transformers itself uses: text → ids and back, and
// what the checkpoint's files say about specials and the lengths of tokens. Its work is native and cannot be stopped from
// within: tokenizer-process.ts is ended for that, segments.ts bounds what it is given.

import { join } from "node:path";

import { Tokenizer } from "tokenizers";

import { TEMPLATE_TOKENS_MAX, utf8Length } from "../../shared/token-bound.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";
import { readJson } from "../checkpoint/read-json.ts";
import { stepsOf } from "../checkpoint/tokenizer-steps.ts";
import { cutRulesOf } from "./cut-rules.ts";
import { type Definition, definitionSchema } from "./definition.ts";
import type { CutRules } from "./segments.ts";

export interface TokenizerLibrary {
  /**
   * Ids of `text` without the template, whose ids are in `leading` and `trailing`. `follows`: it is a piece (segments.ts), and
   * not the first.
   */
  encode(text: string, follows?: boolean): Promise<number[]>;
  /** The same, and where in `text` each token begins, in code points. */
  encodeWithStarts(
    text: string,
    follows?: boolean,
  ): Promise<{ readonly ids: readonly number[]; readonly starts: readonly number[] }>;
  /** The text of `ids`; bytes that are no UTF-8 become U+FFFD. Every id is known (`has`). */
  decode(ids: readonly number[]): Promise<string>;
  has(id: number): boolean;
  /** The most UTF-8 bytes of a text that one token covers; Infinity: any number. */
  readonly longestTokenBytes: number;
  /** How the tokenizer's own template puts two texts together. */
  pairTemplate(): Promise<PairTemplate>;
  /** Ids that the template puts before every text (none for Qwen3). */
  readonly leading: readonly number[];
  /** Ids that end every text: the template's, or the model's ending token where it has none. */
  readonly trailing: readonly number[];
  /** How a text may be cut so that its pieces have the ids of the whole; undefined: not at all. */
  readonly cutRules: CutRules | undefined;
  /**
   * Ids that may be lost by decoding and encoding: the unknown token's, a single mark's, those of added tokens by
   * marks.
   */
  readonly lossy: ReadonlySet<number>;
}

/** What the template of pairs adds, and the token types (0 or 1) of the texts between. */
export interface PairTemplate {
  readonly leading: readonly TypedToken[];
  readonly between: readonly TypedToken[];
  readonly trailing: readonly TypedToken[];
  readonly queryType: number;
  readonly documentType: number;
}
interface TypedToken {
  readonly id: number;
  readonly type: number;
}

/** Ids above are no vocabulary's (the largest known has 262,144): they would only make arrays of a thousand million holes. */
const TOKEN_ID_MAX = 2 ** 22;
/** The mark for a space in Unigram's pieces, and in BPE's that falls back to bytes. */
const SPACE_MARK = "\u2581";

/** A vocabulary's own tokens; of added tokens the file says more. */
interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly known: ReadonlySet<number>;
}

/**
 * Loads `dir`/tokenizer.json. `endTokenId` ends every text where the template adds nothing; `vocabSize`: rows of the model's
 * table. Rejects with CheckpointError.
 */
export async function loadTokenizer(dir: string, endTokenId: number, vocabSize: number): Promise<TokenizerLibrary> {
  const path = join(dir, "tokenizer.json");
  const definition = readJson(dir, "tokenizer.json", definitionSchema);
  const vocabulary = vocabularyOf(path, definition);
  const tokenizer = construct(path, definition);
  const isByteLevel = stepsOf(definition.pre_tokenizer).some(({ type }) => type === "ByteLevel");
  const cutRules = cutRulesOf(definition);
  const prepends = typeof cutRules?.places === "object" && cutRules.places.prepends;
  const encodingOf = (text: string, follows: boolean) =>
    tokenizer.encode(follows && prepends ? text.slice(1) : text, null, { addSpecialTokens: false });
  const { leading, trailing } = await templateIds(tokenizer, endTokenId);
  checkTemplate(path, [...leading, ...trailing], vocabSize);
  return {
    encode: async (text, follows = false) => (await encodingOf(text, follows)).getIds(),
    encodeWithStarts: async (text, follows = false) => {
      const encoding = await encodingOf(text, follows);
      // The first token has the space that the text went without.
      const shift = follows && prepends ? 1 : 0;
      const starts = encoding.getOffsets().map(([start = 0], token) => (token === 0 ? start : start + shift));
      return { ids: encoding.getIds(), starts };
    },
    pairTemplate: () => pairTemplate(tokenizer),
    decode: async (ids) => (ids.length === 0 ? "" : tokenizer.decode([...ids], false)),
    has: (id) => vocabulary.known.has(id),
    longestTokenBytes: longestTokenBytes(definition, isByteLevel, vocabulary),
    leading,
    trailing,
    cutRules,
    lossy: lossyIds(definition, isByteLevel, vocabulary),
  };
}

function checkTemplate(path: string, ids: readonly number[], vocabSize: number): void {
  const beyond = ids.find((id) => id >= vocabSize);
  if (beyond !== undefined)
    throw new CheckpointError(`${path}: its template adds id ${beyond}; config.json's vocab_size is ${vocabSize}`);
  if (ids.length > TEMPLATE_TOKENS_MAX)
    throw new CheckpointError(
      `${path}: its template adds ${ids.length} tokens to a text; at most ${TEMPLATE_TOKENS_MAX} are supported`,
    );
}

function construct(path: string, definition: object): Tokenizer {
  try {
    // A call says itself whether a text is cut, and batches are not padded.
    const whole = { version: "1.0", ...definition, truncation: null, padding: null };
    return Tokenizer.fromString(JSON.stringify(whole));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(`${path}: not a tokenizer that can be used here (${reason})`);
  }
}

/** What the template adds around a text, seen from one that has ids of its own. */
async function templateIds(
  tokenizer: Tokenizer,
  endTokenId: number,
): Promise<{ leading: readonly number[]; trailing: readonly number[] }> {
  const bare = await tokenizer.encode("a", null, { addSpecialTokens: false });
  const full = (await tokenizer.encode("a")).getIds();
  const start = bare.getLength() === full.length ? 0 : firstOf(bare.getIds(), full);
  const trailing = full.slice(start + bare.getLength());
  return { leading: full.slice(0, start), trailing: trailing.length === 0 ? [endTokenId] : trailing };
}

/** Seen from a pair of texts that have ids of their own. */
async function pairTemplate(tokenizer: Tokenizer): Promise<PairTemplate> {
  const text = (await tokenizer.encode("a", null, { addSpecialTokens: false })).getIds();
  const encoding = await tokenizer.encode("a", "a");
  const types = encoding.getTypeIds();
  const tokens = encoding.getIds().map((id, at) => ({ id, type: types[at] ?? 0 }));
  const ids = tokens.map(({ id }) => id);
  const first = firstOf(text, ids);
  const second = first + text.length + firstOf(text, ids.slice(first + text.length));
  return {
    leading: tokens.slice(0, first),
    between: tokens.slice(first + text.length, second),
    trailing: tokens.slice(second + text.length),
    queryType: tokens[first]?.type ?? 0,
    documentType: tokens[second]?.type ?? 0,
  };
}

/** Where `part` begins in `whole`. */
function firstOf(part: readonly number[], whole: readonly number[]): number {
  const at = whole.findIndex((_, from) => part.every((id, index) => whole[from + index] === id));
  return Math.max(at, 0);
}

/** BPE and WordPiece map tokens to ids; Unigram lists pieces with their scores, and a piece's place is its id. */
function vocabularyOf(path: string, { model, added_tokens: added }: Definition): Vocabulary {
  const ids = new Map<string, number>();
  const { vocab } = model;
  if (Array.isArray(vocab)) for (const [id, piece] of vocab.entries()) ids.set(String(piece?.[0]), id);
  else for (const [token, id] of Object.entries(vocab)) ids.set(token, checkedId(path, "model.vocab", token, id));
  const known = new Set(ids.values());
  for (const { content, id } of added) known.add(checkedId(path, "added_tokens", content, id));
  return { ids, known };
}

function checkedId(path: string, field: string, token: string, id: unknown): number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= TOKEN_ID_MAX) return id;
  throw new CheckpointError(
    `${path}: ${field} gives ${JSON.stringify(token)} the id ${String(id)}; an integer from 0 to ${TOKEN_ID_MAX} is needed`,
  );
}

/** WordPiece and Unigram have one token for a run of what they do not know, and none for a run of spaces. */
function longestTokenBytes({ model, added_tokens: added }: Definition, isByteLevel: boolean, { ids }: Vocabulary) {
  if (model.type !== "BPE") return Number.POSITIVE_INFINITY;
  let longest = 1;
  // Byte-level vocabularies write one character per byte.
  for (const token of ids.keys()) longest = Math.max(longest, isByteLevel ? token.length : utf8Length(token));
  for (const { content } of added) longest = Math.max(longest, utf8Length(content));
  return longest;
}

function lossyIds({ model, added_tokens: added }: Definition, isByteLevel: boolean, { ids }: Vocabulary) {
  if (isByteLevel) return new Set<number>();
  const unknown = model.unk_id ?? (model.unk_token ? ids.get(model.unk_token) : undefined);
  const lossy = [unknown, ids.get(SPACE_MARK), ...added.map(({ id }) => id)];
  return new Set(lossy.filter((id) => id !== undefined && id !== null));
}
