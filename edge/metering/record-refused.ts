// Every refused call of a model is in the usage of its key: faults of the body, limits, credit, our own failures. What
// the ledger admitted it counts itself; a key that is none is nobody's.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/** What refused calls are counted under whose model is not known: their body could not be read so far. */
const UNKNOWN = { model: "unknown", tier: "interactive" } as const;

/** After the answer of a call of a model. */
export function recordRefused(c: Context): void {
  const { status } = c.res;
  if (status < 400 || status === 401 || c.get("admitted") === true) return;
  const waitUntil = waitUntilOf(c);
  const call = { ...(c.get("called") ?? UNKNOWN), key: c.get("key"), status, waitUntil };
  waitUntil(c.get("services").wallet.noteRefused(call));
}
