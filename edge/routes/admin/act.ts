// What the operator's acts have in common: each is in the directory's audit log before it is done (directory/audit.ts), and
// in the account's own with it.

import type { Context } from "../../context.ts";
import { audited } from "../../directory/audit.ts";
import { operatorActor } from "../../middleware/operator.ts";

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
