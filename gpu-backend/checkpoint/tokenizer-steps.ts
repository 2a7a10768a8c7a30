// A normalizer, pre-tokenizer or post-processor of tokenizer.json: one step, or a sequence of them.

import * as z from "zod";

const stepSchema = z.looseObject({
  type: z.string(),
  add_prefix_space: z.boolean().nullish(),
  prepend_scheme: z.string().nullish(),
  prepend: z.string().optional(),
  split: z.boolean().nullish(),
  behavior: z.string().optional(),
  invert: z.boolean().optional(),
  pattern: z.looseObject({ Regex: z.string().optional(), String: z.string().optional() }).optional(),
  content: z.string().optional(),
  single: z.array(z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() })).optional(),
  special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })).optional(),
  /** Of BertProcessing and RobertaProcessing: a token and its id. */
  sep: z.tuple([z.string(), z.int()]).optional(),
  cls: z.tuple([z.string(), z.int()]).optional(),
  lowercase: z.boolean().nullish(),
  strip_accents: z.boolean().nullish(),
  handle_chinese_chars: z.boolean().nullish(),
});
export type Step = z.infer<typeof stepSchema>;
const listSchema = z.array(stepSchema).optional();

/** A sequence's field is called after what its steps are. */
export const stepsSchema = stepSchema
  .extend({ normalizers: listSchema, pretokenizers: listSchema, processors: listSchema })
  .nullish();
export type Steps = z.infer<typeof stepsSchema>;

/** The steps of a sequence, or the one step that it is. */
export function stepsOf(sequence: Steps): readonly Step[] {
  if (sequence === null || sequence === undefined) return [];
  if (sequence.type !== "Sequence") return [sequence];
  return sequence.normalizers ?? sequence.pretokenizers ?? sequence.processors ?? [];
}
