// GET /metrics: the edge's figures for an operator's Prometheus (gpu-backend/deploy/kubernetes/scrape-config.yaml),
// with a key that can do nothing else. Sums over all isolates come from the directory: while that does not answer, the
// scrape fails.

import type { Context } from "../context.ts";
import { waitUntilOf } from "../context.ts";
import { withDirectory } from "../directory/directory.ts";
import { presentedKey } from "../middleware/authenticate.ts";
import { readCanary } from "../watch/canary-record.ts";
import type { Route } from "./route.ts";
import { apiError } from "../../shared/errors.ts";
import { equalTexts } from "../../shared/hmac.ts";

/** As in GET /ready. */
const STATES = ["ready", "warming", "secret_refused", "unreachable"] as const;

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

export const METRICS: Route = {
  method: "get",
  path: "/metrics",
  id: "metrics",
  tag: "Service",
  summary: "Figures for the operator's Prometheus, with a key of their own",
  auth: "none",
  answers: { 200: { description: "Prometheus' text format.", mediaType: "text/plain" } },
  errors: ["missing_api_key", "invalid_api_key", "route_not_found", "directory_unavailable"],
  handler: getMetrics,
};

async function getMetrics(c: Context): Promise<Response> {
  const { config, pool } = c.get("services");
  if (config.METRICS_KEY === undefined) throw apiError("route_not_found", "No such route.");
  if (!(await equalTexts(presentedKey(c), config.METRICS_KEY))) {
    throw apiError("invalid_api_key", "This is not the metrics key.");
  }
  const nowMs = Date.now();
  const [{ last }, faults] = await Promise.all([
    readCanary(c.env.DIRECTORY, nowMs),
    withDirectory(() =>
      c.env.DIRECTORY.prepare("SELECT code, count FROM faults").all<{ code: string; count: number }>(),
    ),
    ...pool.models().map((model) => pool.announced(model, waitUntilOf(c))),
  ]);
  const states = pool
    .models()
    .flatMap((model) => STATES.map((state): Sample => [{ model, state }, pool.readiness(model) === state ? 1 : 0]));
  const lines = [
    ...metric(
      "edge_faults_total",
      "counter",
      "Answers of our own fault (5xx), by error code",
      faults.results.map(({ code, count }): Sample => [{ code }, count]),
    ),
    ...metric("edge_model_state", "gauge", "1 for the state that a model is in", states),
    ...metric("edge_problems", "gauge", "Settings that leave something off", [[{}, config.problems.length]]),
  ];
  if (last !== undefined) {
    lines.push(
      ...metric("edge_canary_failures_in_row", "gauge", "Embeddings of the canary that failed since one was served", [
        [{}, last.failuresInRow],
      ]),
      ...metric("edge_canary_age_seconds", "gauge", "Since the canary's last call", [[{}, (nowMs - last.atMs) / 1000]]),
      ...metric("edge_canary_seconds", "gauge", "Time of the canary's last call", [[{}, last.latencyMs / 1000]]),
    );
  }
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" };
  return new Response(`${lines.join("\n")}\n`, { headers });
}

function metric(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map((sample) => `${name}${line(sample)}`)];
}

/** Labels are codes and model ids, which contain no quote or backslash. */
function line([labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}="${text}"`);
  return `${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}
