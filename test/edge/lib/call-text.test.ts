import { describe, expect, test } from "vitest";
import { tokensAbout } from "../../../edge/lib/call-text.ts";
import { utf8Length } from "../../../shared/token-bound.ts";

const counted = (text: string): number => utf8Length(text) / 4;

describe("about the tokens of a text", () => {
  test.each(["", "a short text", "短い文", "🙂"])("%j is counted byte by byte", (text) => {
    expect(tokensAbout(text)).toBe(counted(text));
  });

  test.each(["plain words ", "åäö", "漢字", "🙂"])("%j, repeated, is estimated exactly", (unit) => {
    expect(tokensAbout(unit.repeat(1000))).toBe(counted(unit.repeat(1000)));
  });

  test("a long text of several scripts is estimated within a tenth", () => {
    const text = "The same in 日本語, по-русски and with 🙂, over and over; ".repeat(100);
    expect(Math.abs(tokensAbout(text) / counted(text) - 1)).toBeLessThan(0.1);
  });
});
