import { describe, expect, it } from "vitest";

import { countOverflows, probeBatches } from "../../../gpu-backend/engine/overflow-probe.ts";
import {
  EngineDied,
  NonFiniteVector,
  RunFailed,
  type TextFailure,
  TextsFailed,
} from "../../../gpu-backend/engine/types.ts";

const texts = [Int32Array.of(1), Int32Array.of(2), Int32Array.of(3)];
const failing = (...failures: readonly TextFailure[]) => ({
  run: () => Promise.reject(new TextsFailed(new Map(failures.entries()), new Uint16Array(), 1)),
});

describe("the probe for overflows", () => {
  it("counts texts without a finite vector", async () => {
    expect(await countOverflows({ run: () => Promise.resolve({ vectors: new Uint16Array(), runMs: 1 }) }, texts)).toBe(
      0,
    );
    expect(await countOverflows(failing(new NonFiniteVector(0), new NonFiniteVector(1)), texts)).toBe(2);
  });

  it("tries both forms where large runs have their own", () => {
    expect(probeBatches(texts)).toEqual([texts]);
    const [large, ...alone] = probeBatches(texts, 7);
    expect(large).toEqual([...texts, ...texts, ...texts]);
    expect(alone).toEqual(texts.map((text) => [text]));
  });

  it("takes nothing else for an overflow", async () => {
    await expect(
      countOverflows(failing(new NonFiniteVector(0), new RunFailed(1, "out of memory")), texts),
    ).rejects.toThrow(TextsFailed);
    await expect(countOverflows({ run: () => Promise.reject(new EngineDied("gone")) }, texts)).rejects.toThrow(
      EngineDied,
    );
  });
});
