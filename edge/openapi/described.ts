// Describes an object of the API, a line a field: what the field may hold, where its value comes from, and an example.
// Schema, answer and example are made of these lines, so none of the three can lack a field or order them differently.

import * as z from "zod";

export interface Field<Source> {
  readonly schema: z.ZodType;
  readonly read: (source: Source) => unknown;
  readonly example: unknown;
}

export type Fields<Source> = Readonly<Record<string, Field<Source>>>;
export type Plain = Readonly<Record<string, unknown>>;

export interface Described<Source> {
  readonly schema: z.ZodObject<Record<string, z.ZodType>>;
  /** Without the fields whose example is undefined. */
  readonly example: Plain;
  /** The answer that shows `source`, without the fields that are undefined. */
  readonly of: (source: Source) => Plain;
}

export function described<Source>(fields: Fields<Source>): Described<Source> {
  const entries = Object.entries(fields);
  const plain = (valueOf: (field: Field<Source>) => unknown): Plain =>
    Object.fromEntries(entries.map(([name, one]) => [name, valueOf(one)]).filter(([, value]) => value !== undefined));
  return {
    schema: z.object(Object.fromEntries(entries.map(([name, { schema }]) => [name, schema]))),
    example: plain(({ example }) => example),
    of: (source) => plain(({ read }) => read(source)),
  };
}

/** `read` must return what `schema` allows. */
export function field<Source, Value>(
  schema: z.ZodType<Value>,
  read: (source: Source) => NoInfer<Value>,
  example: NoInfer<Value>,
): Field<Source> {
  return { schema, read, example };
}

/** A field that always has the same value. */
export function always(value: string | number | null): Field<unknown> {
  return { schema: value === null ? z.null() : z.literal(value), read: () => value, example: value };
}

/** A field that holds an object. */
export function inner<Source, Inner>(object: Described<Inner>, read: (source: Source) => Inner): Field<Source> {
  return { schema: object.schema, read: (source) => object.of(read(source)), example: object.example };
}
