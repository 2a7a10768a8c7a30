// Fuzzing the wire frame: good frames, damaged where it hurts, with and without a checksum that covers the damage.
import * as fc from "fast-check";
import { assert, unreachable } from "../../shared/assert.ts";
import { FRAME_PREFIX_BYTES, decodeFrame, encodeFrame } from "../../shared/frame.ts";
import {
  backendFaultSchema,
  embedAnswerSchema,
  embedRequestSchema,
  scoreAnswerSchema,
  scoreRequestSchema,
  tokenizeAnswerSchema,
} from "../../shared/wire.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const SCHEMAS = [
  embedRequestSchema,
  embedAnswerSchema,
  tokenizeAnswerSchema,
  scoreRequestSchema,
  scoreAnswerSchema,
  backendFaultSchema,
];

const words = fc.uint8Array({ maxLength: 64 }).map((bytes) => bytes.slice(0, bytes.length & ~3));
const header = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      version: fc.constantFrom(1, 2, "1"),
      revision: fc.oneof(fc.constant("0123456789abcdef"), fc.string()),
      dimensions: fc.oneof(fc.integer(), fc.double()),
      tokens: fc.array(fc.oneof(fc.nat(), fc.double())),
      truncated: fc.array(fc.boolean()),
      texts: fc.array(fc.oneof(fc.string(), fc.integer())),
      load: fc.jsonValue(),
    },
    { requiredKeys: [] },
  ),
);

type Damage =
  | { readonly kind: "flip"; readonly at: number; readonly bits: number }
  | { readonly kind: "cut"; readonly to: number }
  | { readonly kind: "grow"; readonly by: number }
  | { readonly kind: "length"; readonly at: 4 | 8; readonly value: number };
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant("cut" as const), to: fc.nat() }),
  fc.record({ kind: fc.constant("grow" as const), by: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    kind: fc.constant("length" as const),
    at: fc.constantFrom(4 as const, 8 as const),
    value: fc.oneof(fc.nat(200), fc.constantFrom(0x7fffffff, 0xfffffffc, 0xffffffff)),
  }),
);

function apply(frame: Uint8Array<ArrayBuffer>, change: Damage): Uint8Array<ArrayBuffer> {
  switch (change.kind) {
    case "flip": {
      const at = change.at % frame.length;
      const flipped = frame.slice();
      flipped[at] = (flipped[at] ?? 0) ^ change.bits;
      return flipped;
    }
    case "cut":
      return frame.slice(0, change.to % frame.length);
    case "grow": {
      const longer = new Uint8Array(frame.length + change.by);
      longer.set(frame);
      return longer;
    }
    case "length": {
      const other = frame.slice();
      new DataView(other.buffer).setUint32(change.at, change.value, true);
      return other;
    }
    default:
      return unreachable(change);
  }
}

/** Written apart from shared/frame.ts, from its comment: FNV-1a over the words behind the prefix. */
function resealed(frame: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const copy = frame.slice();
  const view = new DataView(copy.buffer);
  let hash = FNV_OFFSET;
  for (let at = FRAME_PREFIX_BYTES; at + 4 <= copy.length; at += 4) {
    hash = Math.imul(hash ^ view.getUint32(at, true), FNV_PRIME);
  }
  view.setUint32(12, hash >>> 0, true);
  return copy;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** A damaged frame is broken, or, with a checksum made anew, a frame whose parts fit; nothing throws. */
export const frames = fc.property(header, words, damage, fc.boolean(), (json, payload, change, reseal) => {
  const frame = encodeFrame(JSON.stringify(json), payload);
  const damaged = apply(frame, change);
  if (!same(damaged, frame)) assert(decodeFrame(damaged).kind === "broken", "damage is seen");
  if (!reseal || damaged.length < FRAME_PREFIX_BYTES) return;
  const decoded = decodeFrame(resealed(damaged));
  if (decoded.kind === "broken") return;
  assert(decoded.payload.length % 4 === 0, "a payload is whole words");
  assert(decoded.payload.length <= damaged.length - FRAME_PREFIX_BYTES, "a payload lies inside its frame");
  // Whatever the header is now, the schemas of the wire say so without throwing.
  for (const schema of SCHEMAS) schema.safeParse(decoded.header);
});

/** Bytes that never were a frame. */
export const noFrames = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
  const framed = decodeFrame(new Uint8Array(bytes));
  assert(framed.kind === "broken", "nobody meets magic, lengths and checksum by chance");
});
