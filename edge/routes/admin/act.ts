// What the operator's actions share: each is written to the directory's audit log before it is done
// (directory/audit.ts), and to the account's own log with it.

import type { Context } from "../../context.ts";
import { audited } from "../../directory/audit.ts";
import { operatorActor } from "../../middleware/operator.ts";

/** The actor's name in an account's own audit log. */
export const ACTOR = "operator";

/** Runs one action of the operator under an entry in the audit log. */
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
