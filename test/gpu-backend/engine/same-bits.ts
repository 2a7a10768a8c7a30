// The promise that a text's vector is the same bits whatever it is computed with: random batches in random orders, on one
// thread and on several, in processes that are started anew, each vector against that of the text alone.

import type { CompiledModel } from "../../../gpu-backend/compiler/compiled-model.ts";
import { startEngine } from "../../../gpu-backend/engine/engine.ts";
import type { Engine } from "../../../gpu-backend/engine/types.ts";
import { mulberry32 } from "../../support/mulberry32.ts";

/** Most texts, and most tokens, that a batch is given. */
const BATCH_TEXTS_MAX = 140;
const BATCH_TOKENS_MAX = 3_000;
/** One of so many batches is made of one-token texts and the like, so that whole tiles of rows are texts. */
const TINY_EVERY = 8;
const TINY_TOKENS_MAX = 4;

export interface SameBitsOptions {
  /** Vectors to compare, at least. */
  readonly comparisons: number;
  /** Intra-op threads of the engines, in turns. Each turn is a new process. */
  readonly threads: readonly number[];
  readonly turns: number;
  readonly seed: number;
  readonly onTurn?: (comparisons: number, differences: number) => void;
}

export interface SameBits {
  readonly comparisons: number;
  /** Float16 values that were not equal. */
  readonly differences: number;
  /** Tokens of the texts that they are of. */
  readonly lengths: ReadonlySet<number>;
}

/** `texts`: token ids. */
export async function compareBits(
  model: CompiledModel,
  texts: readonly Int32Array[],
  { comparisons, threads, turns, seed, onTurn }: SameBitsOptions,
): Promise<SameBits> {
  const random = mulberry32(seed);
  const alone: Uint16Array[] = [];
  await withEngine(model, threads[0] ?? 1, async (engine) => {
    for (const text of texts) alone.push((await engine.run([text])).vectors);
  });
  const { hiddenSize } = model.config;
  let compared = 0;
  let differences = 0;
  const lengths = new Set<number>();
  for (let turn = 0; turn < turns; turn += 1) {
    await withEngine(model, threads[turn % threads.length] ?? 1, async (engine) => {
      for (let batches = 0; compared < (comparisons * (turn + 1)) / turns; batches += 1) {
        const chosen = batchOf(texts, batches % TINY_EVERY === 0 ? TINY_TOKENS_MAX : BATCH_TOKENS_MAX, random);
        const { vectors } = await engine.run(chosen.map((index) => texts[index] ?? new Int32Array()));
        for (const [position, index] of chosen.entries()) {
          const own = vectors.subarray(position * hiddenSize, (position + 1) * hiddenSize);
          const count = differing(own, alone[index] ?? new Uint16Array());
          differences += count;
          if (count > 0) lengths.add(texts[index]?.length ?? 0);
          compared += 1;
        }
      }
    });
    onTurn?.(compared, differences);
  }
  return { comparisons: compared, differences, lengths };
}

async function withEngine(
  model: CompiledModel,
  threads: number,
  use: (engine: Engine) => Promise<void>,
): Promise<void> {
  const engine = await startEngine(model, { threads });
  try {
    await use(engine);
  } finally {
    await engine.close();
  }
}

/** Positions of texts with up to `tokensMax` tokens, drawn with repetition. */
function batchOf(texts: readonly Int32Array[], tokensMax: number, random: () => number): readonly number[] {
  const fitting = texts.flatMap((text, index) => (text.length <= tokensMax ? [index] : []));
  const count = 1 + Math.floor(random() ** 2 * BATCH_TEXTS_MAX);
  const chosen: number[] = [];
  for (let tokens = 0; chosen.length < count;) {
    const index = fitting[Math.floor(random() * fitting.length)] ?? 0;
    tokens += texts[index]?.length ?? 0;
    if (chosen.length > 0 && tokens > BATCH_TOKENS_MAX) break;
    chosen.push(index);
  }
  return chosen;
}

function differing(left: Uint16Array, right: Uint16Array): number {
  return left.reduce((count, bits, index) => (bits === right[index] ? count : count + 1), left.length - right.length);
}
