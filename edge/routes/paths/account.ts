// What an account's owner sees of its books, and export and deletion.

import * as z from "zod";
import type { Answer, Operation } from "../../openapi/operation.ts";
import { BODY_ERRORS } from "../../openapi/operation.ts";
import { queryText } from "../../openapi/parameters.ts";
import { patchAccountSchema } from "../account.ts";
import { account, amountNanoUsd, books, unixSeconds } from "../answers.ts";
import { ACCOUNT, BOOKS, MODEL } from "../examples.ts";
import { KEY } from "../keys/key-fields.ts";
import { limitParameter } from "../query.ts";

const tag = "Account";
const accountAnswer: Answer = { description: "The books.", name: "Account", schema: account, example: ACCOUNT };
const page = queryText("page", "`next_page` of the page before.");

const transaction = z.object({
  id: z.string(),
  object: z.literal("transaction"),
  at: z.nullable(unixSeconds),
  kind: z.enum(["grant", "topup", "charge", "refund", "dispute", "expiry", "write_off"]),
  amount_nano_usd: amountNanoUsd.describe("Signed: what it did to the balance."),
  balance_after_nano_usd: amountNanoUsd,
  description: z.string(),
  payment_id: z.string().optional().describe("Of money that came or went by card: the payment's id at Stripe."),
  key_id: z.string().optional(),
  model: z.string().optional(),
});

export const ACCOUNT_PATHS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/account",
    id: "getAccount",
    tag,
    summary: "Balance, limits and status",
    auth: "key",
    answers: { 200: accountAnswer },
    errors: [],
  },
  {
    method: "patch",
    path: "/v1/account",
    id: "patchAccount",
    tag,
    summary: "Set a hard monthly limit",
    description: "Of the UTC month, kept by the ledger; null takes it away.",
    auth: "key",
    body: {
      name: "PatchOwnAccountRequest",
      schema: patchAccountSchema,
      example: { limits: { monthly_nano_usd: 20_000_000_000 } },
    },
    answers: { 200: accountAnswer },
    errors: BODY_ERRORS,
  },
  {
    method: "get",
    path: "/account",
    id: "getAccountByQueryKey",
    tag,
    summary: "The same, with the key in the query",
    description: "For compatibility; an Authorization header is better. Never logged, never stored by caches.",
    auth: "none",
    parameters: [{ ...queryText("key", "The API key."), required: true }],
    answers: { 200: accountAnswer },
    errors: [
      "missing_api_key",
      "invalid_api_key",
      "expired_api_key",
      "account_suspended",
      "address_not_allowed",
      "rate_limit_exceeded",
      "ledger_unavailable",
    ],
  },
  {
    method: "get",
    path: "/v1/transactions",
    id: "listTransactions",
    tag,
    summary: "The statement, newest first",
    description: "Charges are one line per hour, key and model.",
    auth: "key",
    parameters: [limitParameter(100, 20), page],
    answers: {
      200: {
        description: "Lines of the ledger.",
        name: "Transactions",
        schema: z.object({
          object: z.literal("list"),
          data: z.array(transaction),
          has_more: z.boolean(),
          next_page: z.nullable(z.string()),
        }),
        example: {
          object: "list",
          data: [
            {
              id: "txn_2",
              object: "transaction",
              at: 1_790_000_000,
              kind: "charge",
              amount_nano_usd: -1600,
              balance_after_nano_usd: 4_999_998_400,
              description: "Usage",
              key_id: KEY.id,
              model: MODEL,
            },
          ],
          has_more: false,
          next_page: null,
        },
      },
    },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/v1/account/export",
    id: "exportAccount",
    tag,
    summary: "Everything that is kept about the account, without secrets",
    description:
      "Books, keys, alerts, webhooks, statement, usage by day and the audit log. Files are read by /v1/files.",
    auth: "key",
    answers: {
      200: {
        description: "One document, written as it is read.",
        name: "AccountExport",
        schema: z.object({
          object: z.literal("account.export"),
          exported_at: unixSeconds,
          account: books,
          keys: z.array(z.unknown()),
          alerts: z.array(z.unknown()),
          webhooks: z.array(z.unknown()),
          transactions: z.array(z.unknown()),
          usage: z.array(z.unknown()),
          audit: z.array(z.unknown()),
        }),
        example: {
          object: "account.export",
          exported_at: 1_790_000_000,
          account: BOOKS,
          keys: [KEY],
          alerts: [],
          webhooks: [],
          transactions: [],
          usage: [],
          audit: [],
        },
      },
    },
    errors: [],
  },
  {
    method: "delete",
    path: "/v1/account",
    id: "deleteAccount",
    tag,
    summary: "Delete the account with its keys, files, batches and history",
    description: "What credit is left is forfeited.",
    auth: "key",
    parameters: [{ ...queryText("confirm", "The account's id."), required: true }],
    answers: {
      200: {
        description: "It is gone.",
        name: "DeletedAccount",
        schema: z.object({
          id: z.string(),
          object: z.literal("account"),
          deleted: z.literal(true),
          forfeited_usd: z.string(),
          forfeited_nano_usd: amountNanoUsd,
        }),
        example: { id: ACCOUNT.id, object: "account", deleted: true, forfeited_usd: "0", forfeited_nano_usd: 0 },
      },
    },
    errors: ["invalid_value", "directory_unavailable"],
  },
];
