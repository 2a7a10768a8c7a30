// A checkpoint of test/vectors/ with its reference: compiled, and its texts embedded in one batch and one by one.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

import { compileCheckpoint } from "../../gpu-backend/compiler/compile.ts";
import type { GraphPlan } from "../../gpu-backend/compiler/graph-plan.ts";
import { GraphSession } from "../../gpu-backend/engine/graph-session.ts";
import { copyCheckpoint } from "./copy-checkpoint.ts";

const expectedSchema = z.object({ texts: z.array(z.array(z.int())), embeddings: z.array(z.array(z.number())) });

/** Compiles a copy of `source` in `scratch` and embeds its texts; gives the vectors with those of the oracle. */
export async function embedCheckpoint(source: string, scratch: string, plan?: GraphPlan, threads = 1) {
  const dir = copyCheckpoint(source, scratch);
  const { texts, embeddings } = expectedSchema.parse(JSON.parse(readFileSync(join(dir, "expected.json"), "utf8")));
  const model = await compileCheckpoint(dir, { target: "cpu", precision: "exact", ...(plan && { plan }) });
  const session = await GraphSession.open({
    graphPath: model.graphPath,
    target: "cpu",
    cudaWeights: "as-is",
    threads,
  });
  const ids = texts.map((text) => Int32Array.from(text));
  const rowsOf = async (batch: readonly Int32Array[]) => {
    const flat = await session.run(batch);
    const size = flat.length / batch.length;
    return batch.map((_, index) => flat.slice(index * size, (index + 1) * size));
  };
  const together = await rowsOf(ids);
  const alone = [];
  for (const text of ids) alone.push(...(await rowsOf([text])));
  await session.close();
  return { model, lengths: texts.map((text) => text.length), embeddings, together, alone };
}
