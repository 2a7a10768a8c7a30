// The sample of names by which an isolate notices that an account's texts come back to the data centre's cache.

import { expect, it } from "vitest";
import { DataCentreRecord } from "../../../edge/cache/data-centre-record.ts";

const NAMES = Array.from({ length: 65_536 }, (_, index) => index.toString(16).padStart(16, "0").padEnd(64, "a"));

function sampleAfter(inVain: number, thenFound = false): ReadonlySet<string> {
  const record = new DataCentreRecord();
  for (let look = 0; look < inVain; look += 1) record.looked(false);
  if (thenFound) record.looked(true);
  return new Set(NAMES.filter((name) => record.isSampled(name)));
}

it("gets rarer the longer nothing is found, down to one name in 256, and is as before once something is", () => {
  const sizes = [0, 160, 161, 177, 193, 209, 10_000].map((inVain) => NAMES.length / sampleAfter(inVain).size);
  expect(sizes).toEqual([16, 16, 32, 64, 128, 256, 256]);
  expect(NAMES.length / sampleAfter(10_000, true).size).toBe(16);
});

it("holds nothing that a commoner sample lacks: isolates at any stage find what the others wrote", () => {
  const common = sampleAfter(0);
  for (const inVain of [161, 177, 193, 209]) {
    expect([...sampleAfter(inVain)].filter((name) => !common.has(name))).toEqual([]);
  }
});
