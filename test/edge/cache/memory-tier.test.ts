// What the isolate's memory keeps of entries, what goes when there is no more room, and that all of it is counted.

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryTier } from "../../../edge/cache/memory-tier.ts";
import { must } from "../../../shared/assert.ts";
import { parseId } from "../../../shared/ids.ts";

const account = (digit: string) => must(parseId("account", `acct_${digit.repeat(14)}`), "an id");
const ACCOUNT = account("0");
const DIMENSIONS = 100;
const entryOf = (value: number, length = DIMENSIONS) => ({
  accountId: ACCOUNT,
  tokens: value,
  vector: new Uint16Array(length).fill(value),
});

describe("the cache in memory", () => {
  it("answers what was put last under a name, to its account alone, however far its bounds are passed", () => {
    const puts = fc.array(fc.record({ name: fc.nat(30), length: fc.integer({ min: 1, max: 300 }) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(puts, fc.integer({ min: 1000, max: 30_000 }), (all, bytesMax) => {
        const memory = new MemoryTier(bytesMax);
        const last = new Map<string, ReturnType<typeof entryOf>>();
        for (const [index, { name, length }] of all.entries()) {
          const entry = entryOf(index, length);
          memory.put(`n${name}`, entry);
          last.set(`n${name}`, entry);
          expect(memory.bytes).toBeLessThanOrEqual(bytesMax);
          for (const [known, expected] of last) {
            const found = memory.get(known, ACCOUNT);
            if (found !== undefined) expect(found).toEqual(expected);
            expect(memory.get(known, account("1"))).toBeUndefined();
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("keeps no frame alive, and lends nothing that a later entry could write over", () => {
    const memory = new MemoryTier();
    const frame = new Uint16Array(1000).fill(7);
    memory.put("n", { accountId: ACCOUNT, tokens: 1, vector: frame.subarray(0, DIMENSIONS) });
    frame.fill(9);
    const first = must(memory.get("n", ACCOUNT), "the entry").vector;
    expect([first.length, first.buffer.byteLength, first[0]]).toEqual([DIMENSIONS, DIMENSIONS * 2, 7]);
    first.fill(8);
    expect(memory.get("n", ACCOUNT)?.vector[0]).toBe(7);
  });

  it("lets what nobody asks for go first", () => {
    const memory = new MemoryTier(100_000);
    memory.put("wanted", entryOf(1));
    memory.put("unwanted", entryOf(2));
    for (let index = 0; index < 2000; index += 1) {
      memory.put(`n${index}`, entryOf(3));
      expect(memory.get("wanted", ACCOUNT)?.tokens).toBe(1);
    }
    expect(memory.get("unwanted", ACCOUNT)).toBeUndefined();
    expect(memory.get("n1999", ACCOUNT)?.tokens).toBe(3);
  });

  it("uses most of the room that it may use, and gives it back when told", () => {
    const memory = new MemoryTier(100_000);
    for (let index = 0; index < 2000; index += 1) memory.put(`n${index}`, entryOf(index));
    expect(memory.bytes).toBeGreaterThan(90_000);
    memory.shrinkTo(50_000);
    expect(memory.bytes).toBeLessThanOrEqual(50_000);
    expect(memory.get("n1999", ACCOUNT)?.tokens).toBe(1999);
    memory.shrinkTo(0);
    expect([memory.bytes, memory.get("n1999", ACCOUNT)]).toEqual([0, undefined]);
  });
});
