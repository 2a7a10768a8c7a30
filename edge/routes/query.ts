// Query parameters: how the document describes them and how they are read. Every fault names its parameter.

import type { Context } from "../context.ts";
import type { Parameter } from "../openapi/operation.ts";
import { queryText } from "../openapi/parameters.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

const INTEGER = /^\d{1,15}$/;

/** A whole number, or undefined when absent. */
export function readInteger(c: Context, name: string, what: string): number | undefined {
  const value = c.req.query(name);
  if (value === undefined) return undefined;
  if (!INTEGER.test(value)) throw wrongValue(name, what, value);
  return Number(value);
}

export const limitParameter = (max: number, fallback: number): Parameter =>
  queryText("limit", `1 to ${max}; ${fallback} unless told.`, { type: "integer", minimum: 1, maximum: max });

/** `limit`: 1..max. */
export function readLimit(c: Context, max: number, fallback: number): number {
  const what = `a number from 1 to ${max}`;
  const limit = readInteger(c, "limit", what) ?? fallback;
  if (limit < 1 || limit > max) throw wrongValue("limit", what, limit);
  return limit;
}

/** The `next_page` of the previous page, opaque to callers. */
export function readCursor(c: Context, name: string): number | undefined {
  return readInteger(c, name, "the `next_page` of an earlier answer");
}

/** Every value of `name`, repeated, with `[]`, or separated by commas; undefined when absent. */
export function readList(c: Context, name: string): readonly string[] | undefined {
  const given = [...(c.req.queries(name) ?? []), ...(c.req.queries(`${name}[]`) ?? [])];
  return given.length === 0 ? undefined : given.flatMap((value) => value.split(",")).filter((value) => value !== "");
}

/** Like `readList`, each of `known`. */
export function readChoices<const Known extends string>(
  c: Context,
  name: string,
  known: readonly Known[],
): readonly Known[] {
  return (readList(c, name) ?? []).map((value) => {
    const choice = known.find((one) => one === value);
    if (choice !== undefined) return choice;
    throw wrongValue(name, `of ${known.join(", ")}`, value);
  });
}
