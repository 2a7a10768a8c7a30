// The Worker's entry: exports only.

import { createFetch } from "./app.ts";
import type { Env } from "./bindings.ts";
import { reconcileDaily } from "./payments/daily-reconcile.ts";
import { servicesIfConfigured } from "./services.ts";
import { REAL_PORTS, runCanary } from "./watch/canary.ts";

export { AccountObject } from "./account/account.ts";
export { BatchObject } from "./batch/batch.ts";
export { LibraryObject } from "./files/library.ts";

export default {
  fetch: createFetch(),
  scheduled({ scheduledTime }: ScheduledController, env: Env, context: ExecutionContext): void {
    context.waitUntil(runCanary(env));
    context.waitUntil(reconcileDaily(env, scheduledTime, REAL_PORTS));
    context.waitUntil(keepCanaries(env, (work) => context.waitUntil(work)));
  },
};

/** Publishes the canaries of revisions that are new (edge/canaries/). */
async function keepCanaries(env: Env, waitUntil: (work: Promise<unknown>) => void): Promise<void> {
  const services = servicesIfConfigured(env);
  const served = services?.models.filter(({ id }) => services.pool.models().includes(id)) ?? [];
  await (await services?.canaryBook)?.keep(served, waitUntil);
}
