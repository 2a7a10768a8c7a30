// Mistral: the plain decoder, with a sliding window in every layer unless sliding_window is null.

import type { Architecture } from "./architecture.ts";
import { DECODER_FIELDS, DECODER_NAMES, decoderBody } from "./decoder.ts";
import { LAYER_TYPES, windowsOf } from "./windows.ts";

const WINDOW_DEFAULT = 4_096;

export const MISTRAL: Architecture = {
  modelType: "mistral",
  classes: ["MistralModel", "MistralForCausalLM"],
  fields: { ...DECODER_FIELDS, ...LAYER_TYPES },
  names: DECODER_NAMES,
  pooling: "lasttoken",
  body: (raw, path) => ({
    ...decoderBody(raw, path, { keyValueHeads: 8, normEps: 1e-6, ropeTheta: 10_000 }),
    windows: windowsOf(raw, path, raw.sliding_window === undefined ? WINDOW_DEFAULT : raw.sliding_window, () => true),
  }),
};
