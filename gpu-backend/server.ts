// HTTP in front of the service: who may ask, which route, how much may be in flight, and one place where every error
// becomes an answer. Text, ids and vectors never reach the log.

import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";

import { type ApiError, type ErrorCode, apiError } from "../shared/errors.ts";
import type { Config } from "./config.ts";
import type { Metrics } from "./metrics.ts";
import { Call, CallerGone, faultOf, Holdings, plainFault } from "./routes/call.ts";
import { embed, type ServiceOf, tokenize } from "./routes/embed.ts";
import { score, tokenizeScore } from "./routes/score.ts";
import { health, info, metrics, ready, type Status } from "./routes/status.ts";
import type { ModelFacts, Service } from "./service.ts";
import type { Tracer } from "./tracing.ts";

/** One of the models that the process serves. */
export interface ModelState {
  readonly modelId: string;
  facts?: ModelFacts;
  service?: Service;
}

/** What changes while the process lives; main.ts writes it, the routes read it. */
export interface ServerState {
  /** `ready` once every model is. */
  status: Status;
  readonly models: readonly [ModelState, ...ModelState[]];
}

export interface ServerDependencies {
  readonly config: Config;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly tracer: Tracer;
  readonly state: ServerState;
}

type Handler = (call: Call, deps: ServerDependencies) => void | Promise<void>;

interface Route {
  readonly method: "GET" | "POST";
  /** Whether the secret is asked for. Orchestrators probe /health and /ready without one. */
  readonly open: boolean;
  readonly handle: Handler;
}

const ROUTES: Readonly<Record<string, Route>> = {
  "/embed": { method: "POST", open: false, handle: (call, deps) => work(call, deps, embed) },
  "/tokenize": { method: "POST", open: false, handle: (call, deps) => work(call, deps, tokenize) },
  "/score": { method: "POST", open: false, handle: (call, deps) => work(call, deps, score) },
  "/score/tokenize": { method: "POST", open: false, handle: (call, deps) => work(call, deps, tokenizeScore) },
  "/health": { method: "GET", open: true, handle: health },
  "/ready": {
    method: "GET",
    open: true,
    handle: (call, { state, config }) => {
      // An edge asks with its secret: one that no call would get through with is told so here, not at the first call.
      if (call.request.headers.authorization !== undefined) requireSecret(call.request, config);
      const model = askedFor(call, state);
      const names = state.models.map(({ modelId }) => modelId);
      ready(call, readinessOf(state, model), model, names);
    },
  },
  "/info": {
    method: "GET",
    open: false,
    handle: (call, deps) => info(call, serving(deps, askedFor(call, deps.state)), deps.config),
  },
  "/metrics": { method: "GET", open: false, handle: (call, deps) => metrics(call, deps.metrics) },
};

const HEADERS_BYTES_MAX = 16 * 1024;
const HEADERS_MS_MAX = 10_000;
/** Longer than a proxy keeps an idle connection, so that the proxy closes first and never meets a closed one. */
const KEEP_ALIVE_MS = 75_000;

const STALLED_MS_MAX = 60_000;

