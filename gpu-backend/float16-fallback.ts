// Whether float16 holds the checkpoint that is to be served, and what a start does where it does not: it is served in bfloat16.

import { type Float16Found, Float16Probe } from "./choice/float16-probe.ts";
import type { CompiledModel } from "./compiler/compiled-model.ts";
import type { Config } from "./config.ts";
import { cardInUse, readCards } from "./cuda/cards.ts";
import { countOverflows, OVERFLOW_TEXTS, probeBatches } from "./engine/overflow-probe.ts";
import type { Engine } from "./engine/types.ts";
import type { TokenizerPool } from "./tokenizer/pool.ts";

/** Some texts have no finite vector in float16. */
export class Float16Overflow extends Error {
  constructor({ texts, overflows }: Float16Found) {
    super(
      `float16 does not hold this checkpoint: ${overflows} of ${texts} texts that are known to be hard have no finite vector. It is served in bfloat16, which is less exact (docs/gpu.md); --target cuda-bf16 spares the try.`,
    );
  }
}

/**
 * Throws Float16Overflow where an earlier start has found one. Gives what is to be done when the engine is there: nothing where float16 is
 * known to hold the model; else hard texts go through it, what is found is kept, and Float16Overflow is thrown.
 */
export function float16Check(
  model: CompiledModel,
  { data, cudaDevice, callTokensMax }: Config,
): (engine: Engine, tokenizer: TokenizerPool) => Promise<void> {
  const nothing = (): Promise<void> => Promise.resolve();
  if (model.target !== "cuda-fp16") return nothing;
  const probe = new Float16Probe(model, data, cardInUse(readCards(), cudaDevice));
  const before = probe.found;
  if (before !== undefined) {
    if (before.overflows > 0) throw new Float16Overflow(before);
    return nothing;
  }
  return async (engine, tokenizer) => {
    const texts = {
      account: "start",
      inputs: OVERFLOW_TEXTS,
      prefix: "",
      truncate: "end",
      tier: "interactive",
    } as const;
    const call = await tokenizer.tokenize({ ...texts, tokensMax: callTokensMax }, new AbortController().signal);
    const batches = probeBatches(call.texts, model.largeRuns?.tokensMin);
    let overflows = 0;
    for (const batch of batches) overflows += await countOverflows(engine, batch);
    const found = { texts: batches.flat().length, overflows };
    probe.keep(found);
    if (overflows > 0) throw new Float16Overflow(found);
  };
}
