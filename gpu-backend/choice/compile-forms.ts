// A checkpoint compiled in the form, or in the two forms, that a card is to compute it in.

import { createHash } from "node:crypto";

import { must } from "../../shared/assert.ts";
import { parseRevision } from "../../shared/ids.ts";
import { compileCheckpoint, type CompileOptions } from "../compiler/compile.ts";
import type { CompiledModel, CudaWeights } from "../compiler/compiled-model.ts";
import type { FormsBySize } from "./cuda-forms.ts";

/**
 * As compileCheckpoint. Of two forms the revision is one of its own: a text's vector comes from either, by the run that it is in, and is no
 * other model's. From how many tokens on is not in it: that moves texts from one form to the other, and gives no new vectors.
 */
export async function compileForms(
  dir: string,
  options: Omit<CompileOptions, "cudaWeights">,
  forms: CudaWeights | FormsBySize,
): Promise<CompiledModel> {
  if (typeof forms === "string") return compileCheckpoint(dir, { ...options, cudaWeights: forms });
  const { tokensMin } = forms;
  const small = await compileCheckpoint(dir, { ...options, cudaWeights: forms.small });
  const large = await compileCheckpoint(dir, { ...options, cudaWeights: forms.large });
  const digest = createHash("sha256")
    .update(JSON.stringify([small.revision, large.revision]))
    .digest("hex");
  return {
    ...small,
    revision: must(parseRevision(digest.slice(0, 32)), "revision"),
    largeRuns: { graphPath: large.graphPath, cudaWeights: large.cudaWeights, tokensMin },
  };
}
