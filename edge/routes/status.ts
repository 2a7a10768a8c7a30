// GET /status.json: how the service is, for everyone: a status page, a customer's monitor. No origin, no account, no
// load of a single machine; the figures of /v1/models and /ready, gathered per model.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { BackendState } from "../backend/pool.ts";
import { ConfigError } from "../settings.ts";
import { servicesOrFault } from "./health.ts";

/** Long enough that a crowd of monitors costs nothing, short enough for a status page. */
const CACHE_S = 15;

/** `misconfigured`: the backends run and do not take the edge's secret. */
type ModelStatus = "operational" | "degraded" | "warming" | "misconfigured" | "down";

export async function getStatus(c: Context): Promise<Response> {
  const services = servicesOrFault(c);
  c.header("cache-control", `public, max-age=${CACHE_S}`);
  const at = Math.floor(Date.now() / 1000);
  if (services instanceof ConfigError) return c.json({ status: "misconfigured", at, models: [] });
  const { pool } = services;
  // Asks /ready where nothing recent is known; what it found stands in `states`.
  await Promise.all(pool.models().map((model) => pool.announced(model, waitUntilOf(c))));
  const states = pool.states();
  const models = pool.models().map((id) => {
    const own = states.filter(({ model }) => model === id);
    return { id, status: statusOf(own), backends: { ready: own.filter(isReady).length, configured: own.length } };
  });
  return c.json({ status: overall(models.map(({ status }) => status)), at, models });
}

function isReady({ health, breaker }: BackendState): boolean {
  return health === "ready" && breaker === "closed";
}

function statusOf(states: readonly BackendState[]): ModelStatus {
  const ready = states.filter(isReady).length;
  if (ready === states.length) return "operational";
  if (ready > 0) return "degraded";
  if (states.some(({ health }) => health === "warming")) return "warming";
  return states.some(({ health }) => health === "refused") ? "misconfigured" : "down";
}

/** As bad as its worst model; nothing configured is down. */
function overall(statuses: readonly ModelStatus[]): ModelStatus {
  const order: readonly ModelStatus[] = ["down", "misconfigured", "warming", "degraded"];
  if (statuses.length === 0) return "down";
  return order.find((status) => statuses.includes(status)) ?? "operational";
}
