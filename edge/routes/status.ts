// GET /status.json and the page /status: the state of the service, for everybody. It shows no origin, no account and no
// single machine's load: only each model's status as in /v1/models and /ready, and the canary's results.

import * as z from "zod";
import type { BackendState } from "../backend/pool.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { respond } from "../pages/layout.ts";
import type { ModelStatus, ServiceStatus } from "../pages/status-page.ts";
import { statusPage } from "../pages/status-page.ts";
import { ConfigError } from "../settings.ts";
import type { CanaryStatus } from "../watch/canary-view.ts";
import { count, unixSeconds } from "./answers.ts";
import { servicesOrFault } from "./health.ts";
import type { Route } from "./route.ts";

/** Long enough that a crowd of monitors costs nothing, short enough for a status page. */
const CACHE_S = 15;
/** One failed embedding may be chance; from this many in a row on, the service is down. */
const FAILURES_TO_BE_DOWN = 2;

const conditionSchema = z.enum(["operational", "degraded", "warming", "misconfigured", "down"]);

export const STATUS: Route = {
  method: "get",
  path: "/status.json",
  id: "status",
  tag: "Service",
  summary: "How the service is, for a status page",
  auth: "none",
  unconfigured: true,
  answers: {
    200: {
      description:
        "The worst of the models' states and of the canary's results (an embedding a minute, 90 days of them).",
      name: "Status",
      schema: z.object({
        status: conditionSchema,
        at: unixSeconds,
        models: z.array(
          z.object({
            id: z.string(),
            status: conditionSchema,
            backends: z.object({ ready: count, configured: count }),
          }),
        ),
        canary: z.nullable(
          z.object({
            status: z.enum(["served", "failing", "silent"]),
            at: unixSeconds,
            latency_ms: count,
            reason: z.nullable(z.string()),
            history: z.array(z.object({ day: z.string(), succeeded: count, failed: count })),
          }),
        ),
      }),
      example: { status: "operational", at: 1_790_000_000, models: [], canary: null },
    },
  },
  handler: getStatus,
};

async function getStatus(c: Context): Promise<Response> {
  c.header("cache-control", `public, max-age=${CACHE_S}`);
  return c.json(await readStatus(c));
}

export async function getStatusPage(c: Context): Promise<Response> {
  return respond(c, statusPage(await readStatus(c)));
}

async function readStatus(c: Context): Promise<ServiceStatus> {
  const at = Math.floor(Date.now() / 1000);
  const services = servicesOrFault(c);
  if (services instanceof ConfigError) return { status: "misconfigured", at, models: [], canary: null };
  const { pool } = services;
  // Asks /ready where nothing recent is known, which updates `states`.
  const [canary] = await Promise.all([
    services.canary.status(),
    ...pool.models().map((model) => pool.announced(model, waitUntilOf(c))),
  ]);
  const states = pool.states();
  const models = pool.models().map((id) => {
    const own = states.filter(({ model }) => model === id);
    return { id, status: statusOf(own), backends: { ready: own.filter(isReady).length, configured: own.length } };
  });
  const statuses = [...models.map(({ status }) => status), ...(canary === undefined ? [] : [seenBy(canary)])];
  return { status: models.length === 0 ? "down" : worst(statuses), at, models, canary: canaryAnswer(canary) };
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

/** The canary's experience, which is a customer's, outweighs the parts' own reports. */
function seenBy({ status, failuresInRow }: CanaryStatus): ModelStatus {
  if (status !== "failing") return "operational";
  return failuresInRow >= FAILURES_TO_BE_DOWN ? "down" : "degraded";
}

function worst(statuses: readonly ModelStatus[]): ModelStatus {
  const order: readonly ModelStatus[] = ["down", "misconfigured", "warming", "degraded"];
  return order.find((status) => statuses.includes(status)) ?? "operational";
}

function canaryAnswer(canary: CanaryStatus | undefined): ServiceStatus["canary"] {
  if (canary === undefined) return null;
  return {
    status: canary.status,
    at: Math.floor(canary.atMs / 1000),
    latency_ms: canary.latencyMs,
    reason: canary.reason,
    history: canary.days,
  };
}
