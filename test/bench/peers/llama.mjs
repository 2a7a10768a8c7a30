// llama.cpp as a system of the bench (see main.ts for what it is told and says): Q4_0 weights through node-llama-cpp.
//   node llama.mjs GGUF THREADS
//
// Batched as well as it can be. node-llama-cpp's own embedding context takes one text at a time and puts every token
// through the output layer; here a plain context decodes texts of several sequences at once, only each text's last token
// is an output, and of several ways to cut a mix into batches the one that was fastest in the warm-up is used from then
// on. `_ctx` is node-llama-cpp's native context (its AddonTypes.d.ts), which its public API hides.

import { createInterface } from "node:readline";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const SEQUENCES = 32;
/** Tokens of one decode. */
const BATCH_TOKENS = 2048;
/** Longest text of a batch; a longer one is decoded in a context of its own, or the caches would take 8 GB. */
const SHARED_TEXT_TOKENS = 512;
/** What a context needs beyond its texts. */
const SPARE_TOKENS = 32;
/** Most tokens of a batch, and whether texts of like length share one. */
const WAYS = [
  { tokens: BATCH_TOKENS, sequences: SEQUENCES },
  { tokens: 512, sequences: SEQUENCES },
  { tokens: BATCH_TOKENS, sequences: 1 },
];

const [path = "", threads = "2"] = process.argv.slice(2);
const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: Number(threads),
  logLevel: LlamaLogLevel.error,
});
const start = performance.now();
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
const shared = await open(SHARED_TEXT_TOKENS + SPARE_TOKENS, SEQUENCES);
const alone = await open(BATCH_TOKENS + SPARE_TOKENS, 1);

const loadMs = performance.now() - start;

async function open(contextSize, sequences) {
  const context = await model.createContext({
    contextSize,
    sequences,
    batchSize: BATCH_TOKENS,
    threads: Number(threads),
    flashAttention: false,
  });
  const native = Reflect.get(context, "_ctx");
  native.setThreads(Number(threads));
  return native;
}

/** Sorted texts in batches of at most `tokens` and `sequences`. */
function batchesOf(texts, { tokens, sequences }) {
  const batches = [];
  let size = 0;
  for (const text of texts.toSorted((left, right) => right.length - left.length)) {
    const last = batches.at(-1);
    const fits = last !== undefined && last[0].length <= SHARED_TEXT_TOKENS;
    if (fits && last.length < sequences && size + text.length <= tokens) {
      last.push(text);
      size += text.length;
    } else {
      batches.push([text]);
      size = text.length;
    }
  }
  return batches;
}

async function run(texts, way) {
  const began = performance.now();
  for (const batch of batchesOf(texts, way)) {
    const native = batch[0].length > SHARED_TEXT_TOKENS ? alone : shared;
    native.initBatch(batch.reduce((sum, text) => sum + text.length, 0));
    for (const [sequence, text] of batch.entries())
      native.addToBatch(sequence, 0, text, Uint32Array.of(text.length - 1));
    await native.decodeBatch();
    for (const sequence of batch.keys()) native.disposeSequence(sequence);
  }
  return performance.now() - began;
}

const chosen = new Map();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ detail: `llama.cpp ${llama.llamaCppRelease.release}, Q4_0`, loadMs });
for await (const line of createInterface({ input: process.stdin })) {
  const { mix, lengths, warmUp } = JSON.parse(line);
  const texts = lengths.map((length, text) =>
    Uint32Array.from({ length }, (_, at) => ((text + 1) * 7919 + at * 104_729) % 150_000),
  );
  if (warmUp) {
    const times = [];
    for (const way of WAYS) times.push(await run(texts, way));
    chosen.set(mix, WAYS[times.indexOf(Math.min(...times))]);
    say({ milliseconds: Math.min(...times), detail: JSON.stringify(chosen.get(mix)) });
  } else {
    say({ milliseconds: await run(texts, chosen.get(mix) ?? WAYS[0]) });
  }
}
await llama.dispose();
