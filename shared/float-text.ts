// Writes float32 values as the shortest decimals that read back to the same float32, as ASCII straight into a buffer.
// An embedding component printed as a double takes 20 characters, 11 of them noise; the shortest float32 form takes
// about 11, so an answer is 40 % smaller and costs half the CPU.
//
// At most 9 significant digits identify a float32, and if n digits suffice, so do n + 1. Most components need 7 to 9;
// distances alone tell which, without a branch that a processor would mispredict. The others are searched from 8 digits
// down. The distance between decimal and value tells whether the decimal reads back; only close cases are tried:
// `mantissa / 10^k` is one correctly rounded division (mantissa < 2^53, 10^k exact up to 10^22), and a reader that
// parses a double and rounds it to float32, as every JSON client does, gets the same float32.

/** The most characters of one component of magnitude up to 1e9: sign, `0.`, 7 zeros and 9 digits make 19. */
export const FLOAT_TEXT_BYTES_MAX = 20;

const DIGITS_MAX = 9;
/** 10^DIGITS_MAX: a mantissa of nine digits is below it. */
const MANTISSA_END = 1e9;
/** The biased exponent of 2^-26, below what float16 holds. `shortestText` writes smaller values and those from 1 up. */
const EXPONENT_MIN = 101;
const EXPONENT_END = 127;
/** A hundred times the error of a distance computed in doubles, in units of the ninth digit. */
const DOUBT = 1e-5;
const ZERO = 0x30;
const COMMA = 0x2c;
const MINUS = 0x2d;
/** `0.00` and `0000` as ASCII, the first character in the lowest byte. */
const ZERO_POINT = 0x30302e30;
const FOUR_ZEROS = 0x30303030;
/** `0000` to `9999` as ASCII, the first digit in the lowest byte. */
const FOUR_DIGITS = Uint32Array.from({ length: 10_000 }, (_, number) => {
  const digit = (place: number): number => ZERO + (Math.floor(number / 10 ** place) % 10);
  return digit(3) + digit(2) * 0x100 + digit(1) * 0x1_0000 + digit(0) * 0x100_0000;
});

/** By number of digits: the weight of the last one in a mantissa of nine. */
const UNITS = Float64Array.from({ length: DIGITS_MAX + 1 }, (_, digits) => 10 ** (DIGITS_MAX - digits));

const EXPONENTS = 256;
/** By biased exponent of a float32 below 1: the power of ten among the values of that exponent, or infinity. */
const BORDERS = new Float64Array(EXPONENTS).fill(Infinity);
/** By twice that exponent, plus 1 for values from that power of ten up: the zeros after the point. */
const ZEROS = new Uint8Array(2 * EXPONENTS);
/** Likewise: the factor that brings nine digits before the point; 0 for values that `shortestText` writes. */
const SCALES = new Float64Array(2 * EXPONENTS);
/** Likewise: half the distance to the neighbouring values, times the factor. */
const HALF_STEPS = new Float64Array(2 * EXPONENTS);
for (let exponent = EXPONENT_MIN; exponent < EXPONENT_END; exponent += 1) {
  const least = 2 ** (exponent - 127);
  const below = zerosOf(least);
  if (zerosOf(2 * least - 2 ** -60) < below) BORDERS[exponent] = Number(`1e-${below}`);
  for (const step of [0, 1]) {
    ZEROS[2 * exponent + step] = below - step;
    SCALES[2 * exponent + step] = Number(`1e${below - step + DIGITS_MAX}`);
    HALF_STEPS[2 * exponent + step] = 2 ** (exponent - 151) * Number(`1e${below - step + DIGITS_MAX}`);
  }
}

const encoder = new TextEncoder();

/**
 * Writes the float32 `value` at `offset` of `target`, which has room for FLOAT_TEXT_BYTES_MAX there. Returns the offset
 * after it. Throws RangeError if it is not finite.
 */
export function writeFloatText(value: number, target: Uint8Array, offset: number): number {
  return writeFloatTexts(Float32Array.of(value), target, offset);
}

