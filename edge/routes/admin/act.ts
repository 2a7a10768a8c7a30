// What the operator's acts have in common: each is in the directory's audit log before it is done (directory/audit.ts), and
// in the account's own with it.

import type { Context } from "../../context.ts";
import { audited } from "../../directory/audit.ts";
import { operatorActor } from "../../middleware/operator.ts";
import { pathId } from "../../openapi/parameters.ts";
import { apiError } from "../../../shared/errors.ts";
import type { AccountId } from "../../../shared/ids.ts";
import { parseId } from "../../../shared/ids.ts";

/** Of the routes below an account. */
export const accountIdParameter = pathId("id", "The account's id.");

/** Who acts, in an account's own audit log. */
export const ACTOR = "operator";

/** One act of the operator, in the audit log. */
export function act<Result>(
  c: Context,
  action: string,
  target: string,
  facts: object,
  work: () => Promise<Result>,
): Promise<Result> {
  const entry = { atMs: Date.now(), actor: operatorActor(c), action, target, facts: { ...facts } };
  return audited(c.env.DIRECTORY, entry, work);
}

export function accountIdOf(c: Context): AccountId {
  const id = parseId("account", c.req.param("id") ?? "");
  if (id === undefined) throw unknownAccount();
  return id;
}

export function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw unknownAccount();
  return value;
}

function unknownAccount() {
  return apiError("object_not_found", "No such account.", "id");
}
