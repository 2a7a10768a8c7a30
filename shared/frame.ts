// The wire frame between edge and backend: one header (JSON) and one binary payload, with lengths and a checksum, so
// that an answer is either received whole or refused. A call is charged when its frames are received and verified.
//
//   offset  bytes  what (little-endian)
//   0       4      "GRF1"
//   4       4      header length H, a multiple of 4 (JSON, padded with spaces)
//   8       4      payload length P, a multiple of 4
//   12      4      checksum over header and payload
//   16      H      header, UTF-8 JSON
//   16+H    P      payload
//
// The checksum is FNV-1a over 32-bit words: every step is a bijection, so one damaged word is always detected, and 10
// MB cost a few milliseconds of CPU; a byte-wise CRC in JavaScript costs ten times that.

const MAGIC = 0x31465247; // "GRF1"
export const FRAME_PREFIX_BYTES = 16;
export const FRAME_CONTENT_TYPE = "application/x-gigarouter-frame";
/** 2,048 texts × 2,560 dimensions in float16 = 10,485,760 bytes of payload, and as much again for header and growth. */
export const FRAME_BYTES_MAX = 24 * 1024 * 1024;
/**
 * A request's frame: the texts of a body of 8 MB, 300,000 token ids, and what framing adds. The edge sends no larger
 * one.
 */
export const REQUEST_FRAME_BYTES_MAX = 10 * 1024 * 1024;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export type DecodedFrame =
  | { readonly kind: "frame"; readonly header: unknown; readonly payload: Uint8Array<ArrayBuffer> }
  | { readonly kind: "broken"; readonly reason: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Joins a header, as JSON, and a payload (its length a multiple of 4) into one frame. Throws RangeError above
 * FRAME_BYTES_MAX.
 */
export function encodeFrame(headerJson: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  if (payload.length % 4 !== 0) throw new RangeError("a frame's payload is a multiple of 4 bytes");
  const json = encoder.encode(headerJson);
  const headerBytes = Math.ceil(json.length / 4) * 4;
  const total = FRAME_PREFIX_BYTES + headerBytes + payload.length;
  if (total > FRAME_BYTES_MAX)
    throw new RangeError(`a frame of ${total} bytes is over the limit of ${FRAME_BYTES_MAX}`);
  const frame = new Uint8Array(total);
  frame.set(json, FRAME_PREFIX_BYTES);
  frame.fill(0x20, FRAME_PREFIX_BYTES + json.length, FRAME_PREFIX_BYTES + headerBytes);
  frame.set(payload, FRAME_PREFIX_BYTES + headerBytes);
  const prefix = new DataView(frame.buffer);
  prefix.setUint32(0, MAGIC, true);
  prefix.setUint32(4, headerBytes, true);
  prefix.setUint32(8, payload.length, true);
  prefix.setUint32(12, checksum(frame), true);
  return frame;
}

/** Splits a frame after checking magic, lengths, checksum and JSON. The payload is a view, not a copy. */
export function decodeFrame(bytes: Uint8Array<ArrayBuffer>): DecodedFrame {
  if (bytes.byteOffset % 4 !== 0) return decodeFrame(bytes.slice());
  if (bytes.length < FRAME_PREFIX_BYTES) return broken(`${bytes.length} bytes are no frame`);
  const prefix = new DataView(bytes.buffer, bytes.byteOffset);
  if (prefix.getUint32(0, true) !== MAGIC) return broken("does not begin with GRF1");
  const headerBytes = prefix.getUint32(4, true);
  const payloadBytes = prefix.getUint32(8, true);
  const expected = FRAME_PREFIX_BYTES + headerBytes + payloadBytes;
  if (headerBytes % 4 !== 0 || payloadBytes % 4 !== 0) return broken("lengths are not multiples of 4");
  if (bytes.length !== expected) return broken(`${bytes.length} bytes where ${expected} were announced`);
  if (prefix.getUint32(12, true) !== checksum(bytes)) return broken("checksum differs");
  const end = FRAME_PREFIX_BYTES + headerBytes;
  try {
    const header: unknown = JSON.parse(decoder.decode(bytes.subarray(FRAME_PREFIX_BYTES, end)));
    return { kind: "frame", header, payload: bytes.subarray(end) };
  } catch {
    return broken("its header is not JSON");
  }
}

function broken(reason: string): DecodedFrame {
  return { kind: "broken", reason };
}

function checksum(frame: Uint8Array): number {
  const words = new Uint32Array(
    frame.buffer,
    frame.byteOffset + FRAME_PREFIX_BYTES,
    (frame.length - FRAME_PREFIX_BYTES) / 4,
  );
  let hash = FNV_OFFSET;
  for (let index = 0; index < words.length; index += 1) hash = Math.imul(hash ^ (words[index] ?? 0), FNV_PRIME);
  return hash >>> 0;
}
