// The query of OpenAI's lists: `after` (the last id of the page before) and `order`.

import type { Context } from "../context.ts";
import { apiError } from "../../shared/errors.ts";

const AFTER_LENGTH_MAX = 64;

export function readAfter(c: Context): { readonly after?: string } {
  const after = c.req.query("after");
  if (after === undefined || after === "") return {};
  if (after.length > AFTER_LENGTH_MAX) throw apiError("invalid_value", "`after` must be an id.", "after");
  return { after };
}

/** By the time of making; newest first unless told. */
export function readOrder(c: Context): "asc" | "desc" {
  const order = c.req.query("order") ?? "desc";
  if (order === "asc" || order === "desc") return order;
  throw apiError("invalid_value", "`order` must be one of asc, desc.", "order");
}
