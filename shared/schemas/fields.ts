// From an untrusted JSON body to a typed request: shared rules of every route. `null` means absent, unknown fields
// are named with the nearest known one, numbers are JSON numbers, and the message says what, where and what is right.

import * as z from "zod";
import { apiError } from "../errors.ts";
import type { ApiError, ErrorCode } from "../errors.ts";
import { nearest } from "../nearest.ts";

/** A JSON object as it came: never a prototype name by accident, for `JSON.parse` makes own properties. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The body as an object without its nulls; throws `invalid_type` for anything else. */
export function bodyObject(body: unknown): JsonObject {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw apiError("invalid_type", `The body must be a JSON object, not ${describe(body)}.`);
  }
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/** Parses a body by `schema`; throws ApiError for the first fault found, unknown fields last. */
export function parseBody<Schema extends z.ZodObject>(schema: Schema, body: unknown): z.output<Schema> {
  const fields = bodyObject(body);
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  throw faultOfIssues(result.error.issues, fields, Object.keys(schema.shape));
}

function faultOfIssues(issues: readonly z.core.$ZodIssue[], fields: JsonObject, known: readonly string[]): ApiError {
  const [first] = issues.toSorted(
    (a, b) => Number(a.code === "unrecognized_keys") - Number(b.code === "unrecognized_keys"),
  );
  if (first === undefined) return apiError("invalid_request", "The body does not fit this route.");
  if (first.code === "unrecognized_keys") return unknownField(first.keys[0] ?? "", known);
  const param = pathText(first.path);
  const value = valueAt(fields, first.path);
  if (value === undefined)
    return apiError("missing_field", `\`${param}\` is missing: it must be ${expected(first)}.`, param);
  return apiError(codeOf(first), `\`${param}\` must be ${expected(first)}, not ${describe(value)}.`, param);
}

function unknownField(name: string, known: readonly string[]): ApiError {
  const shown = shownName(name);
  const close = nearest(name, known);
  const hint = close === undefined ? `Known fields: ${known.join(", ")}.` : `Did you mean \`${close}\`?`;
  return apiError("unknown_field", `Unknown field \`${shown}\`. ${hint}`, shown);
}

/** A caller's field name, safe to echo: it may be a megabyte or hold control characters. */
function shownName(name: string): string {
  const clean = name.replaceAll(/[^\w.$-]/g, "?");
  return clean.length > 64 ? `${clean.slice(0, 64)}…` : clean;
}

function codeOf(issue: z.core.$ZodIssue): ErrorCode {
  return issue.code === "invalid_type" ? "invalid_type" : "invalid_value";
}

/** Fills "must be …": the schema's own words where it has some (its `error` texts begin that way), the type otherwise. */
function expected(issue: z.core.$ZodIssue): string {
  return issue.message;
}

/** JavaScript's own words for a value, without its content: contents may be a customer's text. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  switch (typeof value) {
    case "string":
      return value === "" ? "an empty string" : "a string";
    case "number":
      return Number.isInteger(value) ? `${value}` : "a fraction";
    case "boolean":
      return String(value);
    case "object":
      return "an object";
    default:
      return typeof value;
  }
}

/** `["input", 17, 3]` → `input[17][3]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    text += typeof part === "number" ? `[${part}]` : `${text === "" ? "" : "."}${shownName(String(part))}`;
  }
  return text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

// Building blocks. Each error text completes "must be …".

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: () => `one of ${values.map((value) => `"${value}"`).join(", ")}` });

export const text = (what: string) => z.string({ error: () => what });

export const integer = (min: number, max: number) => {
  const error = () => `an integer from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
};
