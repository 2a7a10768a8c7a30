import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { packBatch } from "../../../gpu-backend/engine/batch-inputs.ts";
import { tokenOf, typeOf } from "../../../gpu-backend/token-type.ts";
import { planRuns } from "../../../gpu-backend/engine/batch-budget.ts";

const anyTexts = fc.array(fc.array(fc.integer({ min: 0, max: 151_935 }), { minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 8,
});

describe("packing a batch", () => {
  it("leads from packed to padded and back to the same token, and to each text's last one", () => {
    fc.assert(
      fc.property(anyTexts, (texts) => {
        const batch = packBatch(texts.map((text) => Int32Array.from(text)));
        const tokens = texts.flat().length;
        const packed = [...batch.inputIds.subarray(0, tokens)].map(Number);
        const padded = [...batch.padIdx].map((place) => packed[Number(place)]);
        expect(packed).toEqual(texts.flat());
        expect([...batch.unpadIdx.subarray(0, tokens)].map((place) => padded[Number(place)])).toEqual(packed);
        const lasts = [...batch.lastIdx.subarray(0, texts.length)];
        expect(lasts.map((place) => packed[Number(place)])).toEqual(texts.map((text) => text.at(-1)));
        expect([...batch.seqlensK]).toEqual(texts.map((text) => text.length - 1));
        expect(padded).toHaveLength(texts.length * Math.max(...texts.map((text) => text.length)));
      }),
    );
  });

  it.each([1, 2, 128, 129, 257])("of %i tokens or texts leaves no product with a tile of one row", (count) => {
    const filled = count % 128 === 1 ? count + 1 : count;
    const tokens = packBatch([new Int32Array(count).fill(7)]);
    expect([tokens.inputIds.length, tokens.unpadIdx.length]).toEqual([filled, filled]);
    expect([tokens.inputIds.at(-1), tokens.unpadIdx.at(-1)]).toEqual([7n, BigInt(count - 1)]);
    const texts = packBatch(Array.from({ length: count }, () => Int32Array.of(7)));
    expect([texts.lastIdx.length, texts.lastIdx.at(-1)]).toEqual([filled, BigInt(count - 1)]);
  });
});

describe("packing texts that begin alike", () => {
  const anyBeginning = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 14, maxLength: 20 });
  const anyBatch = fc
    .tuple(fc.array(anyBeginning, { minLength: 1, maxLength: 3 }), anyTexts)
    .map(([beginnings, texts]) =>
      texts.map((text, index) => Int32Array.from([...(beginnings[index % beginnings.length] ?? []), ...text])),
    );

  it("leads each text to rows of its own tokens at their places, however many texts share a row", () => {
    fc.assert(
      fc.property(anyBatch, (texts) => {
        const batch = packBatch(texts, true);
        for (const [index, text] of texts.entries()) {
          const rows = [...batch.padIdx.subarray(index * batch.longest, index * batch.longest + text.length)].map(
            Number,
          );
          expect(rows.map((row) => Number(batch.inputIds[row]))).toEqual([...text].map(tokenOf));
          expect(rows.map((row) => Number(batch.tokenTypes[row]))).toEqual([...text].map(typeOf));
          expect(rows.map((row) => Number(batch.positionIds[row]))).toEqual([...text.keys()]);
          expect(Number(batch.lastIdx[index])).toBe(rows.at(-1));
        }
        // Back from each row to a place that leads to it.
        for (const [row, place] of batch.unpadIdx.entries())
          if (row < batch.unpadIdx.length - 1) expect(Number(batch.padIdx[Number(place)])).toBe(row);
      }),
    );
  });

  it("has one row for each token of a beginning of sixteen, and no fewer rows for one of fifteen", () => {
    const rows = (beginning: number): number => {
      const texts = [3, 4, 5].map((own) => Int32Array.from([...Array.from({ length: beginning }, () => 2), own, own]));
      return packBatch(texts, true).inputIds.length;
    };
    expect([rows(16), rows(15)]).toEqual([16 + 3 * 2, 3 * 17]);
  });

  it("shares nothing between two owners, and within each as if the other were not there", () => {
    const anyOwners = fc.array(fc.nat(1), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(anyBatch, anyOwners, (texts, owners) => {
        const { padIdx, longest } = packBatch(texts, true, owners);
        const rowsOf = (owner: number): ReadonlySet<number> =>
          new Set(
            texts.flatMap((text, index) =>
              owners[index] === owner
                ? [...padIdx.subarray(index * longest, index * longest + text.length)].map(Number)
                : [],
            ),
          );
        const rows = [rowsOf(0), rowsOf(1)] as const;
        expect([...rows[0]].filter((row) => rows[1].has(row))).toEqual([]);
        for (const owner of [0, 1] as const) {
          const own = texts.filter((_, index) => owners[index] === owner);
          if (own.length > 0) expect(rows[owner].size).toBe(new Set(packBatch(own, true).padIdx).size);
        }
      }),
    );
    const text = new Int32Array(40).fill(7);
    expect(packBatch([text, text, text], true, [0, 1, 0]).inputIds).toHaveLength(80);
  });

  it("keeps rows apart unless it is told otherwise", () => {
    const text = new Int32Array(40).fill(7);
    expect(packBatch([text, text]).inputIds).toHaveLength(80);
    expect(packBatch([text, text], true).inputIds).toHaveLength(40);
  });
});

describe("planning runs within a budget", () => {
  const anyLengths = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 40 });

  it("puts every text into exactly one run", () => {
    fc.assert(
      fc.property(
        anyLengths,
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 800 }),
        (lengths, maxTokens, maxPaddedTokens) => {
          const runs = planRuns(lengths, { maxTokens, maxPaddedTokens });
          expect(runs.flat().toSorted((left, right) => left - right)).toEqual(lengths.map((_, index) => index));
        },
      ),
    );
  });

  it("keeps both bounds in every run of more than one text", () => {
    fc.assert(
      fc.property(
        anyLengths,
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 800 }),
        (lengths, maxTokens, maxPaddedTokens) => {
          for (const run of planRuns(lengths, { maxTokens, maxPaddedTokens })) {
            const own = run.map((index) => lengths[index] ?? 0);
            if (own.length === 1) continue;
            expect(own.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(maxTokens);
            expect(own.length * Math.max(...own)).toBeLessThanOrEqual(maxPaddedTokens);
          }
        },
      ),
    );
  });
});
