// One rule for every list: `limit` is 1 to its maximum and refused beyond, a cursor goes on where its object stood, though
// it is gone, and what is new moves nothing.

import { beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { ROUTES } from "../../../edge/routes/table.ts";
import type { Operation } from "../../../edge/openapi/operation.ts";
import { must } from "../../../shared/assert.ts";
import { newId } from "../../../shared/ids.ts";
import type { IdKind } from "../../../shared/ids.ts";
import { Api } from "../support/api.ts";

const api = new Api();
const CURSORS = new Set(["after", "page", "cursor"]);
const FORM = { origin: "https://api.test", "content-type": "application/x-www-form-urlencoded" };

interface Collection {
  readonly kind: IdKind;
  /** Makes the one of number `nth`; answers its id. */
  readonly make: (key: string, nth: number) => Promise<string>;
}

const post = (path: string, body: (nth: number) => object) => async (key: string, nth: number) =>
  String((await api.call(path, { key, body: body(nth) })).body["id"]);

const COLLECTIONS: Readonly<Record<string, Collection>> = {
  "/v1/keys": { kind: "key", make: post("/v1/keys", (nth) => ({ name: `key ${nth}` })) },
  "/v1/alerts": {
    kind: "alert",
    make: post("/v1/alerts", (nth) => ({ kind: "monthly_spend", threshold_usd: nth + 1 })),
  },
  "/v1/webhooks": { kind: "webhook", make: post("/v1/webhooks", (nth) => ({ url: `https://example.com/${nth}` })) },
  "/v1/sessions": {
    kind: "session",
    make: async (key) => {
      const known = new Set(await idsOf("/v1/sessions", key));
      await api.call("/dashboard/sign-in", { method: "POST", headers: FORM, body: `key=${key}` });
      return must(
        (await idsOf("/v1/sessions", key)).find((id) => !known.has(id)),
        "a new session",
      );
    },
  },
};

async function pageOf(path: string, key: string, query = ""): Promise<{ ids: string[]; hasMore: boolean }> {
  const { status, body, text } = await api.call(`${path}?${query}`, { key });
  if (status !== 200) throw new Error(text);
  const ids = (body["data"] as { id: string }[]).map(({ id }) => id);
  expect(body).toMatchObject({ object: "list", first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null });
  return { ids, hasMore: body["has_more"] === true };
}

async function idsOf(path: string, key: string): Promise<string[]> {
  return (await pageOf(path, key)).ids;
}

async function accountWith(path: string, count: number): Promise<{ key: string; made: string[]; own: string[] }> {
  const { key } = await api.newAccount();
  const own = await idsOf(path, key); // its first key
  const made: string[] = [];
  for (let nth = 0; nth < count; nth += 1) made.push(await must(COLLECTIONS[path], path).make(key, nth));
  return { key, made, own };
}

const hasMore = ({ answers }: Operation): boolean => {
  const schema = answers[200]?.schema;
  return schema instanceof z.ZodObject && "has_more" in schema.shape;
};
const LISTS = ROUTES.filter((operation) => operation.method === "get" && hasMore(operation));

describe("a list", () => {
  let key: string;
  beforeAll(async () => {
    ({ key } = await api.newAccount());
  });

  test.each(LISTS.map((operation) => [operation.path, operation] as const))(
    "%s takes a limit up to its maximum, and a cursor",
    async (path, { parameters = [], auth }) => {
      const limit = parameters.find(({ name }) => name === "limit");
      const max = Number(must(limit, "a limit").schema["maximum"]);
      expect(parameters.some(({ name }) => CURSORS.has(name))).toBe(true);
      const ask = (value: string | number) => {
        const url = `${path}?start_time=1&limit=${value}`;
        return auth === "operator" ? api.admin(url) : api.call(url, { key });
      };
      for (const wrong of [0, -1, 1.5, "", "x", "1e1", max + 1, "9".repeat(20)]) {
        expect(await ask(wrong)).toMatchObject({
          status: 400,
          body: { error: { code: "invalid_value", param: "limit" } },
        });
      }
      expect((await ask(1)).status).toBe(200);
      if (!path.includes("organization")) expect((await ask(max)).status).toBe(200); // there the width decides too
    },
  );
});

describe.each(Object.keys(COLLECTIONS))("GET %s", (path) => {
  test.each(["asc", "desc"])("in pages, %s, while all that was read is deleted and new ones come", async (order) => {
    const { key, made, own } = await accountWith(path, 5);
    const rising = await idsOf(path, key).then((ids) => ids.filter((id) => !own.includes(id)).toReversed());
    expect(rising.toSorted()).toEqual(made.toSorted());
    const seen: string[] = [];
    let late: string | undefined;
    let after = "";
    for (let more = true; more;) {
      const next = await pageOf(path, key, `order=${order}&limit=2${after}`);
      expect(next.ids.length).toBeLessThanOrEqual(2);
      seen.push(...next.ids);
      for (const id of next.ids.filter((one) => !own.includes(one)))
        expect((await api.call(`${path}/${id}`, { key, method: "DELETE" })).status).toBe(200);
      late ??= await must(COLLECTIONS[path], path).make(key, 7);
      after = `&after=${String(next.ids.at(-1))}`;
      more = next.hasMore;
    }
    const listed = seen.filter((id) => rising.includes(id));
    expect(listed).toEqual(order === "asc" ? rising : rising.toReversed());
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("refuses a cursor that never was this account's", async () => {
    const [own, other] = [await accountWith(path, 1), await accountWith(path, 1)];
    const { kind } = must(COLLECTIONS[path], path);
    for (const after of [...other.made, newId(kind), "x", newId("account")]) {
      const answer = await api.call(`${path}?after=${after}`, { key: own.key });
      expect(answer).toMatchObject({ status: 400, body: { error: { code: "invalid_value", param: "after" } } });
    }
  });
});
