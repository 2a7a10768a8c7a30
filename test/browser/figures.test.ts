// What the pages compute: sums and stacks of usage, the end of the credit, axes, similarities and maps.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { balanceHistory, project } from "../../edge/pages/client/burn-down.ts";
import { formatCount, formatMoney, formatMs } from "../../edge/pages/client/format.ts";
import { spread, ticks } from "../../edge/pages/client/scale.ts";
import type { UsageBucket, UsageResult } from "../../edge/pages/client/types.ts";
import { OTHER, SERIES_MAX, stackUsage, sumUsage } from "../../edge/pages/client/usage-data.ts";
import { mrlCost, prefix, principalMap, similarities } from "../../edge/pages/client/vectors.ts";

const DAY_S = 86_400;
const USD = 1_000_000_000;

function result(model: string, cost: number): UsageResult {
  return {
    model,
    key_id: null,
    requests: 1,
    input_tokens: 10,
    cached_tokens: 2,
    cost_nano_usd: cost,
    saved_nano_usd: 1,
    errors: { "4xx": 0, "5xx": 0 },
    latency_ms: { p50: 1, p95: 2, p99: 3 },
  };
}

function bucket(day: number, results: readonly UsageResult[]): UsageBucket {
  return { start_time: day * DAY_S, end_time: (day + 1) * DAY_S, results };
}

describe("stacks", () => {
  test("add up to the whole, bucket by bucket, however many groups there are", () => {
    const groups = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.nat(1e6)), { maxLength: 60 });
    fc.assert(
      fc.property(fc.array(groups, { maxLength: 6 }), (days) => {
        const buckets = days.map((day, index) =>
          bucket(
            index,
            day.map(([model, cost]) => result(`m${model}`, cost)),
          ),
        );
        const { names, rows } = stackUsage(
          buckets,
          ({ model }) => model ?? "",
          ({ cost_nano_usd: cost }) => cost,
        );
        expect(names.length).toBeLessThanOrEqual(SERIES_MAX);
        const total = (row: readonly number[]) => row.reduce((sum, value) => sum + value, 0);
        expect(rows.map(total)).toEqual(buckets.map((one) => sumUsage([one]).costNanoUsd));
      }),
    );
  });

  test("show the largest groups by name and sum the rest", () => {
    const results = Array.from({ length: 20 }, (_, place) => result(`m${place}`, place));
    const { names, rows } = stackUsage(
      [bucket(0, results)],
      ({ model }) => model ?? "",
      ({ cost_nano_usd: cost }) => cost,
    );
    expect(names).toEqual(["m19", "m18", "m17", "m16", "m15", "m14", "m13", OTHER]);
    expect(rows[0]?.at(-1)).toBe((12 * 13) / 2);
  });
});

describe("the end of the credit", () => {
  const now = { at: 10 * DAY_S, nanoUsd: 6 * USD };

  test("is where a straight line at the mean pace meets zero", () => {
    const days = [7, 8, 9].map((day) => bucket(day, [result("m", 2 * USD)]));
    expect(project(now, days)).toEqual({ kind: "ends", perDayNanoUsd: 2 * USD, at: 13 * DAY_S });
  });

  test("is not guessed without spend, and is a year away at most", () => {
    expect(project(now, [bucket(9, [])])).toEqual({ kind: "no_spend" });
    expect(project(now, [])).toEqual({ kind: "no_spend" });
    expect(project({ ...now, nanoUsd: 0 }, [bucket(9, [result("m", 1)])])).toEqual({ kind: "empty" });
    expect(project(now, [bucket(9, [result("m", 1)])])).toMatchObject({ kind: "beyond" });
  });

  test("follows the statement in the order of its lines, though an hour's charge is dated earlier", () => {
    const line = (at: number, balance: number) => ({
      id: "t",
      at,
      kind: "charge",
      amount_nano_usd: 0,
      balance_after_nano_usd: balance,
      description: "",
    });
    const history = balanceHistory([line(90, 4), line(100, 5)], { at: 200, nanoUsd: 3 });
    expect(history).toEqual([
      { at: 100, nanoUsd: 5 },
      { at: 100, nanoUsd: 4 },
      { at: 200, nanoUsd: 3 },
    ]);
  });
});

describe("axes", () => {
  test("end in a round number at or above the largest value, in few whole steps", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e15 }), (max) => {
        const marks = ticks(max, 4);
        expect(marks.at(-1)).toBeGreaterThanOrEqual(max * (1 - 1e-9));
        expect(marks.length).toBeLessThanOrEqual(6);
        expect(marks.every(Number.isInteger)).toBe(true);
      }),
    );
    expect(ticks(0, 4)).toEqual([0]);
    expect(ticks(7, 4)).toEqual([0, 2, 4, 6, 8]);
  });

  test("label the last place, and no more places than fit", () => {
    expect(spread(365, 5)).toEqual([72, 145, 218, 291, 364]);
    expect(spread(3, 10)).toEqual([0, 1, 2]);
    expect(spread(0, 5)).toEqual([]);
  });

  test("write amounts so that small ones stay legible", () => {
    expect([0, 1, 472, 12_345_678, 1_234_567_890_123].map(formatMoney)).toEqual([
      "$0",
      "$0.000000001",
      "$0.000000472",
      "$0.0123",
      "$1,234.57",
    ]);
    expect(formatMoney(-2_500_000_000)).toBe("−$2.50");
    expect([999, 12_345, 7_460_000_000].map(formatCount)).toEqual(["999", "12.3K", "7.46B"]);
    expect([null, 0.4, 999, 1500, 61_000].map(formatMs)).toEqual(["–", "0 ms", "999 ms", "1.5 s", "61 s"]);
  });
});

describe("vectors", () => {
  const unit = (values: readonly number[]) => prefix(values, values.length);

  test("of a prefix are unit vectors again", () => {
    expect(prefix([3, 4, 12], 2)).toEqual([0.6, 0.8]);
    expect(prefix([0, 0, 1], 2)).toEqual([0, 0]);
  });

  test("cost nothing at full length, and cost what the changed similarities say", () => {
    const vectors = [unit([1, 0, 1]), unit([1, 0, 0]), unit([0, 1, 0.1])];
    const full = similarities(vectors);
    expect(mrlCost(full, full)).toEqual({ meanChange: 0, maxChange: 0, sameNearest: 3 });
    const cut = similarities(vectors.map((vector) => prefix(vector, 1)));
    expect(mrlCost(full, cut).maxChange).toBeCloseTo(1 - Math.SQRT1_2, 9);
  });

  test("lie on the map as far apart as in space, where two dimensions suffice", () => {
    const flat = [
      [0, 0, 5],
      [3, 0, 5],
      [0, 1, 5],
      [3, 1, 5],
    ];
    const points = principalMap(flat);
    const distance = (a: number, b: number) =>
      Math.hypot((points[a]?.x ?? 0) - (points[b]?.x ?? 0), (points[a]?.y ?? 0) - (points[b]?.y ?? 0));
    expect([distance(0, 1), distance(0, 2), distance(0, 3)].map((value) => Number(value.toFixed(6)))).toEqual([
      3,
      1,
      Number(Math.sqrt(10).toFixed(6)),
    ]);
    expect(principalMap([[1, 0]])).toEqual([{ x: 0, y: 0 }]);
    expect(principalMap([])).toEqual([]);
  });
});
