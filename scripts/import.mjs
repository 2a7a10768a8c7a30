// npm run import -- DIR [--target cpu|cuda-bf16|cuda-fp16] [--precision exact] [--weights as-is|block32|dense]
//   [--linears auto|FORM] [--cache DIR]
// Compiles a checkpoint ahead of time, so that the first start is quick. Target, precision and weights have the backend's
// defaults. On a CPU it also tries which form of products is fastest. The files are written next to the checkpoint.
import { parseArgs } from "node:util";

import { ensureTypeScript, fail } from "./install.mjs";
import { progressBar } from "./progress-bar.mjs";

const CHOICES = {
  target: ["cpu", "cuda-bf16", "cuda-fp16"],
  precision: ["exact"],
  weights: ["as-is", "block32", "dense"],
  linears: ["auto", "int8-pairs", "int8-pairs, down_proj float32", "float32"],
};
const USAGE =
  "npm run import -- DIR [--target cpu|cuda-bf16|cuda-fp16] [--precision exact] [--weights as-is|block32|dense] [--linears auto|FORM] [--cache DIR]";

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        target: { type: "string", default: "cpu" },
        precision: { type: "string", default: "exact" },
        weights: { type: "string", default: "as-is" },
        linears: { type: "string", default: "auto" },
        cache: { type: "string" },
      },
    });
  } catch (error) {
    return fail(`${error.message}. Usage: ${USAGE}`);
  }
}

const { values, positionals } = parse();
const [dir] = positionals;
if (dir === undefined || positionals.length > 1) fail(`One checkpoint folder is needed. Usage: ${USAGE}`);
for (const [name, choices] of Object.entries(CHOICES)) {
  if (!choices.includes(values[name])) fail(`--${name} is ${values[name]}; it can be ${choices.join(", ")}.`);
}

await ensureTypeScript();
const { CheckpointError } = await import("../gpu-backend/checkpoint/checkpoint-error.ts");
const { StartError } = await import("../gpu-backend/config.ts");
const { compileChosen } = await import("../gpu-backend/choice/compile-chosen.ts");
const { removeDamage } = await import("../gpu-backend/compiler/compile.ts");
const { processorsAllowed } = await import("../gpu-backend/processors.ts");
try {
  const options = {
    target: values.target,
    precision: values.precision,
    cudaWeights: values.weights,
    linears: values.linears,
    ...(values.cache !== undefined && { cacheDir: values.cache }),
    threads: processorsAllowed(),
    onProgress: progressBar(),
  };
  let { model, choice } = await compileChosen(dir, options);
  const damage = await removeDamage(model);
  if (damage !== undefined) ({ model, choice } = await compileChosen(dir, { ...options, damaged: damage.damaged }));
  process.stdout.write(`${model.layout}, ${model.target}, revision ${model.revision}\n${model.graphPath}\n`);
  if (choice !== undefined) process.stdout.write(`linear layers: ${choice.linears} (${choice.why})\n`);
} catch (error) {
  if (error instanceof CheckpointError || error instanceof StartError) fail(`\n${error.message}`);
  throw error;
}
