// The rows of a corpus, which is read again for each pass: rows with a text and an id, and bad rows with a reason.

import { hash } from "node:crypto";

export type Id = string | number | bigint;

export interface Row {
  readonly kind: "row";
  /** From 0, bad rows included: the id of a row without one. */
  readonly row: number;
  /** From 1, as an editor counts; in Parquet the row. */
  readonly line: number;
  readonly id: Id;
  readonly text: string;
}

export interface BadRow {
  readonly kind: "bad";
  readonly row: number;
  readonly line: number;
  /** What is wrong, and what would be right. */
  readonly reason: string;
}

/** The fields of a row that are read. */
export interface Fields {
  readonly text: string;
  /** Undefined: `id` if a row has one, else its number. */
  readonly id: string | undefined;
}

export interface Corpus {
  /** As given on the command line, for messages. */
  readonly name: string;
  /** What `line` of a row counts. */
  readonly unit: "line" | "row";
  /** All rows in order, several at a time. Throws CorpusError if the file cannot be read further. */
  readonly rows: () => AsyncGenerator<readonly (Row | BadRow)[]>;
  /** Changes when the file changes. */
  readonly version: () => string;
}

/** The whole file cannot be read; the message is for its author. */
export class CorpusError extends Error {
  override name = "CorpusError";
}

/** A longer text fits into no request: the API takes bodies of 8,388,608 bytes. */
const TEXT_CHARS_MAX = 8_000_000;
const DEFAULT_ID = "id";

/** The row of `value`, a text or an object with `fields`. */
export function rowOf(value: unknown, { row, line }: { row: number; line: number }, fields: Fields): Row | BadRow {
  const bad = (reason: string): BadRow => ({ kind: "bad", row, line, reason });
  const entry = entryOf(value, fields);
  if (typeof entry === "string") return bad(entry);
  const { text, id } = entry;
  if (typeof text !== "string") return bad(`the field "${fields.text}" is ${nameOf(text)}: it must be a string`);
  if (text === "") return bad("the text is empty: leave the row out");
  if (text.length > TEXT_CHARS_MAX) {
    return bad(`the text has ${text.length} characters: a request carries at most ${TEXT_CHARS_MAX}, so split it`);
  }
  const reason = idFault(id, fields);
  if (reason !== undefined) return bad(reason);
  return { kind: "row", row, line, id: isId(id) ? id : row, text: text.toWellFormed() };
}

/** The text and id of a row, or what is wrong with it. */
function entryOf(value: unknown, fields: Fields): { text: unknown; id: unknown } | string {
  if (typeof value === "string") return { text: value, id: undefined };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return `it is ${nameOf(value)}: it must be a string, or an object with the field "${fields.text}"`;
  }
  if (!Object.hasOwn(value, fields.text)) {
    return `there is no field "${fields.text}" (${fieldsOf(value)}): name the one with the text with --field`;
  }
  return { text: Reflect.get(value, fields.text), id: Reflect.get(value, fields.id ?? DEFAULT_ID) };
}

function idFault(id: unknown, fields: Fields): string | undefined {
  if (id === undefined || id === null) {
    return fields.id === undefined ? undefined : `there is no field "${fields.id}", which --id names`;
  }
  if (isId(id)) return undefined;
  const rule = "it must be a string, or an integer up to 2^53 (write a larger one as a string)";
  return `the id in "${fields.id ?? DEFAULT_ID}" is ${nameOf(id)}: ${rule}`;
}

function isId(id: unknown): id is Id {
  return typeof id === "string" || typeof id === "bigint" || (typeof id === "number" && Number.isSafeInteger(id));
}

const FIELDS_SHOWN = 8;

function fieldsOf(value: object): string {
  const names = Object.keys(value).slice(0, FIELDS_SHOWN);
  return names.length === 0 ? "it has none" : `it has ${names.map((name) => JSON.stringify(name)).join(", ")}`;
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return typeof value === "number" ? `the number ${value}` : `a ${typeof value}`;
}

/** Bytes of a text's SHA-256 that name it. */
export const HASH_BYTES = 16;

/** The name of a text: the first 128 bits of the SHA-256 of its UTF-8 bytes. */
export function hashOf(text: string): Buffer {
  return hash("sha256", text, "buffer").subarray(0, HASH_BYTES);
}
