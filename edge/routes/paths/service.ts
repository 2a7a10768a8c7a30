// Liveness and readiness, and the documents themselves.

import * as z from "zod";
import type { Operation } from "../../openapi/operation.ts";
import { count, unixSeconds } from "../answers.ts";

const ready = z.object({
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

const condition = z.enum(["operational", "degraded", "warming", "misconfigured", "down"]);
const notReady = { status: "not_ready", backends: [], problems: [] };

export const SERVICE: readonly Operation[] = [
  {
    method: "get",
    path: "/health",
    id: "health",
    tag: "Service",
    summary: "Whether the edge runs",
    auth: "none",
    answers: {
      200: {
        description: "It runs.",
        name: "Health",
        schema: z.object({ status: z.literal("ok"), version: z.nullable(z.string()) }),
        example: { status: "ok", version: "8c6cc1ea-4e2b-4ac1-b8b1-5d8a9f0c1d2e" },
      },
    },
    errors: [],
  },
  {
    method: "get",
    path: "/ready",
    id: "ready",
    tag: "Service",
    summary: "Whether every model has a ready backend",
    auth: "none",
    answers: {
      200: { description: "All are.", name: "Ready", schema: ready, example: { ...notReady, status: "ready" } },
      503: { description: "Not all are.", name: "Ready", schema: ready, example: notReady },
    },
    errors: [],
  },
  {
    method: "get",
    path: "/status.json",
    id: "status",
    tag: "Service",
    summary: "How the service is, for a status page",
    auth: "none",
    answers: {
      200: {
        description:
          "As bad as its worst model, or as what the canary meets: an embedding a minute, with 90 days of it.",
        name: "Status",
        schema: z.object({
          status: condition,
          at: unixSeconds,
          models: z.array(
            z.object({
              id: z.string(),
              status: condition,
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
    errors: [],
  },
  {
    method: "get",
    path: "/metrics",
    id: "metrics",
    tag: "Service",
    summary: "Figures for the operator's Prometheus, with a key of their own",
    auth: "none",
    answers: { 200: { description: "Prometheus' text format.", mediaType: "text/plain" } },
    errors: ["missing_api_key", "invalid_api_key", "route_not_found", "directory_unavailable"],
  },
  {
    method: "get",
    path: "/v1/openapi.json",
    id: "openapi",
    tag: "Service",
    summary: "This document",
    auth: "none",
    answers: {
      200: {
        description: "OpenAPI 3.1.",
        name: "OpenApi",
        schema: z.looseObject({ openapi: z.string() }),
        example: { openapi: "3.1.0" },
      },
    },
    errors: [],
  },
  {
    method: "get",
    path: "/llms.txt",
    id: "llms",
    tag: "Service",
    summary: "What an agent needs to know of this API",
    auth: "none",
    answers: { 200: { description: "Plain text.", mediaType: "text/plain" } },
    errors: [],
  },
];
