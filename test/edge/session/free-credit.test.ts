// The free credit: once a person, for those old enough where they come from, and as the operator sets it.

import { env } from "cloudflare:test";
import { beforeEach, describe, expect, test } from "vitest";
import { accountStub } from "../../../edge/account/account-stub.ts";
import { giveFreeCredit } from "../../../edge/session/free-credit.ts";
import { readConfig } from "../../../edge/settings.ts";
import { must } from "../../../shared/assert.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { parseId } from "../../../shared/ids.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";
import { Api } from "../support/api.ts";

const DAY_MS = 86_400_000;
const GIVEN = 5_000_000_000;
const api = new Api();
let accountId: AccountId;

beforeEach(async () => {
  const { body } = await api.admin("/admin/accounts", { name: "New" });
  accountId = must(parseId("account", String(body["id"])), "an account");
});

/** What the account has been granted after one more sign-in. */
async function grantedAfter(
  ageDays: number | undefined,
  settings: Record<string, string> = {},
  accountsMade = 1,
): Promise<unknown> {
  const config = readConfig({ ...TEST_BINDINGS, BACKENDS: "[]", ...settings });
  expect(config.problems).toEqual([]);
  const bornMs = ageDays === undefined ? undefined : Date.now() - ageDays * DAY_MS;
  await giveFreeCredit(env, config, { accountId, accountsMade }, { bornMs, actor: "github" });
  return (await api.admin(`/admin/accounts/${accountId}`)).body["granted_nano_usd"];
}

describe("free credit", () => {
  test("is given once, however often the person signs in", async () => {
    expect(await grantedAfter(100)).toBe(GIVEN);
    expect(await grantedAfter(101)).toBe(GIVEN);
  });

  test("waits until the person's account is old enough, and counts an unknown age as new", async () => {
    expect(await grantedAfter(29)).toBe(0);
    expect(await grantedAfter(undefined)).toBe(0);
    expect(await grantedAfter(31)).toBe(GIVEN);
  });

  test("is not given to whoever deleted an account and comes back", async () => {
    expect(await grantedAfter(1000, {}, 2)).toBe(0);
  });

  test.each([
    [{ FREE_CREDIT_USD: "0" }, 1000, 0],
    [{ FREE_CREDIT_USD: "0.25" }, 1000, 250_000_000],
    [{ FREE_CREDIT_AGE_DAYS: "0" }, undefined, GIVEN],
    [{ FREE_CREDIT_AGE_DAYS: "365" }, 300, 0],
  ])("is what the operator sets: %j at %s days is %i", async (settings, ageDays, granted) => {
    expect(await grantedAfter(ageDays, settings)).toBe(granted);
  });

  test("waits for a card where the operator asks for one", async () => {
    const settings = { FREE_CREDIT_ASKS_CARD: "true" };
    expect(await grantedAfter(1000, settings)).toBe(0);
    await accountStub(env, accountId).rememberCard({ customer: "cus_1", paymentMethod: "pm_1" });
    expect(await grantedAfter(1000, settings)).toBe(GIVEN);
  });

  test("set wrong is the default, and named", () => {
    const { problems, FREE_CREDIT_USD: amount } = readConfig({
      ...TEST_BINDINGS,
      BACKENDS: "[]",
      FREE_CREDIT_USD: "five",
      FREE_CREDIT_AGE_DAYS: "-1",
    });
    expect(amount).toBeUndefined();
    expect(problems.join(" ")).toMatch(
      /FREE_CREDIT_USD must be an amount.*FREE_CREDIT_AGE_DAYS must be a whole number/,
    );
  });
});
