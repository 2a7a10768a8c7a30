// GET and PATCH /v1/account, GET /account?key=…: what an owner sees of the books, and the hard monthly limit an owner sets
// on them.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { AccountView } from "../../account/views.ts";
import type { Context } from "../../context.ts";
import { acted } from "../../middleware/acted.ts";
import { keyOfText } from "../../middleware/authenticate.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { authorize } from "../../middleware/authorize.ts";
import { readJson } from "../../middleware/body.ts";
import type { Answer } from "../../openapi/operation.ts";
import { queryText } from "../../openapi/parameters.ts";
import { amounts } from "../amount.ts";
import { amountNanoUsd, count, seconds, unixSeconds } from "../answers.ts";
import type { Route } from "../route.ts";
import { apiError } from "../../../shared/errors.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { nanoUsd } from "../../../shared/money.ts";
import { integer, parsePatch } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 4096;

const LIMITS_RULE = "an object with monthly_nano_usd: an integer of nano-USD, or null for no limit";
const patchAccountSchema = z.strictObject({
  limits: z.strictObject(
    { monthly_nano_usd: integer(0, Number.MAX_SAFE_INTEGER).nullable() },
    { error: () => LIMITS_RULE },
  ),
});

export const accountSchema = z.object({
  id: z.string(),
  object: z.literal("account"),
  name: z.string(),
  status: z.enum(["active", "suspended"]),
  created_at: z.nullable(unixSeconds),
  balance_usd: z.string(),
  balance_nano_usd: amountNanoUsd,
  spendable_usd: z.string(),
  spendable_nano_usd: amountNanoUsd,
  held_usd: z
    .string()
    .describe(
      "Of the balance: set aside for calls that run, or ran a moment ago. What they do not use comes back by itself, at the latest 35 s after the last call.",
    ),
  held_nano_usd: amountNanoUsd,
  spent_this_month_usd: z.string(),
  spent_this_month_nano_usd: amountNanoUsd,
  limits: z.object({
    requests_per_minute: count,
    tokens_per_minute: count,
    monthly_nano_usd: z.nullable(amountNanoUsd),
  }),
});

export const ACCOUNT = {
  id: "acct_5Tt8ZKf0s3N6Y1WcQbXo2R",
  object: "account",
  name: "Search team",
  status: "active",
  created_at: 1_790_000_000,
  balance_usd: "5",
  balance_nano_usd: 5_000_000_000,
  spendable_usd: "4.99",
  spendable_nano_usd: 4_990_000_000,
  held_usd: "0.01",
  held_nano_usd: 10_000_000,
  spent_this_month_usd: "0",
  spent_this_month_nano_usd: 0,
  limits: { requests_per_minute: 600, tokens_per_minute: 1_000_000, monthly_nano_usd: null },
};

export const ACCOUNT_ANSWER: Answer = {
  description: "The books.",
  name: "Account",
  schema: accountSchema,
  example: ACCOUNT,
};

export function accountAnswer(view: AccountView) {
  return {
    id: view.id,
    object: "account",
    name: view.name,
    status: view.status,
    created_at: seconds(view.createdAtMs),
    ...amounts({
      balance: view.balanceNanoUsd,
      spendable: view.spendableNanoUsd,
      held: view.heldNanoUsd,
      spent_this_month: view.monthSpentNanoUsd,
    }),
    limits: {
      requests_per_minute: view.limits.requestsPerMinute,
      tokens_per_minute: view.limits.tokensPerMinute,
      monthly_nano_usd: view.limits.monthlyNanoUsd ?? null,
    },
  };
}

const SUMS = ["granted", "topped_up", "expired", "refunded", "charged", "written_off", "receivable", "lost_bound"];

/** Both fields of each sum. */
function sums<Field>(usd: Field, nano: Field): Readonly<Record<string, Field>> {
  return Object.fromEntries(
    SUMS.flatMap((sum) => [
      [`${sum}_usd`, usd],
      [`${sum}_nano_usd`, nano],
    ]),
  );
}

/** The operator's view: the books. */
export const booksSchema = accountSchema.extend({
  email: z.nullable(z.string()),
  ...sums<z.ZodType>(z.string(), amountNanoUsd),
});

export const BOOKS = { ...ACCOUNT, email: null, ...sums<string | number>("0", 0) };

export function booksAnswer(view: AccountView) {
  return {
    ...accountAnswer(view),
    email: view.email ?? null,
    ...amounts({
      granted: view.grantedNanoUsd,
      topped_up: view.toppedUpNanoUsd,
      expired: view.expiredNanoUsd,
      refunded: view.refundedNanoUsd,
      charged: view.chargedNanoUsd,
      written_off: view.writtenOffNanoUsd,
      receivable: view.receivableNanoUsd,
      lost_bound: view.lostBoundNanoUsd,
    }),
  };
}

export const ACCOUNT_ROUTES: readonly Route[] = [
  {
    method: "get",
    path: "/v1/account",
    id: "getAccount",
    tag: "Account",
    summary: "Balance, limits and status",
    auth: "key",
    scope: "any",
    answers: { 200: ACCOUNT_ANSWER },
    handler: getAccount,
  },
  {
    method: "patch",
    path: "/v1/account",
    id: "patchAccount",
    tag: "Account",
    summary: "Set a hard monthly limit",
    description: "Of the UTC month, kept by the ledger; null takes it away.",
    auth: "key",
    scope: "account:write",
    body: {
      name: "PatchOwnAccountRequest",
      schema: patchAccountSchema,
      example: { limits: { monthly_nano_usd: 20_000_000_000 } },
    },
    answers: { 200: ACCOUNT_ANSWER },
    handler: patchAccount,
  },
  {
    method: "get",
    path: "/account",
    id: "getAccountByQueryKey",
    tag: "Account",
    summary: "The same, with the key in the query",
    description: "For compatibility; an Authorization header is better. Never logged, never stored by caches.",
    auth: "none",
    parameters: [{ ...queryText("key", "The API key."), required: true, errors: [] }],
    answers: { 200: ACCOUNT_ANSWER },
    errors: [
      "missing_api_key",
      "invalid_api_key",
      "expired_api_key",
      "account_suspended",
      "address_not_allowed",
      "rate_limit_exceeded",
      "ledger_unavailable",
    ],
    handler: getAccountByQueryKey,
  },
];

async function getAccount(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(accountAnswer(await viewOf(c, accountId)));
}

/** For compatibility: the key in the query. Never logged (request-log writes routes, not URLs), never stored by caches. */
async function getAccountByQueryKey(c: Context): Promise<Response> {
  c.header("cache-control", "no-store");
  c.header("referrer-policy", "no-referrer");
  const text = c.req.query("key");
  if (text === undefined)
    throw apiError(
      "missing_api_key",
      "No API key: send `?key=gr-…`, or better GET /v1/account with an Authorization header.",
      "key",
    );
  c.set("key", await keyOfText(c, text));
  return getAccount(c, await authorize(c, "any"));
}

/** `limits.monthly_nano_usd`: a hard limit of the UTC month, kept by the ledger like a key's cap; null takes it away. */
async function patchAccount(c: Context, { accountId, by }: Caller): Promise<Response> {
  const { limits } = parsePatch(patchAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const monthly = limits.monthly_nano_usd;
  const patch = { monthlyNanoUsd: monthly === null ? null : nanoUsd(monthly) };
  acted(await accountStub(c.env, accountId).setLimits(patch, by));
  return c.json(accountAnswer(await viewOf(c, accountId)));
}

async function viewOf(c: Context, id: AccountId): Promise<AccountView> {
  return acted(await accountStub(c.env, id).getAccount());
}
