// Entry of the process that tries forms on a card: the whole model in each, since only its own shapes in its own memory say how fast it is.
// It has CUDA's environment; a card that is lost takes this process alone with it.

import { compileSoundly } from "../compiler/compile.ts";
import type { CompileTarget, CudaWeights } from "../compiler/compiled-model.ts";
import { GraphSession } from "../engine/graph-session.ts";
import { sendToParent } from "../send-to-parent.ts";
import type { FormFigures } from "./cuda-forms.ts";
import { calibrationIds, distancesOf, vectorsOf } from "./trial.ts";

export interface CudaTrialRequest {
  readonly checkpointDir: string;
  readonly cacheDir?: string;
  readonly target: CompileTarget;
  readonly threads: number;
  /** The form as it is first. */
  readonly forms: readonly CudaWeights[];
}
export type FromCudaTrial =
  | { readonly kind: "figures"; readonly figures: FormFigures }
  | { readonly kind: "failed"; readonly form: CudaWeights; readonly reason: string };

/** Texts, and tokens of each: from a question alone to a full batch. */
const SIZES = [
  [1, 16],
  [1, 128],
  [4, 128],
  [4, 512],
  [16, 512],
] as const;
const ROUNDS = 5;

const send = (message: FromCudaTrial): Promise<void> => sendToParent(message);

async function answer({ forms, checkpointDir, cacheDir, target, threads }: CudaTrialRequest): Promise<void> {
  let expected: Float32Array | undefined;
  for (const form of forms) {
    try {
      const options = {
        target,
        precision: "exact",
        cudaWeights: form,
        ...(cacheDir !== undefined && { cacheDir }),
      } as const;
      const model = await compileSoundly(checkpointDir, options);
      const vectors = await vectorsOf(model, await calibrationIds(model), threads);
      expected ??= vectors;
      // What is not finite is as far off as can be, and JSON has no infinity.
      const distance = Math.min(2, distancesOf(vectors, expected, model.config).at(-1) ?? 0);
      const session = await GraphSession.open({ graphPath: model.graphPath, target, cudaWeights: form, threads });
      const runs: FormFigures["runs"] = [];
      for (const [count, tokens] of SIZES) {
        const texts = Array.from({ length: count }, (_, text) => new Int32Array(tokens).fill(7 + text));
        runs.push({ tokens: count * tokens, ms: await leastMs(session, texts) });
      }
      await session.close();
      await send({ kind: "figures", figures: { form, runs, distance } });
    } catch (error) {
      await send({ kind: "failed", form, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  process.exit(0);
}

async function leastMs(session: GraphSession, texts: readonly Int32Array[]): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  // The first round allocates and chooses kernels.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const start = performance.now();
    await session.run(texts);
    if (round > 0) least = Math.min(least, performance.now() - start);
  }
  return least;
}

process.on("message", (request: CudaTrialRequest) => void answer(request));
process.on("disconnect", () => process.exit(0));
