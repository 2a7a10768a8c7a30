import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  float16BitsToFloat32,
  float16BitsToNumber,
  float32ToFloat16Bits,
  numberToFloat16Bits,
} from "../../shared/float16.ts";
import { FLOAT_TEXT_BYTES_MAX, writeFloatText } from "../../shared/float-text.ts";
import { cutVector, dotProduct, quantise, vectorBytes } from "../../shared/vectors.ts";

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });

describe("float16", () => {
  test("all 65,536 bit patterns survive float32 and back", () => {
    for (let bits = 0; bits < 65_536; bits += 1) {
      const value = float16BitsToNumber(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(float16BitsToNumber(numberToFloat16Bits(value)))).toBe(true);
      else if (numberToFloat16Bits(value) !== bits) expect(numberToFloat16Bits(value)).toBe(bits);
    }
  });

  test("rounds to the nearest value, ties to even", () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-65_504), max: Math.fround(65_504), noNaN: true }), (value) => {
        const bits = numberToFloat16Bits(value);
        const error = Math.abs(float16BitsToNumber(bits) - value);
        for (const neighbour of [bits - 1, bits + 1]) {
          const other = float16BitsToNumber(neighbour);
          if (!Number.isFinite(other) || Math.sign(other) * Math.sign(value) < 0) continue;
          const otherError = Math.abs(other - value);
          expect(error < otherError || (error === otherError && (bits & 1) === 0) || error === 0).toBe(true);
        }
      }),
    );
  });

  test.each([
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [-65_520, 0xfc00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [2 ** -25 * 1.5, 1],
  ])("%d becomes 0x%s", (value, bits) => {
    expect(numberToFloat16Bits(value)).toBe(bits);
  });
});

describe("the cut", () => {
  const canonical = float32ToFloat16Bits(Float32Array.from([0.5, -0.5, 0.5, 0.5]));

  test("a prefix is normalised again", () => {
    expect([...cutVector(canonical, 1)]).toEqual([1]);
    expect(dotProduct(cutVector(canonical, 3), cutVector(canonical, 3))).toBeCloseTo(1, 6);
  });

  test("a prefix of zeros stays zero rather than becoming NaN", () => {
    expect([...cutVector(new Uint16Array(4), 2)]).toEqual([0, 0]);
  });

  test("any length of a vector gets the bits that one sum, term by term, gives it", () => {
    const values = Float32Array.from({ length: 67 }, (_, index) => Math.sin(index * index + 1) / 6);
    const whole = float32ToFloat16Bits(values);
    for (let dimensions = 1; dimensions <= whole.length; dimensions += 1) {
      const plain = float16BitsToFloat32(whole.subarray(0, dimensions));
      const norm = Math.sqrt(plain.reduce((sum, value) => sum + value * value, 0));
      expect(cutVector(whole, dimensions)).toEqual(plain.map((value) => value * (1 / norm)));
    }
  });

  test("int8 spans its range, uint8 is int8 + 128, bits are most significant first", () => {
    const values = Float32Array.from([1, -1, 0.5, 0, -0.25, 0.1, 0.7, -0.9]);
    expect([...quantise(values, "int8")]).toEqual([127, -127, 64, 0, -32, 13, 89, -114]);
    expect([...quantise(values, "uint8")]).toEqual([255, 1, 192, 128, 96, 141, 217, 14]);
    expect([...quantise(values, "ubinary")]).toEqual([0b1010_0110]);
    expect([...quantise(values, "binary")]).toEqual([0b1010_0110 - 128]);
  });

  test("base64 carries little-endian float32", () => {
    expect([...vectorBytes(Float32Array.from([1]))]).toEqual([0, 0, 0x80, 0x3f]);
  });
});

describe("float text", () => {
  const write = (value: number): string => {
    const target = new Uint8Array(FLOAT_TEXT_BYTES_MAX + 8);
    return new TextDecoder().decode(target.subarray(0, writeFloatText(value, target, 0)));
  };

  test.each([
    [0, "0"],
    [-0, "0"],
    [1, "1"],
    [-0.5, "-0.5"],
    [Math.fround(0.1), "0.1"],
    [Math.fround(0.99999994), "0.99999994"],
    [Math.fround(-0.0123), "-0.0123"],
  ])("%d is written %s", (value, text) => {
    expect(write(value)).toBe(text);
  });

  test("reads back to the same float32, with at most nine digits, and fits its bound", () => {
    fc.assert(
      fc.property(fc.float({ min: -1, max: 1, noNaN: true }), (value) => {
        const text = write(value);
        expect(Math.fround(Number(text))).toBe(value === 0 ? 0 : value);
        expect(text.length).toBeLessThanOrEqual(FLOAT_TEXT_BYTES_MAX);
      }),
      { numRuns: 5000 },
    );
  });

  test("no shorter decimal reads back to the same float32", () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(1e-6), max: 1, noNaN: true }), (value) => {
        const digits = write(value).replace(/^0\.0*/, "").length;
        for (let fewer = 1; fewer < digits; fewer += 1) {
          expect(Math.fround(Number(value.toPrecision(fewer)))).not.toBe(value);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("is shortest and exact beside every power of two and of ten, where neighbours are unevenly far", () => {
    const scratch = new Float32Array(1);
    const bits = new Uint32Array(scratch.buffer);
    const centres = [
      ...Array.from({ length: 26 }, (_, power) => 2 ** -power),
      ...Array.from({ length: 63 }, (_, place) => ((place % 9) + 1) * 10 ** -(Math.floor(place / 9) + 1)),
    ];
    for (const centre of centres) {
      scratch[0] = centre;
      const middle = bits[0] ?? 0;
      for (let step = -20; step <= 20; step += 1) {
        bits[0] = middle + step;
        const value = scratch[0] ?? 0;
        if (value > 1) continue;
        const text = write(value);
        expect(Math.fround(Number(text))).toBe(value);
        const digits = text.replace(/^0\.0*/, "").length;
        if (digits > 1) expect(Math.fround(Number(value.toPrecision(digits - 1)))).not.toBe(value);
      }
    }
  });

  test("the road for values beyond an embedding's range is exact too", () => {
    fc.assert(
      fc.property(float32, (value) => {
        const target = new Uint8Array(64);
        const text = new TextDecoder().decode(target.subarray(0, writeFloatText(value, target, 0)));
        expect(Math.fround(Number(text))).toBe(value === 0 ? 0 : value);
      }),
    );
    expect(() => write(Number.NaN)).toThrow(RangeError);
  });

  test("float16 values are exact as float32", () => {
    expect([...float16BitsToFloat32(Uint16Array.from([0x3c00, 0xb800]))]).toEqual([1, -0.5]);
  });
});
