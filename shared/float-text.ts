// Writes a float32 as the shortest decimal that reads back to the same float32, as ASCII straight into a buffer. An
// embedding component printed as a double takes 20 characters, 11 of them noise; the shortest float32 form takes about
// 11, so an answer is 40 % smaller and costs half the CPU.
//
// Nine significant digits always identify a float32, and if n digits do, n + 1 digits do too. So the search starts at 8
// digits and goes down as long as they identify the value; if 8 do not, it takes 9. Digits identify the value if they are
// closer to it than half the distance to the next float32. Where rounding errors could decide that comparison,
// `m / 10^k` is computed instead: one correctly rounded division (m < 2^53, and 10^k is exact up to 10^22), whose result
// a JSON client gets too when it parses the digits as a double. Rounded to float32, it is the value or it is not.

/** The most characters of one component of magnitude up to 1e9: sign, `0.`, 7 zeros and 9 digits make 19. */
export const FLOAT_TEXT_BYTES_MAX = 20;

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const DIGITS_FIRST_TRY = 8;
const DIGITS_MAX = 9;
/**
 * Below this the digits would not fit FLOAT_TEXT_BYTES_MAX; components come from float16, whose least value is 6e-8.
 */
const SMALLEST_FAST = 1e-8;
/** In units of the last digit. Rounding in doubles shifts a distance by at most a hundredth of this. */
const DOUBT = 1e-6;
const ZERO = 0x30;
const POINT = 0x2e;
const COMMA = 0x2c;
const MINUS = 0x2d;

/** By the biased exponent of a float32: half the distance to its neighbours. */
const HALF_STEPS = Float64Array.from({ length: 256 }, (_, exponent) => 2 ** (exponent - 151));
/** By the biased exponent of a float32 below 1: zeros after the point in the least value with it, at most 22. */
const ZEROS = Uint8Array.from({ length: 256 }, (_, exponent) =>
  Math.min(22, Math.max(0, Math.ceil(-Math.log10(2 ** (exponent - 127))) - 1)),
);
/** `0000` to `9999`, four ASCII digits each, the first one lowest. */
const FOUR_DIGITS = Uint32Array.from({ length: 10_000 }, (_, number) => {
  const digit = (place: number): number => ZERO + (Math.floor(number / 10 ** place) % 10);
  return digit(3) + digit(2) * 0x100 + digit(1) * 0x1_0000 + digit(0) * 0x100_0000;
});
const FOUR_ZEROS = 0x30303030;
/** Fewer are written one by one: eight in two words would reach before the text. */
const DIGITS_IN_WORDS_MIN = 6;

const encoder = new TextEncoder();
const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/**
 * Writes one float32 `value` at `offset` of `target`, which has room for FLOAT_TEXT_BYTES_MAX there; the answer is the
 * offset after it. Throws RangeError if it is not finite.
 */
export function writeFloatText(value: number, target: Uint8Array, offset: number): number {
  return writeOne(value, target, viewOf(target), offset);
}

/** The same for all `values`, a comma between two. */
export function writeFloatTexts(values: Float32Array, target: Uint8Array, offset: number): number {
  const view = viewOf(target);
  let end = offset;
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) target[end++] = COMMA;
    end = writeOne(values[index] ?? 0, target, view, end);
  }
  return end;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** `view`: of `target`. */
