// One line of the log for a stream that has ended, beside the one of its request: that one is written when the answer
// begins. Of streams a share is logged, of those that ended by our own fault every one (middleware/request-log.ts).

import type { Context } from "../context.ts";
import { elapsedMs, waitUntilOf } from "../context.ts";
import { describeError, writeLog } from "../lib/log.ts";
import { ERRORS } from "../../shared/errors.ts";
import type { Fault } from "../../shared/errors.ts";
import type { Totals } from "./totals.ts";

export function logStream(c: Context, totals: Totals, fault: Fault | undefined, cause: unknown): void {
  const { config, faultCounts } = c.get("services");
  const isOurFault = fault !== undefined && ERRORS[fault.code].status >= 500;
  if (isOurFault) faultCounts.count(fault.code, waitUntilOf(c));
  if (!isOurFault && Math.random() >= (config.LOG_REQUESTS ?? 0)) return;
  writeLog({
    level: isOurFault ? "error" : "info",
    event: "stream",
    request_id: c.get("requestId"),
    code: fault?.code,
    ...(isOurFault && { message: fault.message, ...(cause !== undefined && describeError(cause)) }),
    duration_ms: Math.round(elapsedMs(c)),
    account_id: c.get("key").accountId,
    frames: totals.frames,
    tokens: totals.tokens,
    cost_nano_usd: totals.costNanoUsd,
  });
}
