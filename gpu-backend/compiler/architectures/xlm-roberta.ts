// XLM-RoBERTa: as BERT, but that positions begin after the padding's id.

import { CheckpointError } from "../../checkpoint/checkpoint-error.ts";
import { honoured } from "../../checkpoint/meaning.ts";
import type { Architecture } from "./architecture.ts";
import { ENCODER_FIELDS, ENCODER_NAMES, encoderBody } from "./encoder.ts";

const PADDING_DEFAULT = 1;

export const XLM_ROBERTA: Architecture = {
  modelType: "xlm-roberta",
  classes: ["XLMRobertaModel"],
  rerankers: {
    XLMRobertaForSequenceClassification: {
      kind: "linear",
      inner: { name: "classifier.dense", ofBody: false },
      last: { name: "classifier.out_proj", ofBody: false },
      biased: true,
    },
  },
  fields: { ...ENCODER_FIELDS, pad_token_id: honoured },
  names: ENCODER_NAMES,
  pooling: "mean",
  body: (raw, path) => {
    const padding = raw["pad_token_id"] ?? PADDING_DEFAULT;
    if (typeof padding !== "number" || !Number.isInteger(padding) || padding < 0)
      throw new CheckpointError(`${path}: pad_token_id ${JSON.stringify(padding)} is no token's id`);
    return encoderBody(raw, path, padding + 1);
  },
};
