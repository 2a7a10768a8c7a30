// How far each form of a checkpoint's linear layers is from float32: 1 - cos over texts of many kinds, all in one call.
//   node --import tsx test/bench/backend/distances.ts CHECKPOINT [--threads 2]

import { parseArgs } from "node:util";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { CPU_LINEARS, type CpuLinears } from "../../../gpu-backend/compiler/compiled-model.ts";
import { distance } from "../../gpu-backend/cosine.ts";
import { realTexts } from "./real-texts.ts";
import { EngineInProcess } from "./run-as-engine.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: "2" } },
});
const [dir = ""] = positionals;
const texts = await realTexts(dir);
const expected = await vectorsOf("float32");
process.stdout.write(
  `| 1 - cos to float32, ${texts.length} texts | median | 99 % | max |\n| --- | --- | --- | --- |\n`,
);
for (const linears of CPU_LINEARS) {
  if (linears === "float32") continue;
  const distances = (await vectorsOf(linears))
    .map((vector, index) => distance(vector, expected[index] ?? new Float32Array()))
    .toSorted((left, right) => left - right);
  const at = (share: number): string =>
    (distances[Math.floor((distances.length - 1) * share)] ?? Number.NaN).toExponential(1);
  process.stdout.write(`| ${linears} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |\n`);
}
process.exit(0);

async function vectorsOf(linears: CpuLinears): Promise<readonly Float32Array[]> {
  const { graphPath, config } = await compileCheckpoint(dir, { target: "cpu", precision: "exact", linears });
  const engine = await EngineInProcess.open(graphPath, config, Number(values.threads));
  const rows = await engine.embed(texts);
  await engine.close();
  return texts.map((_, index) => rows.subarray(index * config.dimensions, (index + 1) * config.dimensions));
}
