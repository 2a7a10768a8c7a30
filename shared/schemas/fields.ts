// Parses an untrusted JSON body into a typed request, by the rules that every route shares: `null` means absent,
// numbers are JSON numbers, the error for an unknown field suggests the nearest known one, and every message says what
// is wrong, where, and what would be right.

import * as z from "zod";
import { apiError } from "../errors.ts";
import type { ApiError, ErrorCode } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { describe, isPrivate, pathText, shown } from "./shown.ts";

/** Names of our fields in other APIs: Jina, Gemini, TEI, Cohere. */
const NAMES_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["task", "input_type"],
  ["task_type", "input_type"],
  ["taskType", "input_type"],
  ["prompt_name", "input_type"],
  ["prompt", "instruction"],
  ["inputs", "input"],
  ["texts", "input"],
  ["embedding_types", "output_dtype"],
  ["output_dimensionality", "dimensions"],
  ["outputDimensionality", "dimensions"],
]);

/** A parsed JSON object: `JSON.parse` makes own properties, so no name reaches a prototype by accident. */
type JsonObject = Readonly<Record<string, unknown>>;

/** The most fields of a body, known or not: many more than any route takes, and few enough to check each. */
const FIELDS_MAX = 100;

/** The body as an object without its nulls. Throws `invalid_type` for anything else. */
function bodyObject(body: unknown): JsonObject {
  return Object.fromEntries(entriesOf(body).filter(([, value]) => value !== null));
}

function entriesOf(body: unknown): [name: string, value: unknown][] {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw apiError("invalid_type", `The body must be a JSON object, not ${describe(body)}.`);
  }
  const count = Object.keys(body).length;
  if (count <= FIELDS_MAX) return Object.entries(body);
  throw apiError("unknown_field", `The body has ${count} fields: no route takes more than ${FIELDS_MAX}.`);
}

/** Parses a body by `schema`. Throws ApiError for the first fault; unknown fields come last. */
export function parseBody<Schema extends z.ZodObject>(schema: Schema, body: unknown): z.output<Schema> {
  return parseFields(schema, bodyObject(body));
}

/** Like `parseBody`, for a PATCH, in which null removes a value that the schema lets be removed. */
export function parsePatch<Schema extends z.ZodObject>(schema: Schema, body: unknown): z.output<Schema> {
  return parseFields(schema, Object.fromEntries(entriesOf(body)));
}

function parseFields<Schema extends z.ZodObject>(schema: Schema, fields: JsonObject): z.output<Schema> {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  throw faultOfIssues(result.error.issues, fields, schema);
}

function faultOfIssues(issues: readonly z.core.$ZodIssue[], fields: JsonObject, schema: z.ZodObject): ApiError {
  const [first] = issues.toSorted(
    (a, b) => Number(a.code === "unrecognized_keys") - Number(b.code === "unrecognized_keys"),
  );
  if (first === undefined) return apiError("invalid_request", "The body does not fit this route.");
  if (first.code === "unrecognized_keys") return unknownField(first.path, first.keys[0] ?? "", schema);
  if (first.code === "invalid_key") {
    const [parent, name] = [pathText(first.path.slice(0, -1)), shown(String(first.path.at(-1) ?? ""))];
    return apiError("invalid_value", `\`${parent}\` must be ${first.message}, not one with the name ${name}.`, parent);
  }
  const param = pathText(first.path);
  const value = valueAt(fields, first.path);
  if (value === undefined)
    return apiError("missing_field", `\`${param}\` is missing: it must be ${first.message}.`, param);
  return apiError(codeOf(first, value), `\`${param}\` must be ${first.message}, not ${came(first, value)}.`, param);
}

/** What the caller sent, in words that fit the fault: a string that is too long is named by its length. */
function came(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === "too_big" || issue.code === "too_small") {
    if (typeof value === "string" && value !== "") return `${value.length} characters`;
    if (Array.isArray(value) && value.length > 0) return `${value.length}`;
  }
  if (isPrivate(issue.path)) return describe(value);
  return typeof value === "string" && hasWrongType(issue, value) ? `the string ${shown(value)}` : shown(value);
}

function hasWrongType(issue: z.core.$ZodIssue, value: unknown): boolean {
  if (issue.code === "invalid_value") return issue.values.every((known) => typeof known !== typeof value);
  return issue.code === "invalid_type" || issue.code === "invalid_union";
}

function codeOf(issue: z.core.$ZodIssue, value: unknown): ErrorCode {
  return hasWrongType(issue, value) ? "invalid_type" : "invalid_value";
}

function unknownField(path: readonly PropertyKey[], name: string, schema: z.ZodObject): ApiError {
  const known = Object.keys(objectAt(schema, path)?.shape ?? {});
  const param = pathText([...path, name]);
  return apiError("unknown_field", `Unknown field \`${param}\`. ${hintOf(name, known)}`, param);
}

function hintOf(name: string, known: readonly string[]): string {
  const here = NAMES_ELSEWHERE.get(name);
  if (here !== undefined && known.includes(here)) return `Here it is called \`${here}\`.`;
  const close = nearest(name, known);
  return close === undefined ? `Known fields: ${known.join(", ")}.` : `Did you mean \`${close}\`?`;
}

/** The object within `schema` that has the unknown field. */
function objectAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.ZodObject | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return objectAt(schema.unwrap(), path);
  const [first, ...rest] = path;
  if (schema instanceof z.ZodArray && first !== undefined) return objectAt(schema.unwrap(), rest);
  if (!(schema instanceof z.ZodObject)) return undefined;
  if (first === undefined) return schema;
  const field: z.core.$ZodType | undefined = schema.shape[String(first)];
  return field === undefined ? undefined : objectAt(field, rest);
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** The fault of a value that breaks `rule`: a field of a body, a query parameter, a header. */
export function wrongValue(param: string, rule: string, value: unknown, code: ErrorCode = "invalid_value"): ApiError {
  return apiError(code, `\`${param}\` must be ${rule}, not ${shown(value)}.`, param);
}

// Building blocks. Each error text completes "must be …".

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: () => `one of ${values.map((value) => `"${value}"`).join(", ")}` });

export const text = (what: string) => z.string({ error: () => what });

export const integer = (min: number, max: number) => {
  const error = () => `an integer from ${min} to ${max}`;
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
};
