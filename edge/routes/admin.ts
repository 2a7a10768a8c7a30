// The operator's routes over accounts: list, books, grants, keys, limits, status. Every act is in the directory's audit
// log before it is done (directory/audit.ts) and in the account's own with it.

import * as z from "zod";
import { LIFETIME_NANO_USD_MAX } from "../ledger/acts.ts";
import type { GrantInput } from "../ledger/acts.ts";
import { SCOPES } from "../ledger/types.ts";
import { accountStub } from "../account/account-stub.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { listAccounts as readAccounts, reflectStatus, reportBooks } from "../directory/accounts.ts";
import { audited } from "../directory/audit.ts";
import { createAccount as makeAccount } from "../account/create-account.ts";
import { acted } from "../middleware/acted.ts";
import { LOCATIONS } from "../lib/location.ts";
import { readJson } from "../middleware/body.ts";
import { operatorActor } from "../middleware/operator.ts";
import { accountAnswer, booksAnswer } from "./account/account.ts";
import { readAmount } from "./amount.ts";
import { createKeySchema, createdKeyAnswer, draftOf } from "./keys/key-fields.ts";
import { seconds } from "./answers.ts";
import { readLimit, readOpaqueCursor, unknownCursor } from "./query.ts";
import { apiError } from "../../shared/errors.ts";
import type { AccountId } from "../../shared/ids.ts";
import { newId, parseId } from "../../shared/ids.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";
import { integer, oneOf, parseBody, parsePatch, text } from "../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
const ACTOR = "operator";
const ACCOUNTS_MAX = 100;
const RATE_MAX = 1_000_000_000;

export const createAccountSchema = z.strictObject({
  name: text("the account's name").min(1, { error: "a name" }).max(200, { error: "at most 200 characters" }),
  email: z.email({ error: () => "an email address" }).optional(),
  /** Near whom its object lives, for good; absent: near this call. */
  location: oneOf(LOCATIONS).optional(),
});
export const grantSchema = z.strictObject({
  amount_usd: z.union([z.number(), z.string()], { error: () => AMOUNT_RULE }).optional(),
  amount_nano_usd: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  kind: oneOf(["free", "paid", "promo"]),
  expires_at: integer(0, 4_102_444_800).optional(),
  id: text("a string of your own, to grant once")
    .min(1, { error: "a string of your own" })
    .max(200, { error: "at most 200 characters" })
    .optional(),
});
export const patchAccountSchema = z.strictObject({
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
  const account = { name: body.name, ...(body.email === undefined ? {} : { email: body.email }) };
  await act(c, "account.create", id, account, () =>
    makeAccount(c.env, account, ACTOR, { id, location: body.location }),
  );
  return c.json(accountAnswer(found(await accountStub(c.env, id).getAccount())), 201);
}

/** Newest first; status and sums as the directory knows them, the books of one account are the account's to tell. */
export async function listAccounts(c: Context): Promise<Response> {
  const page = await readAccounts(c.env.DIRECTORY, readOpaqueCursor(c, "cursor"), readLimit(c, ACCOUNTS_MAX, 20));
  if (page === undefined) throw unknownCursor("cursor");
  return c.json({
    object: "list",
    data: page.rows.map((row) => ({
      id: row.id,
      object: "account",
      name: row.name,
      email: row.email,
      status: row.status,
      created_at: seconds(row.createdAtMs),
      deleted_at: seconds(row.deletedAtMs ?? undefined),
      charged_nano_usd: row.chargedNanoUsd,
      reported_at: seconds(row.reportedAtMs ?? undefined),
    })),
    has_more: page.next !== undefined,
    next_cursor: page.next ?? null,
  });
}

export async function getAccountBooks(c: Context): Promise<Response> {
  const view = found(await accountStub(c.env, accountIdOf(c)).getAccount());
  // The object may have suspended itself (a dispute): its row in the list follows when somebody looks.
  waitUntilOf(c)(reportBooks(c.env.DIRECTORY, view.id, view, Date.now()).catch(() => undefined));
  return c.json(booksAnswer(view));
}

export async function createGrant(c: Context): Promise<Response> {
  const id = accountIdOf(c);
  const body = parseBody(grantSchema, await readJson(c, BODY_BYTES_MAX));
  const input: GrantInput = {
    id: body.id ?? newId("grant"),
    kind: body.kind,
    amountNanoUsd: readAmount("amount", body.amount_usd, body.amount_nano_usd),
    ...(body.expires_at === undefined ? {} : { expiresAtMs: body.expires_at * 1000 }),
  };
  const outcome = await act(c, "grant", id, input, async () => {
    const answer = found(await accountStub(c.env, id).grant(input, ACTOR));
    if (answer === "too_much") {
      const limit = formatUsd(nanoUsd(LIFETIME_NANO_USD_MAX));
      throw apiError(
        "limit_reached",
        `An account is granted at most $${limit} in its life, top-ups included.`,
        "amount_usd",
      );
    }
    if (answer !== "too_many_open_grants") return answer;
    throw apiError(
      "limit_reached",
      "This account has too many open grants with an expiry: let some expire or be spent first.",
    );
  });
  return c.json(
    { id: input.id, granted: outcome === "granted", amount_nano_usd: input.amountNanoUsd },
    outcome === "granted" ? 201 : 200,
  );
}

export async function createAccountKey(c: Context): Promise<Response> {
  const id = accountIdOf(c);
  const { models } = c.get("services");
  const draft = draftOf(parseBody(createKeySchema, await readJson(c, BODY_BYTES_MAX)), models);
  const created = await act(c, "key.create", id, { name: draft.name, scopes: draft.scopes ?? SCOPES }, async () => {
    const answer = acted(found(await accountStub(c.env, id).createKey(id, draft, ACTOR)));
    if (typeof answer === "object" && "key" in answer) return answer;
    throw apiError("limit_reached", "This account has as many keys as an account may have: revoke one first.");
  });
  return c.json(createdKeyAnswer(created, models), 201);
}

export async function patchAccount(c: Context): Promise<Response> {
  const id = accountIdOf(c);
  const body = parsePatch(patchAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const { limits, status } = body;
  const stub = accountStub(c.env, id);
  await act(c, "account.patch", id, body, async () => {
    if (limits !== undefined) {
      const patch = {
        ...(limits.requests_per_minute === undefined ? {} : { requestsPerMinute: limits.requests_per_minute }),
        ...(limits.tokens_per_minute === undefined ? {} : { tokensPerMinute: limits.tokens_per_minute }),
      };
      found(await stub.setLimits(patch, ACTOR));
    }
    if (status !== undefined) {
      found(await stub.setStatus(status, ACTOR));
      await reflectStatus(c.env.DIRECTORY, id, status);
    }
  });
  return c.json(booksAnswer(found(await stub.getAccount())));
}

/** One act of the operator, in the audit log. */
function act<Result>(
  c: Context,
  action: string,
  target: string,
  facts: object,
  work: () => Promise<Result>,
): Promise<Result> {
  const entry = { atMs: Date.now(), actor: operatorActor(c), action, target, facts: { ...facts } };
  return audited(c.env.DIRECTORY, entry, work);
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
