// How long a text of 16 tokens takes alone, and while a long one is computed in chunks, through the engine as the backend
// runs it (the 0.6B shape, random weights).
//   node --import tsx test/bench/backend/short-beside-long.ts [--layers 28] [--tokens 8192] [--threads 2] [--seconds 60]

import { parseArgs } from "node:util";

import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import { textsOf } from "../gpu/mixes.ts";
import { compiledShape } from "./one-text.ts";

const ALONE = 20;

const { values } = parseArgs({
  options: {
    layers: { type: "string" },
    tokens: { type: "string", default: "8192" },
    threads: { type: "string", default: "2" },
    seconds: { type: "string", default: "60" },
  },
});
const model = await compiledShape("0.6B", values.layers === undefined ? undefined : Number(values.layers));
const engine = await startEngine(model, { threads: Number(values.threads) });
const [long = new Int32Array(), short = new Int32Array()] = textsOf(
  [Number(values.tokens), 16],
  model.config.vocabSize,
);

async function waitMs(): Promise<number> {
  const began = performance.now();
  await engine.run([short]);
  return performance.now() - began;
}

function report(name: string, waits: readonly number[]): void {
  const sorted = waits.toSorted((left, right) => left - right);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(0);
  console.log(`${name}: ${waits.length} texts, median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms`);
}

const alone: number[] = [];
for (let index = 0; index < ALONE; index += 1) alone.push(await waitMs());
report("alone", alone);
const controller = new AbortController();
const began = performance.now();
const state = { ended: false };
const running = engine.run([long], { signal: controller.signal }).then(
  () => (state.ended = true),
  () => undefined,
);
const beside: number[] = [];
while (!state.ended && performance.now() - began < Number(values.seconds) * 1_000) beside.push(await waitMs());
report(`beside ${long.length} tokens`, beside);
const dropped = performance.now();
controller.abort();
await running;
await engine.run([short]);
console.log(`broken off, and the next text answered, after ${(performance.now() - dropped).toFixed(0)} ms`);
await engine.close();
