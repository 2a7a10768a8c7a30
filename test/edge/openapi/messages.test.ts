// Every field of every request, sent wrongly: what the refusal says of the value that came is true.
import * as z from "zod";
import { describe, expect, test } from "vitest";
import { ROUTES } from "../../../edge/routes/table.ts";
import type { Fault } from "../../../shared/errors.ts";
import { ApiError } from "../../../shared/errors.ts";
import { parseBody } from "../../../shared/schemas/fields.ts";
import { isPrivate, shown } from "../../../shared/schemas/shown.ts";

const WRONG: readonly unknown[] = [
  "FLOAT",
  "x".repeat(300),
  "",
  " none",
  "a\u00a0b\u202ec",
  5,
  -1,
  1.5,
  1e300,
  true,
  false,
  [],
  ["FLOAT"],
  [5],
  Array.from({ length: 200 }, () => "FLOAT"),
  {},
  { FLOAT: "FLOAT" },
  { FLOAT: null },
];

interface Case {
  readonly name: string;
  readonly field: string;
  readonly schema: z.ZodObject;
  readonly example: object;
}

const bodies = new Map(ROUTES.flatMap(({ body }) => (body === undefined ? [] : [[body.name, body] as const])));
const CASES: readonly Case[] = [...bodies.values()].flatMap(({ name, schema, example, mediaType }) =>
  schema instanceof z.ZodObject && mediaType === undefined && typeof example === "object" && example !== null
    ? Object.keys(schema.shape).map((field) => ({ name, field, schema, example }))
    : [],
);

function faultOf({ schema, example, field }: Case, value: unknown): Fault | undefined {
  try {
    parseBody(schema, { ...example, [field]: value });
  } catch (error) {
    if (error instanceof ApiError) return error.fault;
    throw error;
  }
  return undefined;
}

describe("a message about a field", () => {
  test.each(CASES.map((request) => [request.name, request.field, request] as const))(
    "%s, %s: says what came",
    (...[, , request]) => {
      for (const value of WRONG) {
        const fault = faultOf(request, value);
        if (fault === undefined) continue;
        const { message } = fault;
        // zod's own words, and JavaScript's, are nobody's here.
        expect(message).not.toMatch(/undefined|Invalid|Too |expected|received|NaN|\[object/);
        expect(message).toMatch(new RegExp(`^(Unknown field )?\`${request.field}`));
        expect(message.length).toBeLessThan(700);
        if (fault.code === "unknown_field" || fault.code === "missing_field") continue;
        const said = / not ([^]*)\.$/.exec(message)?.[1] ?? "nothing";
        // What was refused as a string must not be told that it is none.
        if (typeof value === "string") {
          const rule = message.slice(0, -said.length - " not .".length);
          if (said === "a string") expect(rule).not.toMatch(/must be (a string|one of)/);
          const isKept = isPrivate([request.field]);
          if (isKept && value !== "") expect(message).not.toContain(value.slice(0, 20));
          else if (!said.endsWith("characters")) expect(said).toContain(shown(value));
        }
        if (typeof value === "number" && fault.param === request.field) expect(said).toBe(String(value));
        if (typeof value === "boolean") expect(said).toBe(String(value));
      }
    },
  );

  test("cuts the value to 40 characters, and shows what cannot be seen", () => {
    expect(shown("x".repeat(41))).toBe(`"${"x".repeat(40)}…"`);
    expect(shown("x".repeat(40))).toBe(`"${"x".repeat(40)}"`);
    expect(shown("😀".repeat(41))).toBe(`"${"😀".repeat(40)}…"`);
    expect(shown('a "b"\n\u00a0\u202e\u200b')).toBe(String.raw`"a \"b\"\n\u{a0}\u{202e}\u{200b}"`);
    expect(shown(1e30)).toBe("1e+30");
  });
});
