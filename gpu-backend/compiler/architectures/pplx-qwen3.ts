// pplx-embed: Qwen3 with attention to both sides, by code of its own (auto_map), which is told by its name and never run.
// Its modules.json names a quantiser of its own after the mean; with it the folder is refused, since vectors here are the mean.

import { isObject, only } from "../../checkpoint/meaning.ts";
import type { Architecture } from "./architecture.ts";
import { QWEN3 } from "./qwen3.ts";

const CLASS = "PPLXQwen3Model";

export const PPLX_QWEN3: Architecture = {
  ...QWEN3,
  modelType: "bidirectional_pplx_qwen3",
  classes: [CLASS],
  rerankers: {},
  fields: {
    ...QWEN3.fields,
    is_causal: only("bidirectional attention (false)", false),
    use_bidirectional_attention: only("bidirectional attention (true)", true),
    auto_map: {
      kind: "only",
      accepts: (value) => isObject(value) && value["AutoModel"] === `modeling.${CLASS}`,
      supported: `the architecture's own (AutoModel: modeling.${CLASS})`,
    },
  },
  pooling: "mean",
  body: (raw, path) => ({ ...QWEN3.body(raw, path), causal: false }),
};
