// GET and PATCH /v1/account, and GET /account?key=…: an account's books as its owner sees them, and its hard monthly
// limit.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { AccountView } from "../../account/views.ts";
import type { Context } from "../../context.ts";
import { acted } from "../../middleware/acted.ts";
import { keyOfText } from "../../middleware/authenticate.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { authorize } from "../../middleware/authorize.ts";
import { readJson } from "../../middleware/body.ts";
import { always, described, field } from "../../openapi/described.ts";
import type { Fields } from "../../openapi/described.ts";
import { SHOWN_KEY_ERRORS } from "../../openapi/operation.ts";
import { queryText } from "../../openapi/parameters.ts";
import { amountFields } from "../amount.ts";
import { amountNanoUsd, answerOf, count, ownId, seconds, time } from "../answers.ts";
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

const ACCOUNT_FIELDS: Fields<AccountView> = {
  id: ownId("account"),
  object: always("account"),
  name: field(z.string(), ({ name }) => name, "Search team"),
  status: field(z.enum(["active", "suspended"]), ({ status }) => status, "active"),
  created_at: field(time, ({ createdAtMs }) => seconds(createdAtMs), 1_790_000_000),
  ...amountFields("balance", ({ balanceNanoUsd }: AccountView) => balanceNanoUsd, 5_000_000_000),
  ...amountFields("spendable", ({ spendableNanoUsd }: AccountView) => spendableNanoUsd, 4_990_000_000),
  ...amountFields(
    "held",
    ({ heldNanoUsd }: AccountView) => heldNanoUsd,
    10_000_000,
    "The part of the balance that is set aside for running and recent calls. What they do not use is free again at the latest 35 s after the last call.",
  ),
  ...amountFields("spent_this_month", ({ monthSpentNanoUsd }: AccountView) => monthSpentNanoUsd, 0),
  limits: field(
    z.object({ requests_per_minute: count, tokens_per_minute: count, monthly_nano_usd: z.nullable(amountNanoUsd) }),
    ({ limits: { requestsPerMinute, tokensPerMinute, monthlyNanoUsd } }) => ({
      requests_per_minute: requestsPerMinute,
      tokens_per_minute: tokensPerMinute,
      monthly_nano_usd: monthlyNanoUsd ?? null,
    }),
    { requests_per_minute: 600, tokens_per_minute: 1_000_000, monthly_nano_usd: null },
  ),
};
export const ACCOUNT = described(ACCOUNT_FIELDS);

/** The books, as the operator sees them. */
export const BOOKS = described<AccountView>({
  ...ACCOUNT_FIELDS,
  email: field(z.nullable(z.string()), ({ email }) => email ?? null, null),
  ...amountFields("granted", ({ grantedNanoUsd }: AccountView) => grantedNanoUsd, 0),
  ...amountFields("topped_up", ({ toppedUpNanoUsd }: AccountView) => toppedUpNanoUsd, 0),
  ...amountFields("expired", ({ expiredNanoUsd }: AccountView) => expiredNanoUsd, 0),
  ...amountFields("refunded", ({ refundedNanoUsd }: AccountView) => refundedNanoUsd, 0),
  ...amountFields("charged", ({ chargedNanoUsd }: AccountView) => chargedNanoUsd, 0),
  ...amountFields("written_off", ({ writtenOffNanoUsd }: AccountView) => writtenOffNanoUsd, 0),
  ...amountFields("receivable", ({ receivableNanoUsd }: AccountView) => receivableNanoUsd, 0),
  ...amountFields("lost_bound", ({ lostBoundNanoUsd }: AccountView) => lostBoundNanoUsd, 0),
});

export const ACCOUNT_ANSWER = answerOf("Account", "The books.", ACCOUNT);

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
    errors: [...SHOWN_KEY_ERRORS, "rate_limit_exceeded", "ledger_unavailable"],
    handler: getAccountByQueryKey,
  },
];

async function getAccount(c: Context, { accountId }: Caller): Promise<Response> {
  return c.json(ACCOUNT.of(await viewOf(c, accountId)));
}

/**
 * The key in the query, for compatibility. The log has only the route, and caches store nothing, so it is kept nowhere.
 */
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

/**
 * `limits.monthly_nano_usd`: a hard limit for each UTC month, which the ledger keeps like a key's cap; null removes it.
 */
async function patchAccount(c: Context, { accountId, by }: Caller): Promise<Response> {
  const { limits } = parsePatch(patchAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const monthly = limits.monthly_nano_usd;
  const patch = { monthlyNanoUsd: monthly === null ? null : nanoUsd(monthly) };
  acted(await accountStub(c.env, accountId).setLimits(patch, by));
  return c.json(ACCOUNT.of(await viewOf(c, accountId)));
}

async function viewOf(c: Context, id: AccountId): Promise<AccountView> {
  return acted(await accountStub(c.env, id).getAccount());
}
