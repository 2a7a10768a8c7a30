// The development account of a data folder, created once through the operator's API like any other. Its $5 come from a
// grant with a fixed id, so that a start after a kill at any point neither loses nor doubles them.

import * as z from "zod";
import type { DataFolder, DevAccount } from "./data-folder.ts";

const FREE_CREDIT_USD = 5;
const GRANT_ID = "development-free-credit";

/** Creates the folder's account, its grant and its key unless they exist. */
export async function ensureDevAccount(folder: DataFolder, url: string, adminKey: string): Promise<DevAccount> {
  const known = folder.account();
  if (known !== undefined && (await keyWorks(url, known.apiKey))) return known;
  const { id } = await post(url, adminKey, "/admin/accounts", { name: "Development" }, z.object({ id: z.string() }));
  await post(
    url,
    adminKey,
    `/admin/accounts/${id}/grants`,
    { amount_usd: FREE_CREDIT_USD, kind: "free", id: GRANT_ID },
    z.unknown(),
  );
  const { key } = await post(
    url,
    adminKey,
    `/admin/accounts/${id}/keys`,
    { name: "Development" },
    z.object({ key: z.string() }),
  );
  const account = { accountId: id, apiKey: key };
  folder.writeAccount(account);
  return account;
}

async function keyWorks(url: string, apiKey: string): Promise<boolean> {
  const response = await fetch(`${url}/v1/key`, { headers: { authorization: `Bearer ${apiKey}` } });
  await response.body?.cancel();
  return response.status === 200;
}

async function post<Schema extends z.ZodType>(
  url: string,
  adminKey: string,
  path: string,
  body: object,
  schema: Schema,
): Promise<z.output<Schema>> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
  return schema.parse(await response.json());
}
