// The Merkle tree of RFC 9162 (Certificate Transparency), section 2.1, over SHA-256: a leaf's hash has 0x00 before its
// bytes, a node's 0x01 before its two children, so that neither passes for the other. Pure.

import { createHash } from "node:crypto";
import { assert, must } from "../../shared/assert.ts";
import { hex } from "../../shared/hmac.ts";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The root over `leaves` (UTF-8), and the hashes beside the path from the leaf at `index` up to it; in hex. */
export interface Inclusion {
  readonly root: string;
  /** From the leaf upwards; at most ⌈log2 of the number of leaves⌉. */
  readonly path: readonly string[];
}

/** `index`: 0..leaves.length - 1. */
export function inclusionOf(leaves: readonly string[], index: number): Inclusion {
  assert(index >= 0 && index < leaves.length, "the leaf is one of the tree");
  const path: Uint8Array[] = [];
  let level = leaves.map((leaf) => hashOf(LEAF, leaf));
  // Level by level, a node without a sibling moving up as it is: the same tree as the RFC's, which splits at the largest
  // power of two below the number of leaves.
  for (let at = index; level.length > 1; at >>= 1) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) path.push(sibling);
    level = pairsOf(level);
  }
  return { root: hex(must(level[0], "a root")), path: path.map(hex) };
}

export function rootOf(leaves: readonly string[]): string {
  return inclusionOf(leaves, 0).root;
}

/** SHA-256 of a text in UTF-8, in hex. */
export function hashOfText(text: string): string {
  return hex(hashOf(text));
}

function pairsOf(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let at = 0; at < level.length; at += 2) {
    const left = must(level[at], "a node");
    const right = level[at + 1];
    above.push(right === undefined ? left : hashOf(NODE, left, right));
  }
  return above;
}

function hashOf(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
