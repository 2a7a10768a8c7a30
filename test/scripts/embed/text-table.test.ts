// The table of texts against a Map.

import { expect, test } from "vitest";
import { hashOf } from "../../../scripts/embed/rows/row.ts";
import { SEEN, SENT, TextTable } from "../../../scripts/embed/text-table.ts";
import { mulberry32 } from "../../support/mulberry32.ts";

test("it has what was added, under the slot of its first time, over many growths", () => {
  const table = new TextTable();
  const known = new Map<string, number>();
  const random = mulberry32(1);
  for (let turn = 0; turn < 20_000; turn += 1) {
    const text = `text ${Math.floor(random() * 12_000)}`;
    if (table.find(hashOf(text)) !== (known.get(text) ?? -1)) throw new Error(`${text} is elsewhere`);
    known.set(text, known.get(text) ?? known.size);
    if (table.add(hashOf(text)) !== known.get(text)) throw new Error(`${text} has another slot`);
  }
  expect(known.size).toBeGreaterThan(8192);
  for (const [text, slot] of known) if (table.find(hashOf(text)) !== slot) throw new Error(`${text} was lost`);
});

test("hashes that begin alike are told apart", () => {
  const table = new TextTable();
  const hashes = Array.from({ length: 300 }, (_, index) =>
    Buffer.from([...Buffer.alloc(14, 7), index >> 8, index & 255]),
  );
  const slots = hashes.map((hash) => table.add(hash));
  expect(slots).toEqual(hashes.map((_, index) => index));
  expect(hashes.map((hash) => table.find(hash))).toEqual(slots);
});

test("marks and records belong to one slot each, and stay when it grows", () => {
  const table = new TextTable();
  const slot = table.add(hashOf("a"));
  table.set(slot, SEEN);
  table.set(slot, SENT);
  table.setRecord(slot, 0);
  for (let index = 0; index < 5000; index += 1) table.add(hashOf(String(index)));
  expect([table.has(slot, SEEN), table.has(slot, SENT), table.record(slot)]).toEqual([true, true, 0]);
  expect([table.has(slot + 1, SEEN), table.record(slot + 1)]).toEqual([false, undefined]);
});
