// The operator's routes: accounts, grants, keys, limits, status. Every act is in the account's audit log.

import * as z from "zod";
import type { GrantInput } from "../account/acts.ts";
import { accountStub } from "../account-stub.ts";
import type { Context } from "../context.ts";
import { readJson } from "../middleware/body.ts";
import { accountAnswer, booksAnswer } from "./account.ts";
import { createKeySchema, createdKeyAnswer, termsOf } from "./key-fields.ts";
import { apiError } from "../../shared/errors.ts";
import type { AccountId } from "../../shared/ids.ts";
import { newId, parseId } from "../../shared/ids.ts";
import { nanoUsd, parseUsd } from "../../shared/money.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { integer, oneOf, parseBody, text } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
const ACTOR = "operator";
const RATE_MAX = 1_000_000_000;

const createAccountSchema = z.strictObject({
  name: text("the account's name").min(1, { error: "a name" }).max(200, { error: "at most 200 characters" }),
  email: z.email({ error: () => "an email address" }).optional(),
});
const grantSchema = z.strictObject({
  amount_usd: z.union([z.number(), z.string()], { error: () => AMOUNT_RULE }).optional(),
  amount_nano_usd: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  kind: oneOf(["free", "paid", "promo"]),
  expires_at: integer(0, 4_102_444_800).optional(),
  id: text("a string of your own, to grant once")
    .min(1, { error: "a string of your own" })
    .max(200, { error: "at most 200 characters" })
    .optional(),
});
const patchAccountSchema = z.strictObject({
  limits: z
    .strictObject(
      { requests_per_minute: integer(1, RATE_MAX).optional(), tokens_per_minute: integer(1, RATE_MAX).optional() },
      { error: () => "an object with requests_per_minute and tokens_per_minute" },
    )
    .optional(),
  status: oneOf(["active", "suspended"]).optional(),
});
const AMOUNT_RULE = "an amount of USD above 0 with at most 9 decimals, like 5 or 0.25";

export async function createAccount(c: Context): Promise<Response> {
  const body = parseBody(createAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const id = newId("account");
  const account = { accountId: id, name: body.name, ...(body.email === undefined ? {} : { email: body.email }) };
  await accountStub(c.env, id).setUp(account, undefined, ACTOR);
  return c.json(accountAnswer(found(await accountStub(c.env, id).getAccount())), 201);
}

export async function getAccountBooks(c: Context): Promise<Response> {
  return c.json(booksAnswer(found(await accountStub(c.env, accountIdOf(c)).getAccount())));
}

export async function createGrant(c: Context): Promise<Response> {
  const id = accountIdOf(c);
  const body = parseBody(grantSchema, await readJson(c, BODY_BYTES_MAX));
  const input: GrantInput = {
    id: body.id ?? newId("grant"),
    kind: body.kind,
    amountNanoUsd: amountOf(body.amount_usd, body.amount_nano_usd),
    ...(body.expires_at === undefined ? {} : { expiresAtMs: body.expires_at * 1000 }),
  };
  const outcome = found(await accountStub(c.env, id).grant(input, ACTOR));
  if (outcome === "too_many_open_grants") {
    throw apiError(
      "limit_reached",
      "This account has too many open grants with an expiry: let some expire or be spent first.",
    );
  }
  return c.json(
    { id: input.id, granted: outcome === "granted", amount_nano_usd: input.amountNanoUsd },
    outcome === "granted" ? 201 : 200,
  );
}

export async function createAccountKey(c: Context): Promise<Response> {
  const id = accountIdOf(c);
  const body = parseBody(createKeySchema, await readJson(c, BODY_BYTES_MAX));
  const created = found(await accountStub(c.env, id).createKey(id, termsOf(body), ACTOR));
  if (created === "too_many_keys")
    throw apiError("limit_reached", "This account has as many keys as an account may have: revoke one first.");
  return c.json(createdKeyAnswer(created), 201);
}

export async function patchAccount(c: Context): Promise<Response> {
  const id = accountIdOf(c);
  const { limits, status } = parseBody(patchAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const stub = accountStub(c.env, id);
  if (limits !== undefined) {
    const patch = {
      ...(limits.requests_per_minute === undefined ? {} : { requestsPerMinute: limits.requests_per_minute }),
      ...(limits.tokens_per_minute === undefined ? {} : { tokensPerMinute: limits.tokens_per_minute }),
    };
    found(await stub.setLimits(patch, ACTOR));
  }
  if (status !== undefined) found(await stub.setStatus(status, ACTOR));
  return c.json(booksAnswer(found(await stub.getAccount())));
}

function accountIdOf(c: Context): AccountId {
  const id = parseId("account", c.req.param("id") ?? "");
  if (id === undefined) throw unknownAccount();
  return id;
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw unknownAccount();
  return value;
}

function unknownAccount() {
  return apiError("object_not_found", "No such account.", "id");
}

function amountOf(usd: number | string | undefined, nano: number | undefined): NanoUsd {
  if (usd !== undefined && nano !== undefined)
    throw apiError("incompatible_options", "Send `amount_usd` or `amount_nano_usd`, not both.", "amount_usd");
  if (nano !== undefined) return nanoUsd(nano);
  const amount = usd === undefined ? undefined : parseUsd(usd);
  if (amount === undefined || amount === 0)
    throw apiError("invalid_value", `\`amount_usd\` must be ${AMOUNT_RULE}.`, "amount_usd");
  return amount;
}
