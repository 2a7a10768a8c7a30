// Which tokenizers allow a text to be cut in exact pieces (segments.ts), and where. A property test holds each of these
// rules against the whole text.

import { stepsOf } from "../checkpoint/tokenizer-steps.ts";
import type { Definition } from "./definition.ts";
import { addedTokensOf, type BetweenTokens, breaksWithin, type CutRules, pairOf } from "./segments.ts";

/** Regular expressions that end a run of letters or digits at punctuation and spaces: GPT-4's family and its descendants. */
const KNOWN_SPLITS: ReadonlySet<string> = new Set([
  // Qwen2, Qwen2.5, Qwen3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  // Llama 3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);

/** Undefined where the pre-tokenizer is not known, or an added token takes white space or is matched after normalising. */
export function cutRulesOf(definition: Definition): CutRules | undefined {
  const { added_tokens: added, normalizer, model } = definition;
  const isWhole = model.type === "BPE" && model.byte_fallback === true;
  const places = isWhole ? betweenTokens(definition) : placesOf(definition);
  const late = added.filter(({ special, normalized }) => normalizer && (normalized ?? !special));
  // Between tokens, no place is within an added token either.
  const breaks =
    !isWhole && late.some(({ content }) => breaksWithin(content) || breaksWithin(content.normalize("NFC")));
  // A token that takes the white space before it would be parted from it by a cut right before the token.
  const strips = added.some(({ lstrip, rstrip }) => rstrip || (lstrip && places !== "spaces"));
  if (places === undefined || breaks || strips) return undefined;
  const early = added.filter((token) => !late.includes(token)).map(({ content }) => content);
  return { places, addedTokens: addedTokensOf(early) };
}

const SPACE_MARK = "\u2581";
const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/**
 * Of BPE that merges over a whole text. Every merge makes a token, so what stands side by side in no token is never merged;
 * bytes must all be there, or a run of what is unknown would be one token.
 */
function betweenTokens(definition: Definition): BetweenTokens | undefined {
  const { model, added_tokens: added } = definition;
  const tokens = Object.keys(model.vocab);
  const bytesAreApart = tokens.every((token) => !token.includes("<0x") || BYTES.includes(token));
  const bytesAreThere = BYTES.every((byte) => Object.hasOwn(model.vocab, byte));
  const isPlain = model.ignore_merges !== true && !model.continuing_subword_prefix && !model.end_of_word_suffix;
  const marks = marksOf(definition);
  if (marks === undefined || !isPlain || !bytesAreApart || !bytesAreThere) return undefined;
  const joined = new Set<number>();
  for (const token of [...tokens, ...added.map(({ content }) => content)]) {
    for (let at = 1; at < token.length; at += 1) joined.add(pairOf(token.charCodeAt(at - 1), token.charCodeAt(at)));
  }
  return { joined, ...marks };
}

/** Whether a mark is put before a text whose spaces become marks; undefined where more happens to it. */
function marksOf({ normalizer, pre_tokenizer: preTokenizer }: Definition): { readonly prepends: boolean } | undefined {
  const steps = stepsOf(normalizer);
  const replaced = steps.filter(
    ({ type, pattern, content }) => type === "Replace" && pattern?.String === " " && content === SPACE_MARK,
  );
  const prepended = steps.filter(({ type, prepend }) => type === "Prepend" && prepend === SPACE_MARK);
  // Spaces are marks by then: a split at spaces splits nothing.
  const splits = stepsOf(preTokenizer).filter(({ type, pattern }) => type !== "Split" || pattern?.String !== " ");
  const isKnown = replaced.length === 1 && prepended.length <= 1 && steps.length === 1 + prepended.length;
  return isKnown && splits.length === 0 ? { prepends: prepended.length === 1 } : undefined;
}

function placesOf({ pre_tokenizer: preTokenizer, model }: Definition): CutRules["places"] | undefined {
  const steps = stepsOf(preTokenizer);
  if (steps.length === 0) return undefined;
  switch (model.type) {
    case "BPE": {
      const known = steps.every(({ type, pattern, behavior, invert, add_prefix_space: prefixed }) => {
        if (type === "Digits") return true;
        if (type === "ByteLevel") return prefixed !== true;
        return type === "Split" && behavior === "Isolated" && invert !== true && KNOWN_SPLITS.has(pattern?.Regex ?? "");
      });
      return known ? "everywhere" : undefined;
    }
    case "WordPiece":
      return steps.every(({ type }) => type === "BertPreTokenizer") ? "everywhere" : undefined;
    case "Unigram":
      // A word begins with the mark that its space became; one that begins with anything else is given another mark.
      return steps.every(({ type, split }) => type === "WhitespaceSplit" || (type === "Metaspace" && split !== false))
        ? "spaces"
        : undefined;
    default:
      return undefined;
  }
}
