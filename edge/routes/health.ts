// GET /health: this Worker runs. GET /ready: and it is configured, and its backends are ready, each with its state and
// why it gets no calls. Both answer a Worker that is not configured.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { Pool } from "../backend/pool.ts";
import type { Services } from "../services.ts";
import { servicesOf } from "../services.ts";
import { ConfigError } from "../settings.ts";

export function getHealth(c: Context): Response {
  return c.json({ status: "ok", version: c.env.VERSION?.id ?? null });
}

export async function getReady(c: Context): Promise<Response> {
  const services = servicesOrFault(c);
  if (services instanceof ConfigError) {
    return c.json({ status: "not_ready", backends: [], problems: [services.message] }, 503);
  }
  const { pool, config } = services;
  const backends = await Promise.all(pool.models().map((model) => readinessOf(c, pool, model)));
  const ready = backends.length > 0 && backends.every((backend) => backend.status === "ready");
  return c.json({ status: ready ? "ready" : "not_ready", backends, problems: config.problems }, ready ? 200 : 503);
}

async function readinessOf(c: Context, pool: Pool, model: string) {
  const announced = await pool.announced(model, waitUntilOf(c));
  const own = pool.states().filter((state) => state.model === model);
  return {
    model,
    status: pool.readiness(model) ?? "unreachable",
    revision: announced?.revision ?? null,
    queue_seconds: announced?.load.queueSeconds ?? null,
    // By its place in BACKENDS: everybody may read this, and origins are not for everybody.
    reasons: own.flatMap(({ reason }, index) =>
      reason === null ? [] : [`backend ${index + 1} of ${own.length}: ${reason}`],
    ),
  };
}

/** The isolate's services, or why the Worker has none. */
export function servicesOrFault(c: Context): Services | ConfigError {
  try {
    return servicesOf(c.env, c.req.url);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
