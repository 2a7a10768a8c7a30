// POST /admin/accounts/{id}/grants: grants credit, once for each id.

import * as z from "zod";
import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import type { GrantInput } from "../../ledger/acts.ts";
import { LIFETIME_NANO_USD_MAX } from "../../ledger/acts.ts";
import { readJson } from "../../middleware/body.ts";
import { eitherAmount, nanoUsdField, readAmount, usdField } from "../amount.ts";
import { amountNanoUsd } from "../answers.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import type { Route } from "../route.ts";
import { ACTOR, act } from "./act.ts";
import { apiError } from "../../../shared/errors.ts";
import { newId } from "../../../shared/ids.ts";
import { formatUsd, nanoUsd } from "../../../shared/money.ts";
import { integer, oneOf, parseBody, text } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;

const grantSchema = z.strictObject({
  amount_usd: usdField,
  amount_nano_usd: nanoUsdField,
  kind: oneOf(["free", "paid", "promo"]),
  expires_at: integer(0, 4_102_444_800).optional(),
  id: text("a string of your own, to grant once")
    .min(1, { error: "a string of your own" })
    .max(200, { error: "at most 200 characters" })
    .optional(),
});

const outcomeSchema = z.object({ id: z.string(), granted: z.boolean(), amount_nano_usd: amountNanoUsd });

export const CREATE_GRANT: Route = {
  method: "post",
  path: "/admin/accounts/{id}/grants",
  id: "adminCreateGrant",
  tag: "Operator",
  summary: "Grant credit",
  description: "The same `id` twice grants once (200 the second time).",
  auth: "operator",
  parameters: [idParameter("account")],
  body: {
    name: "CreateGrantRequest",
    schema: grantSchema,
    example: { amount_usd: 5, kind: "promo", id: "welcome" },
    rules: eitherAmount("amount"),
  },
  answers: {
    201: {
      description: "Granted.",
      name: "Grant",
      schema: outcomeSchema,
      example: { id: "welcome", granted: true, amount_nano_usd: 5_000_000_000 },
    },
    200: {
      description: "This id was granted before.",
      name: "Grant",
      schema: outcomeSchema,
      example: { id: "welcome", granted: false, amount_nano_usd: 5_000_000_000 },
    },
  },
  errors: ["incompatible_options", "limit_reached"],
  handler: createGrant,
};

async function createGrant(c: Context): Promise<Response> {
  const id = idInPath(c, "account");
  const body = parseBody(grantSchema, await readJson(c, BODY_BYTES_MAX));
  const input: GrantInput = {
    id: body.id ?? newId("grant"),
    kind: body.kind,
    amountNanoUsd: readAmount("amount", body.amount_usd, body.amount_nano_usd),
    ...(body.expires_at === undefined ? {} : { expiresAtMs: body.expires_at * 1000 }),
  };
  const outcome = await act(c, "grant", id, input, async () => {
    const answer = known("account", await accountStub(c.env, id).grant(input, ACTOR));
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
