// OpenAI's lists: the query (`after`, the last id of the page before, and `order`) and the page that answers it.

import type { Context } from "../context.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

const AFTER_LENGTH_MAX = 64;

export function readAfter(c: Context): { readonly after?: string } {
  const after = c.req.query("after");
  if (after === undefined || after === "") return {};
  if (after.length > AFTER_LENGTH_MAX) throw wrongValue("after", "an id", after);
  return { after };
}

/** By the time of making; newest first unless told. */
export function readOrder(c: Context): "asc" | "desc" {
  const order = c.req.query("order") ?? "desc";
  if (order === "asc" || order === "desc") return order;
  throw wrongValue("order", "one of asc, desc", order);
}

/** One page of a list. `hasMore`: there is another behind its last item. */
export function listPage<Item extends { readonly id: string }>(data: readonly Item[], hasMore: boolean) {
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}
