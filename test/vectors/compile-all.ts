// Compiles one checkpoint for every target and weight form into OUT/<target>-<form>, for check_graphs.py.
//   node --import tsx test/vectors/compile-all.ts CHECKPOINT OUT

import { cpSync } from "node:fs";
import { dirname, join } from "node:path";

import { compileCheckpoint } from "../../gpu-backend/compiler/compile.ts";

const [checkpoint = "", out = ""] = process.argv.slice(2);
const targets = [
  ["cpu", "as-is"],
  ["cuda-bf16", "as-is"],
  ["cuda-bf16", "block32"],
  ["cuda-bf16", "dense"],
  ["cuda-fp16", "as-is"],
  ["cuda-fp16", "block32"],
  ["cuda-fp16", "dense"],
] as const;
for (const [target, cudaWeights] of targets) {
  const model = await compileCheckpoint(checkpoint, { target, cudaWeights, precision: "exact" });
  cpSync(dirname(model.graphPath), join(out, `${target}-${cudaWeights}`, "graph"), { recursive: true });
}
