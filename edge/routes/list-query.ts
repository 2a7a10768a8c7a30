// Lists in OpenAI's form: the query (`limit`; `after`, the last id of the previous page; `order`) and the page, for the
// document and for the handlers.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { Context } from "../context.ts";
import { acted } from "../middleware/acted.ts";
import type { Described, Plain } from "../openapi/described.ts";
import type { Answer, Parameter } from "../openapi/operation.ts";
import { queryText } from "../openapi/parameters.ts";
import { limitParameter, readLimit } from "./query.ts";
import { apiError } from "../../shared/errors.ts";
import type { AccountId, IdKind } from "../../shared/ids.ts";
import { parseId } from "../../shared/ids.ts";
import { wrongValue } from "../../shared/schemas/fields.ts";

const AFTER_LENGTH_MAX = 64;

const PAGING: readonly Parameter[] = [
  queryText("after", "The last id of the previous page; it may have been deleted since.", {
    type: "string",
    maxLength: AFTER_LENGTH_MAX,
  }),
  queryText("order", "By creation time; newest first by default.", { enum: ["asc", "desc"] }),
];

export const listParameters = (limitMax: number, limitFallback: number): readonly Parameter[] => [
  limitParameter(limitMax, limitFallback),
  ...PAGING,
];

export function readAfter(c: Context): { readonly after?: string } {
  const after = c.req.query("after");
  if (after === undefined || after === "") return {};
  if (after.length > AFTER_LENGTH_MAX) throw wrongValue("after", "an id", after);
  return { after };
}

/** By creation time. Default: newest first. */
export function readOrder(c: Context): "asc" | "desc" {
  const order = c.req.query("order") ?? "desc";
  if (order === "asc" || order === "desc") return order;
  throw wrongValue("order", "one of asc, desc", order);
}

export const pageSchema = <Item extends z.ZodType>(item: Item) =>
  z.object({
    object: z.literal("list"),
    data: z.array(item),
    first_id: z.nullable(z.string()),
    last_id: z.nullable(z.string()),
    has_more: z.boolean(),
  });

export const pageAnswer = <Source>(
  name: string,
  description: string,
  item: Described<Source>,
  examples: readonly Plain[] = [item.example],
): Answer => ({ description, name, schema: pageSchema(item.schema), example: listPage(examples, false) });

/** One page of a list. `hasMore`: another page follows its last item. */
export function listPage(data: readonly Plain[], hasMore: boolean) {
  return {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: hasMore,
  };
}

/** The most objects of a kind that is listed whole: without `limit` there is one page. */
const WHOLE_LIST_MAX = 100;
export const WHOLE_LIST = listParameters(WHOLE_LIST_MAX, WHOLE_LIST_MAX);

interface Made {
  readonly id: string;
  readonly createdAtMs: number;
}

/**
 * The requested page of `all`. It continues after the object `after` even if that is deleted: the account remembers
 * when it was created.
 */
export async function pageOfAll<Item extends Made>(
  c: Context,
  accountId: AccountId,
  kind: IdKind,
  all: readonly Item[],
): Promise<{ readonly items: readonly Item[]; readonly hasMore: boolean }> {
  const limit = readLimit(c, WHOLE_LIST_MAX, WHOLE_LIST_MAX);
  const order = readOrder(c);
  const { after } = readAfter(c);
  const sorted = all.toSorted((a, b) => (order === "asc" ? compare(a, b) : compare(b, a)));
  const cursor = after === undefined ? undefined : await placeOf(c, accountId, kind, after, all);
  const isBehind = (item: Item): boolean =>
    cursor === undefined || (order === "asc" ? compare(item, cursor) > 0 : compare(item, cursor) < 0);
  const behind = sorted.filter(isBehind);
  return { items: behind.slice(0, limit), hasMore: behind.length > limit };
}

async function placeOf(
  c: Context,
  accountId: AccountId,
  kind: IdKind,
  after: string,
  all: readonly Made[],
): Promise<Made> {
  const listed = all.find(({ id }) => id === after);
  if (listed !== undefined) return listed;
  const id = parseId(kind, after);
  const createdAtMs = id === undefined ? null : acted(await accountStub(c.env, accountId).madeAtMs(id));
  if (id === undefined || createdAtMs === null)
    throw apiError("invalid_value", `\`after\` must be the id of one of your ${kind}s.`, "after");
  return { id, createdAtMs };
}

/** Objects of one millisecond are ordered by id, so that no object is on two pages. */
function compare(a: Made, b: Made): number {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs - b.createdAtMs;
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1;
}
