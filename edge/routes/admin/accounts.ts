// The operator's routes for accounts: list, books, limits, status.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import { createAccount as makeAccount } from "../../account/create-account.ts";
import type { Context } from "../../context.ts";
import { waitUntilOf } from "../../context.ts";
import type { AccountRow } from "../../directory/accounts.ts";
import { listAccounts as readAccounts, reflectStatus, reportBooks } from "../../directory/accounts.ts";
import { LOCATIONS } from "../../lib/location.ts";
import { readJson } from "../../middleware/body.ts";
import { always, described, field } from "../../openapi/described.ts";
import { ACCOUNT, ACCOUNT_ANSWER, BOOKS } from "../account/account.ts";
import { amountNanoUsd, answerOf, exampleId, seconds, time } from "../answers.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import { limitParameter, readLimit } from "../query.ts";
import { operatorRoutes } from "../route.ts";
import { ACTOR, act } from "./act.ts";
import { CURSOR, cursorPage, cursorPageSchema, readCursor, unknownCursor } from "./cursor-list.ts";
import { newId } from "../../../shared/ids.ts";
import { integer, oneOf, parseBody, parsePatch, text } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;
const ACCOUNTS_MAX = 100;
const ACCOUNTS = 20;
const RATE_MAX = 1_000_000_000;

const createAccountSchema = z.strictObject({
  name: text("the account's name").min(1, { error: "a name" }).max(200, { error: "at most 200 characters" }),
  email: z.email({ error: () => "an email address" }).optional(),
  /** Where its object is placed, for good. Default: near this call. */
  location: oneOf(LOCATIONS).optional(),
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

const LISTED_ACCOUNT = described<AccountRow>({
  id: field(z.string(), ({ id }) => id, exampleId("account")),
  object: always("account"),
  name: field(z.string(), ({ name }) => name, "Search team"),
  email: field(z.nullable(z.string()), ({ email }) => email, null),
  status: field(z.string(), ({ status }) => status, "active"),
  created_at: field(time, ({ createdAtMs }) => seconds(createdAtMs), 1_790_000_000),
  deleted_at: field(time, ({ deletedAtMs }) => seconds(deletedAtMs ?? undefined), null),
  charged_nano_usd: field(amountNanoUsd, ({ chargedNanoUsd }) => chargedNanoUsd, 0),
  reported_at: field(time, ({ reportedAtMs }) => seconds(reportedAtMs ?? undefined), null),
});

const BOOKS_ANSWER = answerOf("Books", "The books.", BOOKS);

export const ADMIN_ACCOUNTS = operatorRoutes([
  {
    method: "get",
    path: "/admin/accounts",
    id: "adminListAccounts",
    summary: "All accounts, newest first",
    parameters: [limitParameter(ACCOUNTS_MAX, ACCOUNTS), CURSOR],
    answers: {
      200: {
        description: "Names, status and sums as the directory knows them.",
        name: "AdminAccounts",
        schema: cursorPageSchema(LISTED_ACCOUNT.schema),
        example: cursorPage([], undefined),
      },
    },
    handler: listAccounts,
  },
  {
    method: "post",
    path: "/admin/accounts",
    id: "adminCreateAccount",
    summary: "Create an account",
    body: { name: "CreateAccountRequest", schema: createAccountSchema, example: { name: "Search team" } },
    answers: { 201: { ...ACCOUNT_ANSWER, description: "The account." } },
    handler: createAccount,
  },
  {
    method: "get",
    path: "/admin/accounts/{id}",
    id: "adminGetAccount",
    summary: "The books of an account",
    parameters: [idParameter("account")],
    answers: { 200: BOOKS_ANSWER },
    handler: getAccountBooks,
  },
  {
    method: "patch",
    path: "/admin/accounts/{id}",
    id: "adminPatchAccount",
    summary: "Set limits or status",
    parameters: [idParameter("account")],
    body: { name: "PatchAccountRequest", schema: patchAccountSchema, example: { status: "suspended" } },
    answers: { 200: BOOKS_ANSWER },
    handler: patchAccount,
  },
]);

/** Newest first. Status and sums are the directory's; an account's books come from the account itself. */
async function listAccounts(c: Context): Promise<Response> {
  const page = await readAccounts(c.env.DIRECTORY, readCursor(c), readLimit(c, ACCOUNTS_MAX, ACCOUNTS));
  if (page === undefined) throw unknownCursor();
  return c.json(cursorPage(page.rows.map(LISTED_ACCOUNT.of), page.next));
}

async function createAccount(c: Context): Promise<Response> {
  const body = parseBody(createAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const id = newId("account");
  const account = { name: body.name, ...(body.email === undefined ? {} : { email: body.email }) };
  await act(c, "account.create", id, account, () =>
    makeAccount(c.env, account, ACTOR, { id, location: body.location }),
  );
  return c.json(ACCOUNT.of(known("account", await accountStub(c.env, id).getAccount())), 201);
}

async function getAccountBooks(c: Context): Promise<Response> {
  const view = known("account", await accountStub(c.env, idInPath(c, "account")).getAccount());
  // The object may have suspended itself (a dispute). The directory's row is corrected when somebody reads the account.
  waitUntilOf(c)(reportBooks(c.env.DIRECTORY, view.id, view, Date.now()).catch(() => undefined));
  return c.json(BOOKS.of(view));
}

async function patchAccount(c: Context): Promise<Response> {
  const id = idInPath(c, "account");
  const body = parsePatch(patchAccountSchema, await readJson(c, BODY_BYTES_MAX));
  const { limits, status } = body;
  const stub = accountStub(c.env, id);
  await act(c, "account.patch", id, body, async () => {
    if (limits !== undefined) {
      const patch = {
        ...(limits.requests_per_minute === undefined ? {} : { requestsPerMinute: limits.requests_per_minute }),
        ...(limits.tokens_per_minute === undefined ? {} : { tokensPerMinute: limits.tokens_per_minute }),
      };
      known("account", await stub.setLimits(patch, ACTOR));
    }
    if (status !== undefined) {
      known("account", await stub.setStatus(status, ACTOR));
      await reflectStatus(c.env.DIRECTORY, id, status);
    }
  });
  return c.json(BOOKS.of(known("account", await stub.getAccount())));
}
