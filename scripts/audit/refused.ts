// What is known of a call that was not answered with 200. Pure.

import type { IncomingHttpHeaders } from "node:http";
import { codeOf, parsed } from "./forms.ts";
import type { Outcome, PlannedCall } from "./history.ts";
import { retryAfterMs } from "./wire.ts";

/** Of a call under an `Idempotency-Key`: whether it was charged is learnt by a repeat (docs/errors.md). */
const UNDECIDED = "ledger_unavailable";

export function refused(
  { idempotencyKey }: Pick<PlannedCall, "idempotencyKey">,
  { status, headers, text }: { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string },
): Outcome {
  const code = codeOf(parsed(text));
  // A gateway's page says nothing of the call behind it; and so does the API itself of a strict call that it lost.
  const isOpen = status >= 500 && (code === undefined || (idempotencyKey !== undefined && code === UNDECIDED));
  if (isOpen) return { kind: "unknown", why: `${status} ${code ?? ""}`.trim() };
  return { kind: "refused", status, code: code ?? "", waitMs: retryAfterMs(headers) };
}
