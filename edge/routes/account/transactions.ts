// GET /v1/transactions: the account's statement, one line a transaction.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { TransactionsPage } from "../../account/views.ts";
import type { Context } from "../../context.ts";
import { lineId } from "../../ledger/statement.ts";
import type { StatementLine } from "../../ledger/statement.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { always, described, field } from "../../openapi/described.ts";
import { queryText } from "../../openapi/parameters.ts";
import { MODEL, amountNanoUsd, exampleId, seconds, time } from "../answers.ts";
import { limitParameter, readCursor, readLimit } from "../query.ts";
import type { Route } from "../route.ts";

const LINES_MAX = 100;
const LINES = 20;

export const TRANSACTION = described<StatementLine>({
  id: field(z.string(), ({ position }) => lineId(position), "txn_2"),
  object: always("transaction"),
  at: field(time, ({ atMs }) => seconds(atMs), 1_790_000_000),
  kind: field(
    z.enum(["grant", "topup", "charge", "refund", "dispute", "expiry", "write_off"]),
    ({ kind }) => kind,
    "charge",
  ),
  amount_nano_usd: field(
    amountNanoUsd.describe("Signed: what it did to the balance."),
    ({ amountNanoUsd: amount }) => amount,
    -1600,
  ),
  balance_after_nano_usd: field(amountNanoUsd, ({ balanceAfterNanoUsd }) => balanceAfterNanoUsd, 4_999_998_400),
  description: field(z.string(), ({ description }) => description, "Usage"),
  payment_id: field(
    z.string().optional().describe("Of money that came or went by card: the payment's id at Stripe."),
    ({ paymentId }) => paymentId,
    undefined,
  ),
  key_id: field(z.string().optional(), ({ keyId }) => keyId, exampleId("key")),
  model: field(z.string().optional(), ({ model }) => model, MODEL),
});

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
        data: z.array(TRANSACTION.schema),
        has_more: z.boolean(),
        next_page: z.nullable(z.string()),
      }),
      example: {
        object: "list",
        data: [TRANSACTION.example],
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
    data: page.lines.map(TRANSACTION.of),
    has_more: page.before !== undefined,
    next_page: page.before === undefined ? null : String(page.before),
  });
}
