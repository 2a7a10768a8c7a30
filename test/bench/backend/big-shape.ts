// The 4B shape (random 4-bit weights) on this machine's processor: load, memory, and the time of one text.
//   node --import tsx test/bench/backend/big-shape.ts [--shape 4B] [--tokens 512] [--threads 2] [--rounds 3]
// The first run makes and compiles a checkpoint of 2.6 GB in the system's temporary folder (a minute or two).

import { parseArgs } from "node:util";

import { SHAPES } from "../gpu/random-checkpoint.ts";
import { compiledShape, type OneText, runOneText } from "./one-text.ts";

const SECONDS_MAX = 540;

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "4B" },
    tokens: { type: "string", default: "512" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
  },
});
const shape = (["0.6B", "4B", "8B"] as const).find((name) => name === values.shape);
if (shape === undefined) throw new Error(`--shape is one of ${Object.keys(SHAPES).join(", ")}`);
const began = performance.now();
const { graphPath, config } = await compiledShape(shape);
console.log(`${shape}: checkpoint and compiled files there after ${seconds((performance.now() - began) / 1000)}`);
const runs: OneText[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  const run = await runOneText(graphPath, Number(values.tokens), config, Number(values.threads), SECONDS_MAX);
  console.log(
    `load ${seconds(run.loadSeconds)} (${run.loadedMb} MB), ${values.tokens} tokens ${seconds(run.runSeconds)}, peak ${run.peakMb} MB`,
  );
  runs.push(run);
}
console.log(
  `medians: load ${seconds(median((run) => run.loadSeconds))}, text ${seconds(median((run) => run.runSeconds))}, peak ${median((run) => run.peakMb)} MB`,
);

function median(of: (run: OneText) => number): number {
  return runs.map(of).toSorted((left, right) => left - right)[runs.length >> 1] ?? Number.NaN;
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}
