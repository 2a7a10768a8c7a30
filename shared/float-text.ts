// Float32 as the shortest decimal that reads back to the same float32, written as ASCII straight into a buffer. An
// embedding component printed as a double takes 20 characters of which 11 are noise; the shortest float32 form takes
// about 11, so an answer is 40 % smaller and costs half the CPU (test/bench/float-text.ts).
//
// A float32 is told apart by at most 9 significant digits, and if n digits suffice then so do n + 1. So: start at 8,
// go down while the value still reads back, up if it does not. `m / 10^k` is one correctly rounded division (m < 2^53,
// 10^k exact up to 10^22), and a reader that parses a double and rounds to float32, as every JSON client does, gets
// the same float32.

/** Characters that one component of magnitude up to 1e9 takes at most: sign, `0.`, 7 zeros and 9 digits make 19. */
export const FLOAT_TEXT_BYTES_MAX = 20;

const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const DIGITS_FIRST_TRY = 8;
const DIGITS_MAX = 9;
/** Below this the digits would not fit FLOAT_TEXT_BYTES_MAX; components come from float16, whose least value is 6e-8. */
const SMALLEST_FAST = 1e-8;

const encoder = new TextEncoder();

/** Writes one float32 `value` at `offset` of `target`; the answer is the offset behind it. Throws RangeError if it is not finite. */
export function writeFloatText(value: number, target: Uint8Array, offset: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude < Number.POSITIVE_INFINITY)) throw new RangeError("JSON has no such number");
  if (magnitude === 0) {
    target[offset] = 0x30;
    return offset + 1;
  }
  // Components of normalised vectors are in (0, 1]; the rest takes the general road.
  if (magnitude >= 1 || magnitude < SMALLEST_FAST) return writeAscii(shortestText(value), target, offset);
  const leadingZeros = zerosAfterPoint(magnitude);
  let digits = DIGITS_FIRST_TRY;
  let mantissa = Math.round(magnitude * power(digits + leadingZeros));
  if (Math.fround(mantissa / power(digits + leadingZeros)) !== magnitude) {
    digits = DIGITS_MAX;
    mantissa = Math.round(magnitude * power(digits + leadingZeros));
  } else {
    for (let fewer = digits - 1; fewer > 0; fewer -= 1) {
      const candidate = Math.round(magnitude * power(fewer + leadingZeros));
      if (Math.fround(candidate / power(fewer + leadingZeros)) !== magnitude) break;
      digits = fewer;
      mantissa = candidate;
    }
  }
  return writeFraction(value < 0, mantissa, digits + leadingZeros, target, offset);
}

/** Writes [-]0.000123 with `places` decimals, or 1 where rounding carried that far. */
function writeFraction(negative: boolean, mantissa: number, places: number, target: Uint8Array, start: number): number {
  let offset = start;
  if (negative) target[offset++] = 0x2d;
  if (mantissa === power(places)) {
    target[offset] = 0x31;
    return offset + 1;
  }
  target[offset++] = 0x30;
  target[offset++] = 0x2e;
  let rest = mantissa;
  let last = places;
  while (rest % 10 === 0) {
    rest /= 10;
    last -= 1;
  }
  for (let position = offset + last - 1; position >= offset; position -= 1) {
    const quotient = Math.floor(rest / 10);
    target[position] = 0x30 + (rest - quotient * 10);
    rest = quotient;
  }
  return offset + last;
}

function zerosAfterPoint(magnitude: number): number {
  let zeros = 0;
  while (magnitude * power(zeros + 1) < 1) zeros += 1;
  return zeros;
}

function power(exponent: number): number {
  return POWERS_OF_TEN[exponent] ?? Number(`1e${exponent}`);
}

/** The shortest decimal by trying precisions: exact, slow, for the values that embeddings do not have. */
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