/** An HTTP server that is not listening yet. */
export function createBackendServer(deps: ServerDependencies): Server {
  const { config } = deps;
  for (const model of deps.state.models)
    deps.metrics.watchReadiness(model.modelId, () => statusOf(deps.state, model) === "ready");
  const holdings = new Holdings(config.bytesInFlightMax, () => deps.metrics.shed("memory"));
  const server = createServer(
    {
      maxHeaderSize: HEADERS_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: config.bodyMsMax,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => void answer(request, response, deps, holdings),
  );
  // A reader that takes nothing of its answer; longer than any call may wait for it.
  server.timeout = config.deadlineMsMax + STALLED_MS_MAX;
  server.maxConnections = config.connectionsMax;
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  deps: ServerDependencies,
  holdings: Holdings,
): Promise<void> {
  const call = new Call(request, response, deps.config, holdings);
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const route = ROUTES[path];
  try {
    if (route === undefined) throw apiError("route_not_found", "There is no such route.");
    const method = request.method === "HEAD" ? "GET" : request.method;
    if (method !== route.method) throw apiError("method_not_allowed", `This route takes ${route.method}.`);
    if (!route.open) requireSecret(request, deps.config);
    await route.handle(call, deps);
    settle(call, deps, path, "ok");
  } catch (error) {
    refuse(call, deps, route === undefined ? "other" : path, error);
  }
}

function refuse(call: Call, deps: ServerDependencies, path: string, error: unknown): void {
  if (error instanceof CallerGone) {
    settle(call, deps, path, "client_closed_request");
    call.response.destroy();
    return;
  }
  const fault = faultOf(error);
  if (fault === undefined)
    deps.log.error({ requestId: call.requestId, err: error }, "a call failed for a reason of our own");
  const said = fault ?? plainFault("internal_error", "The backend failed on this call.");
  const allow = said.code === "method_not_allowed" ? { allow: ROUTES[path]?.method ?? "GET" } : {};
  call.sendFault(said, allow);
  settle(call, deps, path, said.code);
}

/** Log line and figures of an ended call. */
function settle(
  call: Call,
  { log, metrics: figures, tracer }: ServerDependencies,
  route: string,
  code: ErrorCode | "ok",
): void {
  figures.call(route, code);
  const stages = Object.fromEntries([...call.stages].map(([stage, ms]) => [stage, Math.round(ms * 100) / 100]));
  if (code === "ok") for (const [stage, ms] of call.stages) figures.stage(stage, ms);
  const ms = Math.round((performance.now() - call.receivedAt) * 100) / 100;
  const level = ROUTES[route]?.method === "POST" ? "info" : "debug";
  log[level]({ requestId: call.requestId, route, code, ms, stages }, "call");
  const { requestId, stages: measured } = call;
  tracer.add({ traceparent: call.traceparent, route, code, requestId, durationMs: ms, stages: measured }, Date.now());
}

function work(
  call: Call,
  deps: ServerDependencies,
  route: (call: Call, serviceOf: ServiceOf, sizes: Config) => Promise<void>,
): Promise<void> {
  // Before the body, which says the model, is read: nothing is served yet, or no more.
  if (deps.state.status !== "ready") throw notServing(deps, deps.state.status);
  return route(call, (model) => serving(deps, modelNamed(model, deps.state)), deps.config);
}

/** `?model=`, or the first: an edge of before there were several asks without. */
function askedFor(call: Call, state: ServerState): ModelState {
  const model = new URL(call.request.url ?? "/", "http://backend").searchParams.get("model");
  return model === null ? state.models[0] : modelNamed(model, state);
}

function modelNamed(model: string, { models }: ServerState): ModelState {
  const named = models.find(({ modelId }) => modelId === model);
  if (named !== undefined) return named;
  const names = models.map(({ modelId }) => modelId).join(", ");
  throw apiError("model_not_found", `This backend serves ${names}, not ${model}.`);
}

/** The model's service, or the reason why there is none now. */
function serving(deps: ServerDependencies, model: ModelState): Service {
  const status = statusOf(deps.state, model);
  if (model.service !== undefined && status === "ready") return model.service;
  throw notServing(deps, status);
}

function notServing({ metrics: figures }: ServerDependencies, status: Status): ApiError {
  figures.shed("not_ready");
  const message = status === "draining" ? "This backend is shutting down." : "The model is being prepared.";
  return apiError("model_not_ready", message, null, status === "draining" ? 1 : 2);
}

/** A backend whose engine restarts is not ready. A call that comes all the same waits for the engine. */
function readinessOf({ status }: ServerState, { service }: ModelState): Status {
  return status === "ready" && service?.engine.state !== "ready" ? "warming" : status;
}

/** An engine that keeps failing to start counts as not ready; restarts go on. */
function statusOf({ status }: ServerState, { service }: ModelState): Status {
  return status === "ready" && service?.engine.state === "failed" ? "warming" : status;
}

function requireSecret(request: IncomingMessage, config: Config): void {
  if (!knowsSecret(request, config)) throw apiError("invalid_api_key", "The secret is not right.");
}

/** Compared as hashes: equal lengths, constant time. */
function knowsSecret(request: IncomingMessage, config: Config): boolean {
  const given = hash(/^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "");
  const current = timingSafeEqual(given, hash(config.backendSecret));
  const previous = timingSafeEqual(given, hash(config.backendSecretPrevious ?? config.backendSecret));
  return current || previous;
}

function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
