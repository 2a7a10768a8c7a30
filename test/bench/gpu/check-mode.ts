// One mode of check:gpu, in a process of its own: every subject compiled, run in batches and alone, compared.

import { rmSync } from "node:fs";
import { dirname } from "node:path";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { readCards } from "../../../gpu-backend/cuda/cards.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { embedTexts } from "../../../gpu-backend/engine/embed-texts.ts";
import { rowFormOf } from "../../../gpu-backend/engine/row-form.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { distance, row } from "../../gpu-backend/cosine.ts";
import type { Subject } from "./check-subjects.ts";
import type { Mode } from "./modes.ts";

export async function checkMode(mode: Mode, subjects: readonly Subject[]): Promise<void> {
  for (const subject of subjects) {
    let line: Record<string, unknown>;
    try {
      line = await check(mode, subject);
    } catch (error) {
      line = { error: error instanceof Error ? error.message : String(error) };
    }
    process.stdout.write(`${JSON.stringify({ subject: subject.name, reference: subject.reference, ...line })}\n`);
  }
}

async function check({ target, cudaWeights }: Mode, subject: Subject): Promise<Record<string, unknown>> {
  const steps: string[] = [];
  const onProgress = (_: number, step: string): void => void steps.push(step);
  const model = await compileCheckpoint(subject.dir, { target, cudaWeights, precision: "exact", onProgress });
  const size = model.config.dimensions;
  const session = await GraphSession.open({ graphPath: model.graphPath, target, cudaWeights, threads: 1 });
  try {
    const texts = subject.texts.map((ids) => Int32Array.from(ids));
    const embed = (batch: readonly Int32Array[]) =>
      embedTexts((run) => session.run(run), batch, rowFormOf(model.config), DEFAULT_BUDGETS[target]);
    const together = await embed(texts);
    const alone = new Uint16Array(together.vectors.length);
    for (const [index, text] of texts.entries()) alone.set((await embed([text])).vectors, index * size);
    const bad = new Set(together.failed.map(({ index }) => index));
    const off = texts.flatMap((_, index) =>
      bad.has(index) ? [] : [distance(row(together.vectors, index, size), subject.vectors[index] ?? [])],
    );
    const sorted = off.toSorted((left, right) => left - right);
    const apart = texts.map((_, index) =>
      bad.has(index) ? 0 : distance(row(alone, index, size), row(together.vectors, index, size)),
    );
    const refusals = together.failed.flatMap(({ reason }) => (reason === undefined ? [] : [reason]));
    return {
      texts: texts.length,
      tokens: texts.reduce((sum, text) => sum + text.length, 0),
      median: sorted[sorted.length >> 1] ?? null,
      max: sorted.at(-1) ?? null,
      batchAgainstAlone: Math.max(...apart),
      notFinite: bad.size,
      ...(refusals.length > 0 && { refusal: refusals[0] }),
      // The driver's figure, with this session loaded.
      cardMemoryFree: target === "cpu" ? null : readCards().map(({ freeBytes }) => freeBytes ?? null),
    };
  } finally {
    await session.close();
    // A single step is that it was there before, maybe for a backend that runs.
    if (steps.length > 1) rmSync(dirname(model.graphPath), { recursive: true, force: true });
  }
}
