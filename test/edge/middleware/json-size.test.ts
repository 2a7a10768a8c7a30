import * as fc from "fast-check";
import { expect, test } from "vitest";
import { hasMoreValues } from "../../../edge/middleware/json-size.ts";

const encoder = new TextEncoder();

/** Values as they are counted: items and members, each array and object once more, a name as four. */
function valuesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const inner = Object.values(value);
  const own = 1 + Math.max(0, inner.length - 1) + (Array.isArray(value) ? 0 : 4 * inner.length);
  return inner.reduce<number>((sum, item) => sum + valuesOf(item), own);
}

test("a JSON text has exactly the values that its parser makes, whatever its strings hold", () => {
  const strings = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom('"', "\\", '\\"', "[,:{", '"],["'));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      strings,
      fc.double(),
      fc.array(tie("value"), { maxLength: 6 }),
      fc.dictionary(strings, tie("value"), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.boolean(), (json, isSpaced) => {
      const parsed: unknown = JSON.parse(JSON.stringify(json));
      const bytes = encoder.encode(JSON.stringify(parsed, undefined, isSpaced ? 2 : 0));
      const values = valuesOf(parsed);
      expect(hasMoreValues(bytes, values)).toBe(false);
      if (values > 0) expect(hasMoreValues(bytes, values - 1)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("bytes that are no JSON are read to their end at most", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 50 }), (bytes, max) => {
      expect(typeof hasMoreValues(bytes, max)).toBe("boolean");
    }),
  );
  expect(hasMoreValues(encoder.encode('"never ends, [,,,,\\'), 0)).toBe(false);
});
