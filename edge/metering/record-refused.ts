// Counts every refused call of a model in its key's usage: faults of the body, limits, credit, our own failures.
// Admitted calls are counted by the ledger itself, and a forged key (401) belongs to no account.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/** For a body that could not be read as far as the model's name. */
const UNKNOWN = { model: "unknown", tier: "interactive" } as const;

/** Called after the answer of a call of a model. */
export function recordRefused(c: Context): void {
  const { status } = c.res;
  if (status < 400 || status === 401 || c.get("admitted") === true) return;
  const waitUntil = waitUntilOf(c);
  const call = { ...(c.get("called") ?? UNKNOWN), key: c.get("key"), status, waitUntil };
  waitUntil(c.get("services").wallet.noteRefused(call));
}
