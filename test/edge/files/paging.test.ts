// Lists that change while they are read: a cursor keeps its place even if its file is deleted.

import { expect, test } from "vitest";
import { upload } from "../batch/support.ts";
import { Api } from "../support/api.ts";

const api = new Api();

async function filesOf(key: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let file = 0; file < count; file += 1) ids.push(String((await upload(api, key, `{"a":${file}}`)).body["id"]));
  return ids;
}

/** Ids of one page. */
async function page(key: string, query: string): Promise<{ ids: string[]; more: boolean }> {
  const { status, body, text } = await api.call(`/v1/files?${query}`, { key });
  if (status !== 200) throw new Error(text);
  return { ids: (body["data"] as { id: string }[]).map(({ id }) => id), more: body["has_more"] === true };
}

const remove = (key: string, id: string) => api.call(`/v1/files/${id}`, { key, method: "DELETE" });

test.each(["asc", "desc"])("a list in order %s continues after a deleted file", async (order) => {
  const { key } = await api.newAccount();
  const made = await filesOf(key, 5);
  const expected = order === "asc" ? made : made.toReversed();
  const seen: string[] = [];
  let after = "";
  for (let more = true; more;) {
    const next = await page(key, `order=${order}&limit=2${after}`);
    seen.push(...next.ids);
    for (const id of next.ids) expect((await remove(key, id)).status).toBe(200);
    after = `&after=${String(next.ids.at(-1))}`;
    more = next.more;
  }
  expect(seen).toEqual(expected);
});

test("after the deleted newest file, a list finds every later file", async () => {
  const { key } = await api.newAccount();
  const [, newest] = await filesOf(key, 2);
  await remove(key, String(newest));
  const later = await filesOf(key, 2);
  expect((await page(key, `order=asc&after=${String(newest)}`)).ids).toEqual(later);
});

test("an id that was never a file of this account is refused", async () => {
  const [one, two] = [await api.newAccount(), await api.newAccount()];
  const [theirs] = await filesOf(two.key, 1);
  await remove(two.key, String(theirs));
  for (const after of [String(theirs), "file_00000000000000", "x"]) {
    expect(await api.call(`/v1/files?after=${after}`, { key: one.key })).toMatchObject({ status: 400 });
  }
});
