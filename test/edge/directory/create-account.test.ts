// Making an account is two writes in two places: whichever fails, nothing is half made.
import { env } from "cloudflare:test";
import { expect, test } from "vitest";
import { createAccount } from "../../../edge/directory/create-account.ts";
import type { Env } from "../../../edge/config.ts";
import { newId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { stubOf } from "../account/support.ts";
import { directoryTables } from "../support/directory-tables.ts";

const rowsOf = async (id: string) =>
  (await env.DIRECTORY.prepare("SELECT status FROM accounts WHERE id = ?").bind(id).all()).results;

test("the account is in the directory and its object is set up, with its first grant", async () => {
  await directoryTables();
  const firstGrant = { id: "welcome", kind: "free" as const, amountNanoUsd: nanoUsd(5) };
  const id = await createAccount(env, { name: "Ada" }, "operator", { firstGrant });
  expect(await rowsOf(id)).toEqual([{ status: "active" }]);
  expect(await stubOf(id).getAccount()).toMatchObject({ name: "Ada", balanceNanoUsd: 5 });
});

test("an object that fails leaves no row behind", async () => {
  await directoryTables();
  const id = newId("account");
  const broken = {
    idFromName: (name: string) => env.ACCOUNT.idFromName(name),
    get: () => ({ setUp: () => Promise.reject(new Error("overloaded")) }),
  } as unknown as Env["ACCOUNT"];
  await expect(
    createAccount({ ACCOUNT: broken, DIRECTORY: env.DIRECTORY }, { name: "Half" }, "operator", { id }),
  ).rejects.toThrow("overloaded");
  expect(await rowsOf(id)).toEqual([]);
});

test("a directory that fails leaves no object behind", async () => {
  const id = newId("account");
  const down = {
    prepare: () => {
      throw new Error("down");
    },
  } as unknown as D1Database;
  await expect(
    createAccount({ ACCOUNT: env.ACCOUNT, DIRECTORY: down }, { name: "Half" }, "operator", { id }),
  ).rejects.toMatchObject({ fault: { code: "directory_unavailable" } });
  expect(await stubOf(id).getAccount()).toBeUndefined();
});
