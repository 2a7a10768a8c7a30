// Makes bfloat16-distances.json: how far torch in bfloat16 is from float32 on check:gpu's own subjects.
//   PYTHON=… node --import tsx test/vectors/make-bfloat16.ts      (torch, transformers and safetensors)

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { makeSubjects } from "../bench/gpu/check-subjects.ts";
import { BFLOAT16_FILE, measureBfloat16 } from "../bench/gpu/torch-bfloat16.ts";
import { pythonWithTorch } from "../bench/gpu/torch-peer.ts";

/** Of the longest text: a CPU takes long for more, and how far off a text is hardly depends on its length. */
const TOKENS_MAX = 2_048;

const work = mkdtempSync(join(tmpdir(), "bfloat16-"));
try {
  const subjects = measureBfloat16(await makeSubjects({ work, own: undefined, only: undefined, tokensMax: TOKENS_MAX }), "cpu");
  if (typeof subjects === "string") throw new Error(subjects);
  const script = "import json, torch, transformers; print(json.dumps({'torch': torch.__version__, 'transformers': transformers.__version__}))";
  const versions: unknown = JSON.parse(spawnSync(pythonWithTorch() ?? "", ["-c", script], { encoding: "utf8" }).stdout);
  writeFileSync(BFLOAT16_FILE, `${JSON.stringify({ madeWith: { ...(versions as object), device: "cpu" }, subjects }, null, 1)}\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
