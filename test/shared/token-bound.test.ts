import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idsBound, instructionPrefix, prefixBound, tokenBound, utf8Length } from "../../shared/token-bound.ts";

/** What a lone text may cost a byte more than plain English before it counts as an attack. */
const COST_FACTOR_MAX = 10;
const BYTES = 200_000;
const TRIES = 5;
/** The clock of a Worker stands still while code runs. */
const hasClock = !("WebSocketPair" in globalThis);

function nfcBytes(text: string): number {
  return new TextEncoder().encode(text.normalize("NFC")).length;
}

/** Two tokens of a template, and a mark before the first word. */
const AROUND = 3;

/** The most tokens that a text may become as some tokenizer sees it: bytes as they are or in NFC, characters in NFKD. */
function mostSeen(text: string): number {
  return Math.max(utf8Length(text), nfcBytes(text), Array.from(text.normalize("NFKD")).length);
}

/** Whether the bound is there within `msMax`: in one of some tries, for what others do on the machine only adds. */
function isWithin(msMax: number, text: string): boolean {
  return Array.from({ length: TRIES }).some(() => msOf(text) <= msMax);
}

function msOf(text: string): number {
  const began = performance.now();
  tokenBound(text);
  return performance.now() - began;
}

function* codePoints(): Generator<string> {
  for (let point = 0; point < 0x11_0000; point += 1) {
    if (point < 0xd800 || point > 0xdfff) yield String.fromCodePoint(point);
  }
}

/** BYTES of `unit` again and again. */
function repeated(unit: string): string {
  return unit.repeat(Math.ceil(BYTES / Math.max(1, utf8Length(unit))));
}

/** Characters that change, or are changed by, what stands beside them; and some that are not. */
const MIXERS = Array.from(
  "aAeu<=> 的\u{1f600}\u00e0\u00c5\u1e69\uac00\uac01\u1100\u1161\u11a8\u09c7\u0b47\u{16d63}\u{1d158}\u{1d160}\u0958\u1fef" +
    "\u0300\u0301\u0308\u0315\u0325\u0327\u0338\u0344\u0345\u05b0\u09be\u0b3e\u0f73\u302e\u3099\u{110ba}\u{16d67}\u{1d165}\u{1d16e}",
);
const mixed = fc
  .array(fc.tuple(fc.constantFrom(...MIXERS), fc.integer({ min: 1, max: 80 })), { maxLength: 12 })
  .map((runs) => runs.map(([char, times]) => char.repeat(times)).join(""));
const shuffled = fc.array(fc.constantFrom(...MIXERS), { maxLength: 200 }).map((chars) => chars.join(""));

describe("the bound of a text", () => {
  test("is never below what any tokenizer sees, whatever runs of marks it has", () => {
    const texts = fc.oneof(
      mixed,
      shuffled,
      fc.string({ unit: "binary", maxLength: 100 }),
      fc.string({ unit: "grapheme" }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(tokenBound(text)).toBeGreaterThanOrEqual(AROUND + mostSeen(text));
      }),
      { numRuns: 600 },
    );
  });

  test("is exact for every letter, and for texts whose marks NFC has joined to their letters", () => {
    for (const char of codePoints()) {
      if (/[\p{M}\u{16d68}]/u.test(char)) continue;
      if (tokenBound(char) !== mostSeen(char) + AROUND) expect.fail(`U+${char.codePointAt(0)?.toString(16)}`);
    }
    const letters = fc.string({ unit: "grapheme", maxLength: 300 }).map((text) => {
      return Array.from(text.normalize("NFC"))
        .filter((char) => !/\p{M}/u.test(char))
        .join("");
    });
    fc.assert(
      fc.property(letters, (text) => {
        const each = Array.from(text, mostSeen).reduce((sum, most) => sum + most, 0);
        expect(tokenBound(text)).toBe(each + AROUND);
      }),
    );
  });

  test("is at most twice the bytes of a text with other marks", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
        const most = Array.from(text.normalize("NFC"), mostSeen).reduce((sum, one) => sum + one, 0);
        expect(tokenBound(text.normalize("NFC"))).toBeLessThanOrEqual(2 * most + AROUND);
      }),
    );
  });

  test("adds up with an instruction's", () => {
    const texts = fc.oneof(mixed, fc.string({ unit: "grapheme" }));
    fc.assert(
      fc.property(texts, fc.string({ unit: "grapheme" }), (text, instruction) => {
        for (const prefix of [instructionPrefix(instruction), instruction]) {
          expect(prefixBound(prefix) + tokenBound(text)).toBeGreaterThanOrEqual(mostSeen(prefix + text) + AROUND);
        }
      }),
    );
  });

  test.runIf(hasClock)("takes about as long as plain English's, whatever character or two it is made of", () => {
    const english = repeated("The quick brown fox jumps over the lazy dog. ");
    const msMax = COST_FACTOR_MAX * Math.max(...Array.from({ length: TRIES }, () => msOf(english))) + 10;
    for (const first of MIXERS) {
      for (const second of ["", "\u0301", "\u0315\u0301", "\u09be", "\u1161", "\u{16d67}", "a"]) {
        for (const text of [repeated(first + second), `a${repeated(second)}`, `${first}${repeated(second)}`]) {
          if (!isWithin(msMax, text)) expect.fail(`${JSON.stringify([first, second])}: over ${msMax} ms`);
        }
      }
    }
  });
});

describe("what the bound rests on", () => {
  /** Whether `char` joins what is before it, as the bound sees it: \u00e9 is then counted decomposed. */
  const joins = (char: string): boolean => tokenBound(`\u00e9${char}`) - tokenBound(char) === 3;

  test("no composition is longer than its parts, and all of its parts but the first join", () => {
    for (const char of codePoints()) {
      const decomposed = char.normalize("NFD");
      if (decomposed === char) continue;
      const [first = "", ...rest] = decomposed;
      if (nfcBytes(char) > utf8Length(decomposed)) expect.fail(`longer: U+${char.codePointAt(0)?.toString(16)}`);
      for (const part of rest) if (!joins(part)) expect.fail(`does not join: U+${part.codePointAt(0)?.toString(16)}`);
      if (joins(first) && !joins(char)) expect.fail(`begins joined: U+${char.codePointAt(0)?.toString(16)}`);
    }
  });
});

describe("the bound of token ids", () => {
  test("is their number and the template; of another encoding each may stand for many", () => {
    expect(idsBound({ ids: [1, 2, 3] })).toBe(5);
    expect(idsBound({ ids: [1, 2, 3], encoding: "cl100k_base" })).toBeGreaterThan(3 * 128);
  });
});
