// Texts of up to 32,768 tokens through the 0.6B shape (random weights): time and peak memory, each in a fresh process.
//   node --import tsx test/bench/backend/long-text.ts [--tokens 8192,16384,32768] [--threads 2] [--minutes 10]
// `--layers 2`: memory hardly depends on how many there are, beyond their weights, and time does.
// A length that takes longer than `--minutes` is given up, and said to be.

import { parseArgs } from "node:util";

import { compiledShape, runOneText } from "./one-text.ts";

const { values } = parseArgs({
  options: {
    tokens: { type: "string", default: "8192,16384,32768" },
    threads: { type: "string", default: "2" },
    layers: { type: "string" },
    minutes: { type: "string", default: "10" },
  },
});
const { graphPath, config } = await compiledShape(
  "0.6B",
  values.layers === undefined ? undefined : Number(values.layers),
);
console.log("| tokens | seconds | tokens/s | peak memory | longest run |\n| --- | --- | --- | --- | --- |");
for (const tokens of values.tokens.split(",").map(Number)) {
  try {
    const { runSeconds, peakMb, longestRunSeconds } = await runOneText(
      graphPath,
      tokens,
      config,
      Number(values.threads),
      Number(values.minutes) * 60,
    );
    console.log(
      `| ${tokens.toLocaleString("en")} | ${runSeconds.toFixed(1)} | ${(tokens / runSeconds).toFixed(0)} | ${peakMb.toLocaleString("en")} MB | ${longestRunSeconds.toFixed(2)} s |`,
    );
  } catch {
    console.log(`| ${tokens.toLocaleString("en")} | not done within ${values.minutes} minutes | | | |`);
  }
}
