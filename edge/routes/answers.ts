// What answers of several resources share. Schemas serve the document, and the tests that check every answer against
// it.

import * as z from "zod";
import { field } from "../openapi/described.ts";
import type { Described, Field } from "../openapi/described.ts";
import type { Answer } from "../openapi/operation.ts";
import { ID_PREFIXES } from "../../shared/ids.ts";
import type { IdKind } from "../../shared/ids.ts";

export const count = z.int().nonnegative();
export const amountNanoUsd = z.int().describe("Integer of nano-USD (1e-9 $).");
export const unixSeconds = z.int().nonnegative().describe("Unix seconds.");
/** Null: not yet, or never. */
export const time = z.nullable(unixSeconds);

/** For examples. */
export const MODEL = "gigarouter/demo-embedding";
export const exampleId = (kind: IdKind): string => `${ID_PREFIXES[kind]}_5Tt8ZKf0s3N6Y1WcQbXo2R`;

/** A time in the API's unit, from milliseconds; null for undefined. */
export function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}

/** The first field of an object. */
export const ownId = <Source extends { readonly id: string }>(kind: IdKind): Field<Source> =>
  field(z.string(), ({ id }) => id, exampleId(kind));

/** An answer that is one object. */
export const answerOf = <Source>(name: string, description: string, object: Described<Source>): Answer => ({
  description,
  name,
  schema: object.schema,
  example: object.example,
});

/** The answer of a DELETE: the id of `object`, which is deleted. */
export const deletedAnswer = (
  name: string,
  kind: IdKind,
  description = "The object is deleted.",
  object: string = kind,
): Answer => ({
  description,
  name,
  schema: z.object({ id: z.string(), object: z.literal(object), deleted: z.literal(true) }),
  example: { id: exampleId(kind), object, deleted: true },
});
