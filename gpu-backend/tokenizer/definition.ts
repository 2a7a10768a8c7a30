// What tokenizer.json says, as far as this folder reads it; the library reads the rest.

import * as z from "zod";

import { stepsSchema } from "../checkpoint/tokenizer-steps.ts";

const vocabularySchema = z.custom<object>((value) => typeof value === "object" && value !== null);
export const definitionSchema = z.looseObject({
  normalizer: stepsSchema,
  pre_tokenizer: stepsSchema,
  model: z.looseObject({
    type: z
      .string()
      .nullish()
      .transform((type) => type ?? "BPE"),
    vocab: vocabularySchema,
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
    unk_token: z.string().nullish(),
    unk_id: z.int().nullish(),
  }),
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
export type Definition = z.infer<typeof definitionSchema>;
