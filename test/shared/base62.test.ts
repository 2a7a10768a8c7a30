import * as fc from "fast-check";
import { expect, test } from "vitest";
import { base62Length, decodeBase62, encodeBase62 } from "../../shared/base62.ts";

test("bytes of any number read back from as many characters as their number asks for", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      const text = encodeBase62(bytes);
      expect(text).toHaveLength(base62Length(bytes.length));
      expect(decodeBase62(text, bytes.length)).toEqual(Uint8Array.from(bytes));
    }),
  );
});

test.each([1, 5, 10, 32])("the largest value of %i bytes reads back", (count) => {
  const bytes = new Uint8Array(count).fill(255);
  expect(decodeBase62(encodeBase62(bytes), count)).toEqual(bytes);
});