function writeOne(value: number, target: Uint8Array, view: DataView, offset: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude < Number.POSITIVE_INFINITY)) throw new RangeError("JSON has no such number");
  if (magnitude === 0) {
    target[offset] = ZERO;
    return offset + 1;
  }
  // Components of normalised vectors are in (0, 1]; other values take the slow path.
  if (magnitude >= 1 || magnitude < SMALLEST_FAST) return writeAscii(shortestText(value), target, offset);
  scratchFloat[0] = magnitude;
  const bits = scratchBits[0] ?? 0;
  const exponent = bits >>> 23;
  let zeros = ZEROS[exponent] ?? 0;
  if (zeros > 0 && magnitude * power(zeros) >= 1) zeros -= 1;
  // A power of two has a neighbour at half the distance below it, so it is always checked by division.
  const halfStep = (bits & 0x7f_ffff) === 0 ? -1 : (HALF_STEPS[exponent] ?? 0);
  let places = zeros + DIGITS_FIRST_TRY;
  let mantissa = nearest(magnitude, places);
  if (readsBack(magnitude, mantissa, places, halfStep)) {
    for (let fewer = places - 1; fewer > zeros; fewer -= 1) {
      const candidate = nearest(magnitude, fewer);
      if (!readsBack(magnitude, candidate, fewer, halfStep)) break;
      places = fewer;
      mantissa = candidate;
    }
  } else {
    places = zeros + DIGITS_MAX;
    mantissa = nearest(magnitude, places);
  }
  let start = offset;
  if (value < 0) target[start++] = MINUS;
  // Digits beyond what is needed are 0 only where rounding carried: 0.0999999995 has become 0.100000000.
  if (places - zeros < DIGITS_IN_WORDS_MIN || mantissa % 10 === 0) return writeDigits(mantissa, places, target, start);
  return writeWords(mantissa, zeros, places, target, view, start);
}

/** The integer nearest to `magnitude` · 10^places: below 2^31, because at most nine digits are asked for. */
function nearest(magnitude: number, places: number): number {
  return (magnitude * power(places) + 0.5) | 0;
}

/**
 * Whether `mantissa` / 10^places rounds to the float32 `magnitude`. Its distance decides if that is clear; one
 * correctly rounded division decides if the distance is close to `halfStep` or `halfStep` is unknown (negative).
 */
function readsBack(magnitude: number, mantissa: number, places: number, halfStep: number): boolean {
  const scale = power(places);
  const slack = halfStep * scale - Math.abs(mantissa - magnitude * scale);
  if (slack > DOUBT) return true;
  if (slack < -DOUBT && halfStep > 0) return false;
  return Math.fround(mantissa / scale) === magnitude;
}

/** Writes 0.000123456 with `places` decimals, of which the first `zeros` are 0, in words of four characters. */
function writeWords(
  mantissa: number,
  zeros: number,
  places: number,
  target: Uint8Array,
  view: DataView,
  offset: number,
): number {
  const end = offset + 2 + places;
  view.setUint32(offset + 2, FOUR_ZEROS, true);
  if (zeros > 4) view.setUint32(offset + 6, FOUR_ZEROS, true);
  const high = (mantissa / 10_000) | 0;
  const first = (high / 10_000) | 0;
  view.setUint32(end - 4, FOUR_DIGITS[mantissa - high * 10_000] ?? 0, true);
  view.setUint32(end - 8, FOUR_DIGITS[high - first * 10_000] ?? 0, true);
  if (first > 0) target[end - 9] = ZERO + first;
  // Written last, because with few digits the words overwrite these two places.
  target[offset] = ZERO;
  target[offset + 1] = POINT;
  return end;
}

/** Writes the same number digit by digit, without zeros at the end. After a carry it has fewer decimals, or is 1. */
function writeDigits(mantissa: number, places: number, target: Uint8Array, offset: number): number {
  let rest = mantissa;
  let last = places;
  if (rest === power(places)) {
    target[offset] = 0x31;
    return offset + 1;
  }
  for (; rest % 10 === 0; last -= 1) rest /= 10;
  target[offset] = ZERO;
  target[offset + 1] = POINT;
  const end = offset + 2 + last;
  for (let position = end - 1; position >= offset + 2; position -= 1) {
    const left = (rest / 10) | 0;
    target[position] = ZERO + (rest - left * 10);
    rest = left;
  }
  return end;
}

function power(exponent: number): number {
  return POWERS_OF_TEN[exponent] ?? Number(`1e${exponent}`);
}

/** The shortest decimal, by trying precisions: exact and slow, for values that embeddings do not have. */
function shortestText(value: number): string {
  for (let precision = 1; precision < DIGITS_MAX; precision += 1) {
    const text = Number(value.toPrecision(precision)).toString();
    if (Math.fround(Number(text)) === value) return text;
  }
  return Number(value.toPrecision(DIGITS_MAX)).toString();
}

function writeAscii(text: string, target: Uint8Array, offset: number): number {
  return offset + encoder.encodeInto(text, target.subarray(offset)).written;
}
