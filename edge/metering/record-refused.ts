// Every refused call of a model is in the usage of its key: faults of the body, limits, credit, our own failures. The
// ledger itself counts what it admitted. A forged key belongs to nobody.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

/** Where the body could not be read as far as the model's name. */
const UNKNOWN = { model: "unknown", tier: "interactive" } as const;

/** After the answer of a call of a model. */
export function recordRefused(c: Context): void {
  const { status } = c.res;
  if (status < 400 || status === 401 || c.get("admitted") === true) return;
  const waitUntil = waitUntilOf(c);
  const call = { ...(c.get("called") ?? UNKNOWN), key: c.get("key"), status, waitUntil };
  waitUntil(c.get("services").wallet.noteRefused(call));
}
