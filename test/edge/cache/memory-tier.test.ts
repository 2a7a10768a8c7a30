// What an entry in the isolate's memory keeps alive, and that all of it is counted.

import { expect, it } from "vitest";
import { MemoryTier } from "../../../edge/cache/memory-tier.ts";
import { must } from "../../../shared/assert.ts";
import { parseId } from "../../../shared/ids.ts";

const ACCOUNT = must(parseId("account", `acct_${"0".repeat(14)}`), "an id");
const OVERHEAD = 320;

it.each([
  ["the one vector of a frame, with its header", 2560, 2700, 2700],
  ["a vector that is three quarters of its frame", 300, 400, 400],
  ["a vector of a frame with others: a copy", 2560, 5200, 2560],
])("keeps and counts %s", (_, dimensions, frameLength, kept) => {
  const memory = new MemoryTier();
  const frame = new Uint16Array(frameLength).fill(7);
  memory.put("n", { accountId: ACCOUNT, tokens: 1, vector: frame.subarray(frameLength - dimensions) });
  const vector = must(memory.get("n", ACCOUNT), "the entry").vector;
  expect([vector.length, vector.buffer.byteLength / 2]).toEqual([dimensions, kept]);
  expect(vector.every((bits) => bits === 7)).toBe(true);
  expect(memory.bytes).toBe(kept * 2 + OVERHEAD);
});
