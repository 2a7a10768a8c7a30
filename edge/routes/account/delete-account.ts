// DELETE /v1/account?confirm={id}: deletes the account with all that is kept about it. A repeated request can finish
// any interrupted deletion, thanks to the order: first the directory's row (nothing happens while the directory is
// down), then batches and files, then the object with keys, books, usage, alerts and webhooks, then the tombstone.
// Running batches stop where they are. Isolates may hold leases of the deleted keys for one more lease TTL; what they
// report then is refused.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import { waitUntilOf } from "../../context.ts";
import { markDeleted, markDeleting } from "../../directory/accounts.ts";
import { audited } from "../../directory/audit.ts";
import { libraryStub } from "../../files/library-stub.ts";
import { endsItself } from "../../lib/ends-itself.ts";
import { acted } from "../../middleware/acted.ts";
import type { Caller } from "../../middleware/authorize.ts";
import { authorizeAgain } from "../../middleware/authorize.ts";
import { queryText } from "../../openapi/parameters.ts";
import { amountNanoUsd, exampleId } from "../answers.ts";
import type { Route } from "../route.ts";
import { apiError } from "../../../shared/errors.ts";
import { formatUsd } from "../../../shared/money.ts";

export const DELETE_ACCOUNT: Route = {
  method: "delete",
  path: "/v1/account",
  id: "deleteAccount",
  tag: "Account",
  summary: "Delete the account with its keys, files, batches and history",
  description: "Remaining credit is forfeited.",
  auth: "key",
  scope: "account:write",
  parameters: [{ ...queryText("confirm", "The account's id."), required: true }],
  answers: {
    200: {
      description: "The account is deleted.",
      name: "DeletedAccount",
      schema: z.object({
        id: z.string(),
        object: z.literal("account"),
        deleted: z.literal(true),
        forfeited_usd: z.string(),
        forfeited_nano_usd: amountNanoUsd,
      }),
      example: {
        id: exampleId("account"),
        object: "account",
        deleted: true,
        forfeited_usd: "0",
        forfeited_nano_usd: 0,
      },
    },
  },
  errors: ["directory_unavailable"],
  handler: deleteAccount,
};

async function deleteAccount(c: Context, caller: Caller): Promise<Response> {
  const { accountId, keyId } = caller;
  await c.get("services").wallet.report(accountId, waitUntilOf(c));
  const view = acted(await accountStub(c.env, accountId).getAccount());
  if (c.req.query("confirm") !== accountId) {
    throw apiError(
      "invalid_value",
      `This deletes the account with its keys, files, batches and history, and forfeits its credit of $${formatUsd(view.balanceNanoUsd)}: send \`?confirm=${accountId}\` to do so.`,
      "confirm",
    );
  }
  await authorizeAgain(c, caller);
  const { DIRECTORY: directory } = c.env;
  const facts = { balanceNanoUsd: view.balanceNanoUsd };
  const entry = { atMs: Date.now(), actor: keyId, action: "account.delete", target: accountId, facts };
  await audited(directory, entry, async () => {
    await markDeleting(directory, accountId);
    await endsItself(libraryStub(c.env, accountId).forget(accountId));
    await accountStub(c.env, accountId).deleteAccount();
    await markDeleted(directory, accountId, view, Date.now());
  });
  return c.json({
    id: accountId,
    object: "account",
    deleted: true,
    forfeited_usd: formatUsd(view.balanceNanoUsd),
    forfeited_nano_usd: view.balanceNanoUsd,
  });
}
