import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

import { WEIGHTS_FILE } from "../../../gpu-backend/compiler/compiled-folder.ts";
import { parseCards } from "../../../gpu-backend/cuda/cards.ts";
import { fitCard } from "../../../gpu-backend/cuda/fit-card.ts";
import { compileCheckpoint } from "../../../gpu-backend/compiler/compile.ts";
import { DEFAULT_BUDGETS } from "../../../gpu-backend/engine/batch-budget.ts";
import { cardBudget } from "../../../gpu-backend/engine/card-budget.ts";
import { DEMO_MODEL_DIR } from "../engine/demo-reference.ts";

const FOUR_B = { hiddenSize: 2560, intermediateSize: 9728, queryHeads: 32, keyValueHeads: 8, headDim: 128 };
const folder = mkdtempSync(join(tmpdir(), "fit-card-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compiled = await compileCheckpoint(DEMO_MODEL_DIR, { target: "cpu", precision: "exact" });
/** A model of the 4B shape whose weights take so many bytes. */
function model(weightsBytes: number) {
  writeFileSync(join(folder, WEIGHTS_FILE), "");
  truncateSync(join(folder, WEIGHTS_FILE), weightsBytes);
  const config = { ...compiled.config, ...FOUR_B, maxTokens: 32_768 };
  return { ...compiled, target: "cuda-fp16", graphPath: join(folder, "graph.onnx"), config } as const;
}
const card = (freeMiB: number | string, index = 0) => parseCards(`${index}, NVIDIA L4, 580.1, 24000, ${freeMiB}, 8.9`);

describe("a card's budget", () => {
  it("grows with what is free beside the weights, up to what large runs are worth", () => {
    const tokens = [6e9, 8e9, 12e9, 24e9, 80e9].map((free) => cardBudget(FOUR_B, 2.9e9, free)?.maxTokens ?? 0);
    expect(tokens).toEqual(tokens.toSorted((left, right) => left - right));
    expect(tokens[0]).toBeGreaterThan(4_000);
    expect(tokens[3]).toBe(DEFAULT_BUDGETS["cuda-fp16"].maxTokens);
    expect(tokens[4]).toBe(tokens[3]);
    expect(cardBudget(FOUR_B, 2.9e9, 4.6e9)).toBeUndefined();
  });
});

describe("a model on a card", () => {
  it("reads texts as long as the card holds, and no longer", () => {
    const { model: fitted, budget } = fitCard(model(2.9e9), { folder }, 1, card(6_500));
    expect(fitted.config.maxTokens).toBe(budget.maxTokens);
    expect(budget.maxTokens).toBeLessThan(32_768);
    expect(fitCard(model(2.9e9), { folder }, 1, card(22_000)).model.config.maxTokens).toBe(32_768);
  });

  it("that does not fit is refused with both sizes", () => {
    expect(() => fitCard(model(8.4e9), { folder }, 1, card(9_000))).toThrow(
      /Card 0 \(NVIDIA L4\) has 9\.4 GB of memory free; this model's weights take 8\.4 GB/,
    );
  });

  it("is refused on a card that is not there, and gets the usual budget where the driver does not say what is free", () => {
    expect(() => fitCard(model(1e9), { folder, card: 3 }, 1, card(9_000))).toThrow(
      /There is no card 3: nvidia-smi counts 1/,
    );
    expect(fitCard(model(1e9), { folder }, 1, card("[N/A]")).budget).toEqual(DEFAULT_BUDGETS["cuda-fp16"]);
    expect(fitCard(model(1e9), { folder }, 1, []).budget).toEqual(DEFAULT_BUDGETS["cuda-fp16"]);
  });
});
