// GET and PATCH /v1/account, GET /account?key=…, GET /v1/transactions: what an owner sees of the books, and the hard
// monthly limit an owner sets on them.

import * as z from "zod";
import { accountStub } from "../account/account-stub.ts";
import type { StatementLine } from "../ledger/statement.ts";
import type { AccountView, TransactionsPage } from "../account/views.ts";
import type { Context } from "../context.ts";
import { keyOfText } from "../middleware/authenticate.ts";
import { authorize } from "../middleware/authorize.ts";
import { readJson } from "../middleware/body.ts";
import { acted } from "../middleware/acted.ts";
import { seconds } from "./answers.ts";
import { apiError } from "../../shared/errors.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import { integer, parsePatch } from "../../shared/schemas/fields.ts";
import { readCursor, readLimit } from "./query.ts";

const TRANSACTIONS_MAX = 100;
const BODY_BYTES_MAX = 4096;

const LIMITS_RULE = "an object with monthly_nano_usd: an integer of nano-USD, or null for no limit";
export const patchAccountSchema = z.strictObject({
  limits: z.strictObject(
    { monthly_nano_usd: integer(0, Number.MAX_SAFE_INTEGER).nullable() },
    { error: () => LIMITS_RULE },
  ),
});

export async function getAccount(c: Context): Promise<Response> {
  const rights = await authorize(c, "any");
  return c.json(accountAnswer(await viewOf(c, rights.accountId)));
}

/** For compatibility: the key in the query. Never logged (request-log writes routes, not URLs), never stored by caches. */
export async function getAccountByQueryKey(c: Context): Promise<Response> {
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
  const rights = await authorize(c, "any");
  return c.json(accountAnswer(await viewOf(c, rights.accountId)));
}

/** `limits.monthly_nano_usd`: a hard limit of the UTC month, kept by the ledger like a key's cap; null takes it away. */
export async function patchAccount(c: Context): Promise<Response> {
  const { accountId, by } = await authorize(c, "account:write");
  const { limits } = parsePatch(patchAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const monthly = limits.monthly_nano_usd;
  const patch = { monthlyNanoUsd: monthly === null ? null : nanoUsd(monthly) };
  acted(await accountStub(c.env, accountId).setLimits(patch, by));
  return c.json(accountAnswer(await viewOf(c, accountId)));
}

export async function listTransactions(c: Context): Promise<Response> {
  const rights = await authorize(c, "usage:read");
  const page: TransactionsPage = acted(
    await accountStub(c.env, rights.accountId).transactions(readCursor(c, "page"), readLimit(c, TRANSACTIONS_MAX, 20)),
  );
  return c.json({
    object: "list",
    data: page.lines.map(transactionAnswer),
    has_more: page.before !== undefined,
    next_page: page.before === undefined ? null : String(page.before),
  });
}

export function transactionAnswer(line: StatementLine) {
  return {
    id: `txn_${line.position}`,
    object: "transaction",
    at: seconds(line.atMs),
    kind: line.kind,
    amount_nano_usd: line.amountNanoUsd,
    balance_after_nano_usd: line.balanceAfterNanoUsd,
    description: line.description,
    ...(line.paymentId === undefined ? {} : { payment_id: line.paymentId }),
    ...(line.keyId === undefined ? {} : { key_id: line.keyId }),
    ...(line.model === undefined ? {} : { model: line.model }),
  };
}

async function viewOf(c: Context, id: Parameters<typeof accountStub>[1]): Promise<AccountView> {
  return acted(await accountStub(c.env, id).getAccount());
}

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

/** The operator's view: the books. */
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

/** Each amount twice: exact integers of nano-USD, and decimal USD for people. */
function amounts(named: Readonly<Record<string, NanoUsd>>): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, amount]) => [
      [`${name}_usd`, formatUsd(amount)],
      [`${name}_nano_usd`, amount],
    ]),
  );
}
