// GET /health: the Worker runs. GET /ready: it is configured and its backends are ready; shows each backend's state and
// why it gets no calls. Both work in a Worker that is not configured.

import * as z from "zod";
import type { Pool } from "../backend/pool.ts";
import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import type { Services } from "../services.ts";
import { servicesOf } from "../services.ts";
import { ConfigError } from "../settings.ts";
import type { Route } from "./route.ts";

const readySchema = z.object({
  status: z.enum(["ready", "not_ready"]),
  backends: z.array(
    z.object({
      model: z.string(),
      status: z.enum(["ready", "warming", "secret_refused", "unreachable"]),
      revision: z.nullable(z.string()),
      queue_seconds: z.nullable(z.number().nonnegative()),
      reasons: z.array(z.string()),
    }),
  ),
  problems: z.array(z.string()),
});

const NOT_READY = { status: "not_ready", backends: [], problems: [] };

export const HEALTH: readonly Route[] = [
  {
    method: "get",
    path: "/health",
    id: "health",
    tag: "Service",
    summary: "Whether the edge runs",
    auth: "none",
    unconfigured: true,
    answers: {
      200: {
        description: "It runs.",
        name: "Health",
        schema: z.object({ status: z.literal("ok"), version: z.nullable(z.string()) }),
        example: { status: "ok", version: "8c6cc1ea-4e2b-4ac1-b8b1-5d8a9f0c1d2e" },
      },
    },
    handler: getHealth,
  },
  {
    method: "get",
    path: "/ready",
    id: "ready",
    tag: "Service",
    summary: "Whether every model has a ready backend",
    auth: "none",
    unconfigured: true,
    answers: {
      200: {
        description: "Every model has a ready backend.",
        name: "Ready",
        schema: readySchema,
        example: { ...NOT_READY, status: "ready" },
      },
      503: { description: "Not every model has one.", name: "Ready", schema: readySchema, example: NOT_READY },
    },
    handler: getReady,
  },
];

function getHealth(c: Context): Response {
  return c.json({ status: "ok", version: c.env.VERSION?.id ?? null });
}

async function getReady(c: Context): Promise<Response> {
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
    // By position in BACKENDS: this answer is public, and origins are not.
    reasons: own.flatMap(({ reason }, index) =>
      reason === null ? [] : [`backend ${index + 1} of ${own.length}: ${reason}`],
    ),
  };
}

/** The isolate's services, or the error of a Worker that is not configured. */
export function servicesOrFault(c: Context): Services | ConfigError {
  try {
    return servicesOf(c.env, c.req.url);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