/** The same for all `values`, separated by commas. */
export function writeFloatTexts(values: Float32Array, target: Uint8Array, offset: number): number {
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let end = offset;
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) target[end++] = COMMA;
    const value = values[index] ?? 0;
    const word = words[index] ?? 0;
    const magnitude = Math.abs(value);
    const exponent = (word >>> 23) & 0xff;
    const at = 2 * exponent + (magnitude >= (BORDERS[exponent] ?? 0) ? 1 : 0);
    const scale = SCALES[at] ?? 0;
    const exact = magnitude * scale;
    const halfStep = HALF_STEPS[at] ?? 0;
    const nine = (exact + 0.5) | 0;
    const eight = ((exact * 0.1 + 0.5) | 0) * 10;
    const seven = ((exact * 0.01 + 0.5) | 0) * 100;
    const six = ((exact * 0.001 + 0.5) | 0) * 1000;
    const eightOff = Math.abs(eight - exact);
    const sevenOff = Math.abs(seven - exact);
    const isEight = Number(eightOff < halfStep);
    const isSeven = Number(sevenOff < halfStep);
    let digits = DIGITS_MAX - isEight - isSeven;
    // Masks: a product of numbers would be one of doubles.
    let mantissa = nine + (-isEight & (eight - nine)) + (-isSeven & (seven - eight));
    const isPowerOfTwo = (word & 0x7f_ffff) === 0;
    const isClose = Math.abs(eightOff - halfStep) < DOUBT || Math.abs(sevenOff - halfStep) < DOUBT;
    // Phrased so that NaN fails it.
    const isFarFromSix = Math.abs(six - exact) >= halfStep + DOUBT;
    if (isPowerOfTwo || isClose || !isFarFromSix) {
      // A power of two has a neighbour at half the distance below it, so it is always checked by division.
      digits = fewestDigits(magnitude, scale, isPowerOfTwo ? -1 : halfStep);
      mantissa = nearest(exact, digits);
      // 0.0999999995 was rounded to 0.1, which nine digits after these zeros do not hold.
      if (scale === 0 || mantissa >= MANTISSA_END) {
        end = writeAny(value, target, end);
        continue;
      }
    }
    target[end] = MINUS;
    end += word >>> 31;
    const zeros = ZEROS[at] ?? 0;
    view.setUint32(end, ZERO_POINT, true);
    if (zeros > 2) {
      view.setUint32(end + 4, FOUR_ZEROS, true);
      view.setUint32(end + 8, FOUR_ZEROS, true);
    }
    const start = end + 2 + zeros;
    const whole = mantissa | 0;
    const high = (whole / 10_000) | 0;
    const first = (high / 10_000) | 0;
    target[start] = ZERO + first;
    view.setUint32(start + 1, FOUR_DIGITS[high - first * 10_000] ?? 0, true);
    view.setUint32(start + 5, FOUR_DIGITS[whole - high * 10_000] ?? 0, true);
    // Everything after the last digit is zeros.
    end = start + digits;
  }
  return end;
}

/** The least number of digits with which `magnitude` reads back; `halfStep` negative: unknown. */
function fewestDigits(magnitude: number, scale: number, halfStep: number): number {
  const exact = magnitude * scale;
  let digits = DIGITS_MAX;
  while (digits > 1) {
    const shorter = nearest(exact, digits - 1);
    const slack = halfStep - Math.abs(shorter - exact);
    const isUnclear = Math.abs(slack) < DOUBT || halfStep < 0;
    if (isUnclear ? Math.fround(shorter / scale) !== magnitude : slack < 0) break;
    digits -= 1;
  }
  return digits;
}

/** `exact` rounded to its first `digits` of nine. */
function nearest(exact: number, digits: number): number {
  const unit = UNITS[digits] ?? 1;
  return ((exact / unit + 0.5) | 0) * unit;
}

/** Zeros after the point of a value below 1. */
function zerosOf(value: number): number {
  let zeros = 0;
  while (value * Number(`1e${zeros + 1}`) < 1) zeros += 1;
  return zeros;
}

/** Values that embeddings hardly have, and those that are not JSON numbers. */
function writeAny(value: number, target: Uint8Array, offset: number): number {
  if (!Number.isFinite(value)) throw new RangeError("JSON has no such number");
  return offset + encoder.encodeInto(shortestText(value), target.subarray(offset)).written;
}

/** The shortest decimal, by trying precisions: exact and slow. */
function shortestText(value: number): string {
  for (let precision = 1; precision < DIGITS_MAX; precision += 1) {
    const text = Number(value.toPrecision(precision)).toString();
    if (Math.fround(Number(text)) === value) return text;
  }
  return Number(value.toPrecision(DIGITS_MAX)).toString();
}
