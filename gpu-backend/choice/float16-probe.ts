// Whether float16 holds a checkpoint on this card: found out once (engine/overflow-probe.ts), then kept beside the compiled files for this
// card, driver, runtime, checkpoint and form. Where the driver does not name the card it is found out at each start.

import * as z from "zod";

import { compiledRoots } from "../compiler/compiled-folder.ts";
import type { CompiledModel } from "../compiler/compiled-model.ts";
import { type Card, cardName } from "../cuda/cards.ts";
import { ONNXRUNTIME_VERSION } from "../cuda/wheels.ts";
import { OVERFLOW_TEXTS } from "../engine/overflow-probe.ts";
import { keep, keptFile, readKept } from "./kept-choice.ts";

const foundSchema = z.object({
  texts: z.int(),
  /** Texts without a finite vector. */
  overflows: z.int(),
});
export type Float16Found = z.infer<typeof foundSchema>;

export class Float16Probe {
  readonly #roots: readonly string[];
  readonly #file: string | undefined;

  constructor({ checkpointDir, revision }: CompiledModel, cacheDir: string, card: Card | undefined) {
    this.#roots = compiledRoots(checkpointDir, cacheDir);
    const facts = [revision, cardName(card), ONNXRUNTIME_VERSION, ...OVERFLOW_TEXTS];
    this.#file = card === undefined ? undefined : keptFile("float16", facts);
  }

  /** What an earlier start has found. */
  get found(): Float16Found | undefined {
    return this.#file === undefined ? undefined : readKept(foundSchema, this.#roots, this.#file);
  }

  keep(found: Float16Found): void {
    if (this.#file !== undefined) keep(this.#roots, this.#file, found);
  }
}
