// What is checked by hand where every call passes is checked as its schema does: random values, equal results.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { embeddingsBodySchema, readCommonBody } from "../../shared/schemas/embeddings.ts";
import { embedAnswerSchema, readEmbedAnswer } from "../../shared/wire.ts";

const anything = fc.jsonValue() as fc.Arbitrary<unknown>;
/** What a field may be, near its limits; `undefined` leaves it out. */
const number = fc.constantFrom<unknown>(
  0,
  -0,
  1,
  2560,
  -1,
  1.5,
  2 ** 53,
  2 ** 53 - 1,
  1e308,
  -1e308,
  "1",
  null,
  [],
  undefined,
);

/** As JSON would bring it: no undefined, and numbers beyond all bounds where `huge` stands. */
function json(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (one === 1e308 ? "huge" : one)).replaceAll('"huge"', "1e999"),
  );
}

test("a frame's header", () => {
  const header = fc.record(
    {
      version: fc.constantFrom<unknown>(1, 1, 1, 2, "1"),
      revision: fc.constantFrom<unknown>("0".repeat(16), "f".repeat(64), "f".repeat(65), "F".repeat(16), "", 7),
      dimensions: fc.oneof(fc.constant(2560), number),
      tokens: fc.oneof(fc.array(fc.nat(9)), fc.array(number, { maxLength: 3 }), anything),
      truncated: fc.oneof(fc.array(fc.boolean()), fc.array(anything, { maxLength: 2 })),
      load: fc.oneof(
        fc.record({ queueSeconds: fc.constantFrom(0, 0.5) }),
        fc.record({ queueSeconds: number }),
        anything,
      ),
      timings: fc.oneof(
        fc.record({ tokenizeMs: fc.constant(1), queueMs: fc.double({ noNaN: true }), runMs: fc.nat(), more: anything }),
        fc.record({ tokenizeMs: number, queueMs: number, runMs: number }),
        anything,
      ),
      faults: fc.oneof(
        fc.array(
          fc.record({
            code: fc.constantFrom("empty_input", "vector_not_finite", "no_such_code"),
            message: fc.string(),
            index: fc.oneof(fc.nat(9), fc.constant(null)),
            facts: fc.constantFrom<unknown>({}, { tokens: 3 }, { tokens: "3" }),
            retryAfterS: fc.constant(null),
          }),
          { maxLength: 2 },
        ),
        fc.constant(undefined),
        anything,
      ),
      more: anything,
    },
    { requiredKeys: [] },
  );
  let accepted = 0;
  const check = (value: unknown): void => {
    const read = json(value);
    const { data } = embedAnswerSchema.safeParse(read);
    expect(readEmbedAnswer(read)).toEqual(data);
    if (data !== undefined) accepted += 1;
  };
  fc.assert(fc.property(fc.oneof(header, anything), check), { numRuns: 500 });
  const good = {
    version: 1,
    revision: "0".repeat(16),
    dimensions: 4,
    tokens: [0, 3],
    truncated: [true, false],
    faults: [{ code: "empty_input", message: "", index: 1, facts: {}, retryAfterS: null }],
    load: { queueSeconds: 0 },
    timings: { tokenizeMs: -1, queueMs: 0.5, runMs: 0 },
  };
  // One field at a time, so that most get past the others.
  const fields = fc.constantFrom(...Object.keys(good));
  fc.assert(
    fc.property(fields, header, (name, other) => check({ ...good, [name]: Reflect.get(other, name) })),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(100);
});

test("a request's body", () => {
  const body = fc.record(
    {
      model: fc.constantFrom<unknown>("m", "m", "m", "", 1, null),
      input: anything,
      encoding_format: fc.constantFrom<unknown>("float", "base64", "base64", null, "Float"),
      dimensions: fc.oneof(fc.nat(), number),
      user: anything,
    },
    { requiredKeys: ["model", "input"] },
  );
  const rare = fc.record(
    {
      truncate: fc.constantFrom("end", null),
      normalize: fc.boolean(),
      output_dimension: number,
      metadata: anything,
      what: anything,
    },
    { requiredKeys: [] },
  );
  let accepted = 0;
  const bodies = fc.oneof(
    body,
    fc.tuple(body, rare).map(([one, other]) => ({ ...one, ...other })),
    anything,
  );
  fc.assert(
    fc.property(bodies, (value) => {
      const read = json(value);
      const common = readCommonBody(read);
      if (common === undefined) return; // the schema judges
      accepted += 1;
      const present = Object.fromEntries(Object.entries(read as object).filter(([, one]) => one !== null));
      const { user: _, ...data } = embeddingsBodySchema.parse(present);
      expect(common).toEqual(data);
    }),
    { numRuns: 2000 },
  );
  expect(accepted).toBeGreaterThan(100);
  expect(readCommonBody({ model: "m", input: "a", encoding_format: "base64", dimensions: 8, user: "u" })).toBeDefined();
});
