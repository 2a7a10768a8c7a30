// Qwen2 and Qwen2.5: biases on q, k and v. Causal; bidirectional if is_causal is false, and in gte-Qwen2 (and stella),
// whose own code does that: it is recognised by its name in auto_map and never run.

import { type Fields, isObject, only } from "../../checkpoint/meaning.ts";
import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";
import { OPTIONAL_WINDOW, optionalWindows } from "./windows.ts";

/** gte-Qwen2's class. Its forward() has is_causal=False as the default. */
const GTE_CLASS = "modeling_qwen.Qwen2Model";
const FIELDS: Fields = {
  ...DECODER_FIELDS,
  ...OPTIONAL_WINDOW,
  is_causal: only("true or false", true, false),
  auto_map: {
    kind: "only",
    accepts: (value) => value === null || isGte(value),
    supported: `transformers' own code, or gte-Qwen2's (AutoModel: ${GTE_CLASS})`,
  },
};

export const QWEN2: Architecture = {
  modelType: "qwen2",
  classes: ["Qwen2Model", "Qwen2ForCausalLM"],
  fields: FIELDS,
  names: DECODER_NAMES,
  pooling: "lasttoken",
  body: (raw, path) => ({
    ...decoderBody(raw, path),
    biases: { qkv: true, o: false, mlp: false },
    causal: raw.is_causal ?? !isGte(raw["auto_map"]),
    windows: optionalWindows(raw, path),
  }),
};

function isGte(autoMap: unknown): boolean {
  return isObject(autoMap) && autoMap["AutoModel"] === GTE_CLASS;
}
