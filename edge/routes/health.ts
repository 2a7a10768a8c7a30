// GET /health: this Worker runs. GET /ready: and its backends are ready, each with its state.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";

export function getHealth(c: Context): Response {
  return c.json({ status: "ok" });
}

export async function getReady(c: Context): Promise<Response> {
  const { pool } = c.get("services");
  const backends = await Promise.all(
    pool.models().map(async (model) => {
      const announced = await pool.announced(model, waitUntilOf(c));
      return {
        model,
        status: pool.readiness(model) ?? "unreachable",
        revision: announced?.revision ?? null,
        queue_seconds: announced?.load.queueSeconds ?? null,
      };
    }),
  );
  const ready = backends.length > 0 && backends.every((backend) => backend.status === "ready");
  return c.json({ status: ready ? "ready" : "not_ready", backends }, ready ? 200 : 503);
}
