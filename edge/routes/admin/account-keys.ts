// POST /admin/accounts/{id}/keys: the operator creates a key.

import { accountStub } from "../../account/account-stub.ts";
import type { Context } from "../../context.ts";
import { SCOPES } from "../../ledger/types.ts";
import { acted } from "../../middleware/acted.ts";
import { readJson } from "../../middleware/body.ts";
import { CREATED_KEY_ANSWER, createKeySchema, createdKeyAnswer, draftOf } from "../keys/key-fields.ts";
import { idInPath, idParameter, known } from "../object-in-path.ts";
import type { Route } from "../route.ts";
import { ACTOR, act } from "./act.ts";
import { apiError } from "../../../shared/errors.ts";
import { parseBody } from "../../../shared/schemas/fields.ts";

const BODY_BYTES_MAX = 64 * 1024;

export const CREATE_ACCOUNT_KEY: Route = {
  method: "post",
  path: "/admin/accounts/{id}/keys",
  id: "adminCreateKey",
  tag: "Operator",
  summary: "Create a key for an account",
  auth: "operator",
  parameters: [idParameter("account")],
  body: { name: "CreateKeyRequest", schema: createKeySchema, example: { name: "First key" } },
  answers: { 201: CREATED_KEY_ANSWER },
  errors: ["limit_reached"],
  handler: createAccountKey,
};

async function createAccountKey(c: Context): Promise<Response> {
  const id = idInPath(c, "account");
  const { models } = c.get("services");
  const draft = draftOf(parseBody(createKeySchema, await readJson(c, BODY_BYTES_MAX)), models);
  const created = await act(c, "key.create", id, { name: draft.name, scopes: draft.scopes ?? SCOPES }, async () => {
    const answer = acted(known("account", await accountStub(c.env, id).createKey(id, draft, ACTOR)));
    if (typeof answer === "object" && "key" in answer) return answer;
    throw apiError("limit_reached", "This account has as many keys as an account may have: revoke one first.");
  });
  return c.json(createdKeyAnswer(created, models), 201);
}
