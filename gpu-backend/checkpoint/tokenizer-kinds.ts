// The kinds of tokenizers that run here. The library computes any; but the bound of a text's tokens (shared/token-bound.ts)
// is proved for the steps that these kinds have, and what customers pay rests on it. Another step is refused by name.

import { CheckpointError } from "./checkpoint-error.ts";
import { type Step, type Steps, stepsOf } from "./tokenizer-steps.ts";

interface Parts {
  readonly model: Readonly<Record<string, unknown>>;
  readonly normalizer?: Steps;
  readonly pre_tokenizer?: Steps;
  readonly post_processor?: Steps;
}

interface Kind {
  readonly name: string;
  readonly normalizers: readonly string[];
  readonly preTokenizers: readonly string[];
  readonly postProcessors: readonly string[];
}

const KINDS = {
  byteLevel: {
    name: "byte-level BPE",
    normalizers: ["NFC"],
    preTokenizers: ["Split", "Digits", "ByteLevel"],
    postProcessors: ["ByteLevel", "TemplateProcessing"],
  },
  byteFallback: {
    name: "BPE with bytes for what it does not know",
    normalizers: ["Prepend", "Replace"],
    preTokenizers: ["Split", "Digits", "Metaspace"],
    postProcessors: ["TemplateProcessing"],
  },
  wordPiece: {
    name: "WordPiece",
    normalizers: ["BertNormalizer"],
    preTokenizers: ["BertPreTokenizer"],
    postProcessors: ["TemplateProcessing", "BertProcessing"],
  },
  unigram: {
    name: "Unigram",
    normalizers: ["Precompiled", "NFC", "NFKC", "Replace", "Strip"],
    preTokenizers: ["WhitespaceSplit", "Metaspace"],
    postProcessors: ["TemplateProcessing", "RobertaProcessing"],
  },
} satisfies Record<string, Kind>;

/** Throws CheckpointError unless `tokenizer` is of one of the kinds. */
export function checkKind(path: string, tokenizer: Parts): void {
  const splits = stepsOf(tokenizer.pre_tokenizer);
  const normalizers = stepsOf(tokenizer.normalizer);
  const kind = kindOf(path, tokenizer, splits);
  checkSteps(path, kind, "normalizer", normalizers, kind.normalizers);
  checkSteps(path, kind, "pre_tokenizer", splits, kind.preTokenizers);
  checkSteps(path, kind, "post_processor", stepsOf(tokenizer.post_processor), kind.postProcessors);
  if (splits.some(({ add_prefix_space: prefixed, type }) => prefixed === true && type === "ByteLevel"))
    throw new CheckpointError(`${path}: pre_tokenizer add_prefix_space true is not supported; texts as they are are`);
  const long = normalizers.find(({ content, prepend }) => Array.from(content ?? prepend ?? "").length > 1);
  if (long !== undefined)
    throw new CheckpointError(
      `${path}: normalizer ${long.type} writes ${JSON.stringify(long.content ?? long.prepend)}; one character at most is supported`,
    );
}

function kindOf(path: string, { model }: Parts, splits: readonly Step[]): Kind {
  if (model["type"] === "WordPiece") return KINDS.wordPiece;
  if (model["type"] === "Unigram") return KINDS.unigram;
  if (splits.some(({ type }) => type === "ByteLevel")) return KINDS.byteLevel;
  if (model["byte_fallback"] === true) {
    // A space becomes this mark; without a token of its own it would be three bytes.
    if (!Object.hasOwn(Object(model["vocab"]), "\u2581"))
      throw new CheckpointError(`${path}: model.vocab has no "\u2581", which stands for a space`);
    return KINDS.byteFallback;
  }
  throw new CheckpointError(
    `${path}: a pre_tokenizer without ByteLevel is not supported; byte-level BPE, and BPE with byte_fallback are`,
  );
}

function checkSteps(path: string, kind: Kind, field: string, steps: readonly Step[], known: readonly string[]): void {
  const other = steps.find(({ type }) => !known.includes(type));
  if (other === undefined) return;
  throw new CheckpointError(
    `${path}: ${field} ${other.type} of ${kind.name} is not supported; ${known.join(", ")} are`,
  );
}
