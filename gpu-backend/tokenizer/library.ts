// The one place that knows @huggingface/tokenizers: text → ids and back, without special tokens of the template, plus
// what the checkpoint's files say about specials and token lengths. Everything above works on this interface, so a
// faster tokenizer can take its place as long as the exactness test (test/vectors/demo-reference.json) holds.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Tokenizer } from "@huggingface/tokenizers";

import { utf8Length } from "../../shared/token-bound.ts";
import { CheckpointError } from "../checkpoint/checkpoint-error.ts";

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
  /** Ids that end every text; the last one is the config's ending token, added here where the template lacks it. */
  readonly trailing: readonly number[];
  /** Whether a text may be tokenised in pieces cut by segments.ts with the same ids as in one. */
  readonly segmentable: boolean;
}

/** Loads `dir`/tokenizer.json and tokenizer_config.json (the latter may be missing). Throws CheckpointError. */
export function loadTokenizer(dir: string, endTokenId: number): TokenizerLibrary {
  const tokenizer = construct(dir);
  const decoder = tokenizer.get_added_tokens_decoder();
  const bytes = tokenLengths(tokenizer);
  const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
  const { leading, trailing } = templateIds(tokenizer, endTokenId);
  const special = [...decoder.values()];
  const segmentable =
    special.every((token) => !/\s/.test(token.content) && !token.lstrip && !token.rstrip && !token.single_word) &&
    SEGMENT_SAMPLES.every(([left, right]) => sameIds(encode(left + right), [...encode(left), ...encode(right)]));
  return {
    encode,
    decode: (ids) =>
      ids.length === 0
        ? ""
        : tokenizer.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    tokenBytes: (id) => bytes[id],
    longestTokenBytes: bytes.reduce<number>((most, length) => Math.max(most, length ?? 0), 1),
    leading,
    trailing,
    segmentable,
  };
}

/** Cuts as segments.ts makes them; a pre-tokenizer that does not break there shows itself on one of these. */
const SEGMENT_SAMPLES: readonly (readonly [string, string])[] = [
  ["the quick brown", " fox jumps over"],
  ["an", " apple"],
  ["end", ". Begin"],
  ["end", "...\n\nBegin"],
  ["call", "(argument)"],
  ["self", "-made"],
  ["中文测试", "。下一句"],
  ["naïve", " \u00e9t\u00e9"],
  ["word", "  two spaces"],
];

function sameIds(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((id, index) => id === right[index]);
}

function construct(dir: string): Tokenizer {
  const path = join(dir, "tokenizer.json");
  const definition = readObject(path);
  const config = readObject(join(dir, "tokenizer_config.json"), {});
  try {
    return new Tokenizer(definition, config);
  } catch (error) {
    throw new CheckpointError(`${path}: not a tokenizer that can be used here (${reasonOf(error)})`);
  }
}

function readObject(path: string, absent?: object): object {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (absent !== undefined) return absent;
    throw new CheckpointError(`${path}: cannot be read (${reasonOf(error)})`);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw new CheckpointError(`${path}: not JSON (${reasonOf(error)})`);
  }
  throw new CheckpointError(`${path}: not a JSON object`);
}

/** What the template adds around a text, seen from one that has ids of its own. */
function templateIds(tokenizer: Tokenizer, endTokenId: number): { leading: number[]; trailing: number[] } {
  const bare = tokenizer.encode("a", { add_special_tokens: false }).ids;
  const full = tokenizer.encode("a").ids;
  const start =
    full.length === bare.length ? 0 : full.findIndex((_, at) => sameIds(full.slice(at, at + bare.length), bare));
  const leading = start <= 0 ? [] : full.slice(0, start);
  const trailing = start < 0 ? [] : full.slice(start + bare.length);
  if (trailing.at(-1) !== endTokenId) trailing.push(endTokenId);
  return { leading, trailing };
}

/** Byte-level vocabularies write one character per byte; added tokens stand for their own text. Sparse where no id is. */
function tokenLengths(tokenizer: Tokenizer): (number | undefined)[] {
  const lengths: (number | undefined)[] = [];
  for (const [token, id] of tokenizer.get_vocab()) {
    if (typeof token === "string") lengths[id] = token.length;
  }
  for (const [id, token] of tokenizer.get_added_tokens_decoder()) lengths[id] = utf8Length(token.content);
  return lengths;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
