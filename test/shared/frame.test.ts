import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FRAME_PREFIX_BYTES, decodeFrame, encodeFrame } from "../../shared/frame.ts";

const payloads = fc
  .uint8Array({ maxLength: 64 })
  .map((bytes) => new Uint8Array(Math.ceil(bytes.length / 4) * 4).map((_, i) => bytes[i] ?? 0));

describe("the frame", () => {
  test("header and payload read back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), payloads, (header, payload) => {
        const decoded = decodeFrame(encodeFrame(JSON.stringify(header), payload));
        expect(decoded).toMatchObject({ kind: "frame", header: JSON.parse(JSON.stringify(header)) });
        expect(decoded.kind === "frame" && new Uint8Array(decoded.payload)).toEqual(payload);
      }),
    );
  });

  test("any single damaged byte is seen", () => {
    const frame = encodeFrame(
      JSON.stringify({ tokens: [3, 4], revision: "0123456789abcdef" }),
      new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]),
    );
    for (let position = 0; position < frame.length; position += 1) {
      const damaged = frame.slice();
      damaged[position] = (damaged[position] ?? 0) ^ 0x10;
      expect(decodeFrame(damaged).kind).toBe("broken");
    }
  });

  test("every truncation is seen, and a surplus byte too", () => {
    const frame = encodeFrame('{"a":1}', new Uint8Array(16));
    for (let length = 0; length < frame.length; length += 1)
      expect(decodeFrame(frame.slice(0, length)).kind).toBe("broken");
    const longer = new Uint8Array(frame.length + 1);
    longer.set(frame);
    expect(decodeFrame(longer).kind).toBe("broken");
  });

  test("a header that is not JSON is refused even with a good checksum", () => {
    const frame = encodeFrame("{}", new Uint8Array());
    expect(frame.length).toBe(FRAME_PREFIX_BYTES + 4);
    expect(decodeFrame(new Uint8Array(frame.length)).kind).toBe("broken");
  });

  test("a frame at an odd offset of its buffer reads as well", () => {
    const frame = encodeFrame('{"a":1}', new Uint8Array([9, 8, 7, 6]));
    const shifted = new Uint8Array(frame.length + 1);
    shifted.set(frame, 1);
    expect(decodeFrame(shifted.subarray(1))).toMatchObject({ kind: "frame", header: { a: 1 } });
  });

  test("a payload that is no multiple of 4 bytes is our own mistake", () => {
    expect(() => encodeFrame("{}", new Uint8Array(3))).toThrow(RangeError);
  });
});
