// Whose fault a failure is: a line is blamed only for failures while it ran by itself, and never for an outage.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterFailure, isOnTrial } from "../../../edge/batch/blame.ts";
import { sliceSize } from "../../../edge/batch/read-slice.ts";
import { apiError } from "../../../shared/errors.ts";
import { tokensOf } from "../support/fake-backends.ts";
import { embeddingLine } from "./support.ts";
import { World } from "./world.ts";

const TEXTS = ["first", "second", "third", "fourth", "fifth"];
const costOf = (texts: readonly string[]) => texts.reduce((sum, text) => sum + tokensOf(text) * 4, 0);
const open = async (texts: readonly string[]) => {
  const world = await World.open(
    1_000_000,
    texts.map((text) => embeddingLine(text, text)),
  );
  world.shrink = 0;
  return world;
};

describe("a line whose text breaks the backend", () => {
  test.each(TEXTS)("fails, also as the %s; only the other lines are answered and charged", async (poison) => {
    const world = await open(TEXTS);
    world.onFrame = (words) => {
      if (words.includes(poison)) throw apiError("internal_error", "it broke");
    };
    await world.run([undefined]);
    const good = TEXTS.filter((text) => text !== poison);
    expect(world.ended).toMatchObject({ status: "completed", counts: { total: 5, completed: 4, failed: 1 } });
    const [failed, ...others] = await world.lines(world.ended?.errorFileId);
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ custom_id: poison, response: { status_code: 500 } });
    expect((await world.lines(world.ended?.outputFileId)).map((line) => line.custom_id)).toEqual(good);
    expect((await world.account.stub.getAccount())?.chargedNanoUsd).toBe(costOf(good));
  });
});

describe("an outage of the backend", () => {
  test.each([1, 5])("blames no line, however long it lasts: all %i lines are answered after it", async (lines) => {
    const texts = TEXTS.slice(0, lines);
    const world = await open(texts);
    world.failures = 60;
    await world.run([undefined]);
    expect(world.ended).toMatchObject({ status: "completed", counts: { completed: lines, failed: 0 } });
    expect((await world.account.stub.getAccount())?.chargedNanoUsd).toBe(costOf(texts));
  });
});

describe("blame", () => {
  const FRESH = { failures: 0, shrink: 0 };
  const WHOLE_LINES = sliceSize(0).lines;

  test("needs ten suspicious failures in a row while the line runs by itself", () => {
    const cause = fc.constantFrom("internal_error" as const, "deadline_exceeded" as const, "overloaded" as const);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: WHOLE_LINES }), fc.array(cause, { maxLength: 60 }), (lines, causes) => {
        let state: Parameters<typeof afterFailure>[0] = FRESH;
        let alone = 0;
        for (const code of causes) {
          const attempted = Math.min(lines, sliceSize(state.shrink).lines);
          alone = code !== "overloaded" && attempted === 1 ? alone + 1 : 0;
          const { change, delayMs } = afterFailure(state, apiError(code, ""), attempted);
          state = change;
          expect(delayMs).toBeLessThanOrEqual(60_000);
          expect(isOnTrial(state, attempted)).toBe(alone >= 10);
          if (attempted > 1) expect(isOnTrial(state, 1)).toBe(false);
        }
      }),
    );
  });

  test("finds the line quickly: a slice of any size is halved at each attempt after the second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: WHOLE_LINES }), (lines) => {
        let state: Parameters<typeof afterFailure>[0] = FRESH;
        let attempted = lines;
        for (let attempts = 0; attempts < 3 + Math.ceil(Math.log2(lines)); attempts += 1) {
          attempted = Math.min(lines, sliceSize(state.shrink).lines);
          state = afterFailure(state, apiError("internal_error", ""), attempted).change;
        }
        expect(attempted).toBe(1);
      }),
    );
  });
});
