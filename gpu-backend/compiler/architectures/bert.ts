// BERT: positions from the table's first row on.

import type { Architecture } from "./architecture.ts";
import { ENCODER_FIELDS, ENCODER_NAMES, encoderBody } from "./encoder.ts";

export const BERT: Architecture = {
  modelType: "bert",
  classes: ["BertModel"],
  rerankers: {
    BertForSequenceClassification: {
      kind: "linear",
      inner: { name: "pooler.dense", ofBody: true },
      last: { name: "classifier", ofBody: false },
      biased: true,
    },
  },
  fields: ENCODER_FIELDS,
  names: ENCODER_NAMES,
  pooling: "mean",
  body: (raw, path) => encoderBody(raw, path, 0),
};
