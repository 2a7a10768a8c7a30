// The tables of what a checkpoint's tokenizer files may say (meaning.ts has the rest, and what the rules mean).

import { type Fields, honoured, ignored, off, only } from "./meaning.ts";

export const TOKENIZER: Fields = {
  model: honoured,
  added_tokens: honoured,
  normalizer: honoured,
  pre_tokenizer: honoured,
  post_processor: honoured,
  // For the test whether token ids survive decoding and encoding.
  decoder: honoured,
  // A call says itself whether a text is cut, and batches are not padded.
  truncation: ignored,
  padding: ignored,
  version: honoured,
};

const MODEL = { vocab: honoured, type: only("BPE, WordPiece or Unigram", "BPE", "WordPiece", "Unigram") };

/** tokenizer.json's model, by its type. */
export const TOKENIZER_MODELS = {
  BPE: {
    ...MODEL,
    merges: honoured,
    ignore_merges: only("true or false", true, false),
    dropout: { kind: "only", accepts: (value) => value === 0, supported: "a tokenizer without dropout" },
    continuing_subword_prefix: off("BPE over bytes or characters"),
    end_of_word_suffix: off("BPE over bytes or characters"),
    unk_token: honoured,
    fuse_unk: honoured,
    byte_fallback: honoured,
  },
  WordPiece: {
    ...MODEL,
    unk_token: honoured,
    continuing_subword_prefix: honoured,
    max_input_chars_per_word: honoured,
  },
  // Its vocabulary says the scores; without bytes, what is unknown is one token.
  Unigram: { ...MODEL, unk_id: honoured, byte_fallback: off("Unigram without bytes") },
} satisfies Record<string, Fields>;

export const ADDED_TOKEN: Fields = {
  id: honoured,
  content: honoured,
  normalized: honoured,
  lstrip: honoured,
  rstrip: honoured,
  special: honoured,
  single_word: off("a token that is found anywhere"),
};

export const TOKENIZER_CONFIG: Fields = {
  added_tokens_decoder: honoured,
  auto_map: off("transformers' own code"),
  // Have to agree with tokenizer.json, which is the tokenizer.
  add_bos_token: honoured,
  add_eos_token: honoured,
  add_prefix_space: honoured,
  do_lower_case: honoured,
  strip_accents: honoured,
  tokenize_chinese_chars: honoured,
  split_special_tokens: off("special tokens that are read as such"),
  do_lowercase_and_remove_accent: off("texts as they are"),
  remove_space: off("texts as they are"),
  // tokenizer.json is the tokenizer, and config.json has its context.
  tokenizer_class: ignored,
  model_max_length: ignored,
  chat_template: ignored,
  bos_token: ignored,
  eos_token: ignored,
  pad_token: ignored,
  unk_token: ignored,
  additional_special_tokens: ignored,
  padding_side: ignored,
  truncation_side: ignored,
  clean_up_tokenization_spaces: ignored,
  errors: ignored,
};
