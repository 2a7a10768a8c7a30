// GET /v1/transactions: the statement, line by line.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { TransactionsPage } from "../../account/views.ts";
import type { Context } from "../../context.ts";
import type { StatementLine } from "../../ledger/statement.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { queryText } from "../../openapi/parameters.ts";
import { MODEL, amountNanoUsd, seconds, unixSeconds } from "../answers.ts";
import { KEY } from "../keys/key-fields.ts";
import { limitParameter, readCursor, readLimit } from "../query.ts";
import type { Route } from "../route.ts";

const LINES_MAX = 100;
const LINES = 20;

const transactionSchema = z.object({
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

export const TRANSACTIONS: Route = {
  method: "get",
  path: "/v1/transactions",
  id: "listTransactions",
  tag: "Account",
  summary: "The statement, newest first",
  description: "Charges are one line per hour, key and model.",
  auth: "key",
  scope: "usage:read",
  parameters: [limitParameter(LINES_MAX, LINES), queryText("page", "`next_page` of the page before.")],
  answers: {
    200: {
      description: "Lines of the ledger.",
      name: "Transactions",
      schema: z.object({
        object: z.literal("list"),
        data: z.array(transactionSchema),
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
  handler: listTransactions,
};

async function listTransactions(c: Context, { accountId }: Caller): Promise<Response> {
  const page: TransactionsPage = acted(
    await accountStub(c.env, accountId).transactions(readCursor(c, "page"), readLimit(c, LINES_MAX, LINES)),
  );
  return c.json({
    object: "list",
    data: page.lines.map(transactionAnswer),
    has_more: page.before !== undefined,
    next_page: page.before === undefined ? null : String(page.before),
  });
}
