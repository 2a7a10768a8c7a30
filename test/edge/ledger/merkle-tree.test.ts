// The Merkle tree against the known roots of Certificate Transparency, and its paths against RFC 9162's own check.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { inclusionOf, rootOf } from "../../../edge/ledger/merkle-tree.ts";

// Source: google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc: inputs (in hex), and the root of the first n.
const INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const leaves = INPUTS.map((input) =>
  (input.match(/../g) ?? []).map((byte) => String.fromCodePoint(Number.parseInt(byte, 16))).join(""),
);

test.each(ROOTS.map((root, index) => [index + 1, root] as const))(
  "the root over %i leaves is the known one",
  (count, root) => {
    expect(rootOf(leaves.slice(0, count))).toBe(root);
  },
);

const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

async function hash(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const bytes = new Uint8Array(await new Blob([...parts]).arrayBuffer());
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** RFC 9162, section 2.1.3.2, step by step; undefined: the proof fails. */
async function rootAbove(leaf: string, index: number, size: number, path: readonly string[]) {
  let [fn, sn, r] = [index, size - 1, await hash(Uint8Array.of(0), new TextEncoder().encode(leaf))];
  if (fn > sn) return undefined;
  for (const p of path.map(bytesOf)) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      r = await hash(Uint8Array.of(1), p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else r = await hash(Uint8Array.of(1), r, p);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  return sn === 0 ? Array.from(r, (byte) => byte.toString(16).padStart(2, "0")).join("") : undefined;
}

test("each leaf's path leads to the root by the RFC's check, and no other leaf, place or path does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 70 }), fc.nat(), async (size, chosen) => {
      const texts = Array.from({ length: size }, (_, index) => `leaf ${index}`);
      const index = chosen % size;
      const { root, path } = inclusionOf(texts, index);
      expect(root).toBe(rootOf(texts));
      expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
      expect(await rootAbove(`leaf ${index}`, index, size, path)).toBe(root);
      expect(await rootAbove("other", index, size, path)).not.toBe(root);
      if (size > 1) expect(await rootAbove(`leaf ${index}`, (index + 1) % size, size, path)).not.toBe(root);
      expect(await rootAbove(`leaf ${index}`, index, size, [...path, root])).toBeUndefined();
      if (path.length > 0) expect(await rootAbove(`leaf ${index}`, index, size, path.slice(1))).not.toBe(root);
    }),
    { numRuns: 200 },
  );
});
