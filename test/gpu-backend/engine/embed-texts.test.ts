import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { embedTexts } from "../../../gpu-backend/engine/embed-texts.ts";
import { rowFormOf } from "../../../gpu-backend/engine/row-form.ts";
import { GraphSession } from "../../../gpu-backend/engine/graph-session.ts";
import { copyCheckpoint } from "../copy-checkpoint.ts";
import { distance, row } from "../cosine.ts";
import { float32Tolerance } from "../tolerances.ts";

const FORM = rowFormOf({ dimensions: 2, reranker: undefined });
const BUDGET = { maxTokens: 100, maxPaddedTokens: 100 };
const POISON = 13;
const REFUSED = 7;

/** A graph whose vectors depend on a text's first id; POISON makes the whole run NaN, as overflow in attention can. */
function graph(calls: number[]) {
  return (texts: readonly Int32Array[]): Promise<Float32Array> => {
    calls.push(texts.length);
    if (texts.some((text) => text[0] === REFUSED)) return Promise.reject(new Error("out of memory"));
    const poisoned = texts.some((text) => text[0] === POISON);
    return Promise.resolve(
      Float32Array.from(
        texts.flatMap((text) => (poisoned ? [Number.NaN, 0] : [Math.cos(text[0] ?? 0), Math.sin(text[0] ?? 0)])),
      ),
    );
  };
}
const texts = (...firsts: number[]) => firsts.map((first) => Int32Array.of(first, 99));

describe("embedding a batch in which some texts cannot be embedded", () => {
  it("computes each text of a poisoned run alone, and only the bad one fails", async () => {
    const calls: number[] = [];
    const { vectors, failed } = await embedTexts(graph(calls), texts(1, POISON, 2), FORM, BUDGET);
    const clean = await embedTexts(graph([]), texts(1, 2), FORM, BUDGET);
    expect(failed).toEqual([{ index: 1 }]);
    expect([...vectors]).toEqual([...clean.vectors.subarray(0, 2), 0, 0, ...clean.vectors.subarray(2)]);
    expect(calls).toEqual([3, 1, 1, 1]);
  });

  it("names the runtime's reason for a text that it refuses also alone", async () => {
    const { failed } = await embedTexts(graph([]), texts(1, REFUSED, 2), FORM, BUDGET);
    expect(failed).toEqual([{ index: 1, reason: "out of memory" }]);
  });

  it("halves a run that is refused until what is left passes", async () => {
    const calls: number[] = [];
    const batch = texts(1, 2, 3, 4, 5, 6, 8, 9, 10, 11);
    const holdsFour = (run: readonly Int32Array[], indices: readonly number[]): Promise<Float32Array> => {
      calls.push(run.length);
      expect(run).toEqual(indices.map((index) => batch[index]));
      if (run.length > 4) return Promise.reject(new Error("out of memory"));
      return graph([])(run);
    };
    const { vectors, failed } = await embedTexts(holdsFour, batch, FORM, BUDGET);
    const single = await embedTexts(graph([]), texts(10), FORM, BUDGET);
    expect(failed).toEqual([]);
    expect(calls).toEqual([10, 5, 2, 3, 5, 2, 3]);
    expect(vectors.subarray(16, 18)).toEqual(single.vectors);
  });

  it("finds one refused text among many in few runs", async () => {
    const calls: number[] = [];
    const many = texts(...Array.from({ length: 50 }, (_, at) => (at === 20 ? REFUSED : at + 100)));
    const { failed } = await embedTexts(graph(calls), many, FORM, BUDGET);
    expect(failed).toEqual([{ index: 20, reason: "out of memory" }]);
    expect(calls.length).toBeLessThan(14);
  });

  it("does not compute a text twice that was alone in its run", async () => {
    const calls: number[] = [];
    const { failed } = await embedTexts(graph(calls), texts(POISON), FORM, BUDGET);
    expect(failed).toEqual([{ index: 0 }]);
    expect(calls).toEqual([1]);
  });

  it("takes a vector of zeros for a failure, since it has no direction", async () => {
    const { failed } = await embedTexts(() => Promise.resolve(new Float32Array(FORM.values)), texts(1), FORM, BUDGET);
    expect(failed).toEqual([{ index: 0 }]);
  });
});

describe("a batch of a real graph with a text whose numbers are beyond float32", () => {
  const checkpoint = fileURLToPath(new URL("../../vectors/checkpoints/plain-fp32", import.meta.url));
  const batch = [
    [1, 2, 127],
    [3, 127, 5],
    [4, 127],
    [6, 7, 8, 127],
  ].map((ids) => Int32Array.from(ids));

  async function embedded(dir: string) {
    const { graphPath, config } = await compileCheckpoint(dir, { target: "cpu", precision: "exact" });
    const session = await GraphSession.open({ graphPath, target: "cpu", cudaWeights: "as-is", threads: 1 });
    const result = await embedTexts((run) => session.run(run), batch, rowFormOf(config), DEFAULT_BUDGETS.cpu);
    await session.close();
    return { ...result, config, size: config.hiddenSize };
  }

  /** Fills a token's row of the embedding table, float32 [vocabulary, size], with values whose squares overflow. */
  function poisonToken(path: string, token: number, size: number): void {
    const file = readFileSync(path);
    const headerBytes = Number(file.readBigUInt64LE(0));
    const header = JSON.parse(file.toString("utf8", 8, 8 + headerBytes)) as Record<string, { data_offsets: number[] }>;
    const [, table] = Object.entries(header).find(([name]) => name.endsWith("embed_tokens.weight")) ?? [];
    const begin = 8 + headerBytes + (table?.data_offsets[0] ?? 0) + token * size * 4;
    for (let at = 0; at < size; at += 1) file.writeFloatLE(3e38, begin + at * 4);
    writeFileSync(path, file);
  }

  it("fails that one, and gives the others the vectors that they have without it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "poisoned-"));
    try {
      const dir = copyCheckpoint(checkpoint, folder);
      const healthy = await embedded(dir);
      poisonToken(join(dir, "model.safetensors"), 5, healthy.size);
      const poisoned = await embedded(dir);
      expect(healthy.failed).toEqual([]);
      expect(poisoned.failed).toEqual([{ index: 1 }]);
      for (const index of [0, 2, 3]) {
        const [left, right] = [poisoned, healthy].map(({ vectors, size }) => row(vectors, index, size));
        expect(distance(left ?? [], right ?? [])).toBeLessThanOrEqual(float32Tolerance(healthy.config, 2));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
