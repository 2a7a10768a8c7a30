// Pages of the operator's lists, behind an opaque cursor.

import * as z from "zod";
import type { Context } from "../../context.ts";
import { queryText } from "../../openapi/parameters.ts";
import { apiError } from "../../../shared/errors.ts";

export const CURSOR = queryText("cursor", "`next_cursor` of the page before.");

/** The cursor of the query; an empty one counts as none. */
export function readCursor(c: Context): string | undefined {
  const cursor = c.req.query("cursor");
  return cursor === "" ? undefined : cursor;
}

/** For a cursor that we did not issue. */
export function unknownCursor() {
  return apiError("invalid_value", "`cursor` must be the `next_cursor` of an earlier answer.", "cursor");
}

export const cursorPageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({
    object: z.literal("list"),
    data: z.array(item),
    has_more: z.boolean(),
    next_cursor: z.nullable(z.string()),
  });

/** One page. `next`: the cursor of the next one. */
export function cursorPage(data: readonly object[], next: string | undefined) {
  return { object: "list", data, has_more: next !== undefined, next_cursor: next ?? null };
}
