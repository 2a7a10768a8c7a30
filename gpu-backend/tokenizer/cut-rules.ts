// Which tokenizers allow a text to be cut in exact pieces (segments.ts), and where. A property test holds each of these
// rules against the whole text.

import { stepsOf } from "../checkpoint/tokenizer-steps.ts";
import type { Definition } from "./definition.ts";
import { addedTokensOf, breaksWithin, type CutRules } from "./segments.ts";

/** Regular expressions that end a run of letters or digits at punctuation and spaces: GPT-4's family and its descendants. */
const KNOWN_SPLITS: ReadonlySet<string> = new Set([
  // Qwen2, Qwen2.5, Qwen3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  // Llama 3
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);

/** Undefined where the pre-tokenizer is not known, or an added token takes white space or is matched after normalising. */
export function cutRulesOf(definition: Definition): CutRules | undefined {
  const { added_tokens: added, normalizer } = definition;
  const places = placesOf(definition);
  const late = added.filter(({ special, normalized }) => normalizer && (normalized ?? !special));
  const breaks = late.some(({ content }) => breaksWithin(content) || breaksWithin(content.normalize("NFC")));
  // A token that takes the white space before it would be parted from it by a cut right before the token.
  const strips = added.some(({ lstrip, rstrip }) => rstrip || (lstrip && places !== "spaces"));
  if (places === undefined || breaks || strips) return undefined;
  const early = added.filter((token) => !late.includes(token)).map(({ content }) => content);
  return { places, addedTokens: addedTokensOf(early) };
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
