// The Worker's entry: exports only.

import { createApp } from "./app.ts";
import type { Env } from "./config.ts";
import { runCanary } from "./watch/canary.ts";

export { AccountWithBilling as AccountObject } from "./billing/account-with-billing.ts";
export { BatchObject } from "./batch/batch.ts";
export { LibraryObject } from "./files/library.ts";

export default {
  fetch: createApp().fetch,
  scheduled: (_event: ScheduledController, env: Env, context: ExecutionContext): void =>
    context.waitUntil(runCanary(env)),
};
