// The backend process: reads its settings, listens at once (so that /health and /ready answer while it loads), brings
// its models up one after the other, and serves them once all are there; drains on SIGTERM, ends with its parent. A start
// that fails ends with one sentence and exit code 1.

import type { Server } from "node:http";
import pino from "pino";

import { CheckpointError } from "./checkpoint/checkpoint-error.ts";
import { type Config, readConfig, StartError } from "./config.ts";
import { EngineDied } from "./engine/types.ts";
import { must } from "../shared/assert.ts";
import { announcedNames, findModel } from "./hub/find-model.ts";
import { useProxies } from "./hub/hub-fetch.ts";
import { MemoryBudget } from "./memory.ts";
import { Metrics } from "./metrics.ts";
import { createBackendServer, type ModelState, type ServerState } from "./server.ts";
import { factsOf, type Service, startService } from "./service.ts";
import { Tracer } from "./tracing.ts";

const DRAIN_EVERY_MS = 50;

type ParentMessage =
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "progress"; readonly fraction: number; readonly what: string }
  | { readonly type: "ready" };

type OnProgress = (fraction: number, what: string) => void;

/** A parent, if there is one, follows along. One that went in the middle of a message is dealt with by "disconnect". */
function tellParent(message: ParentMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

async function listen(server: Server, { host, port }: Config): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "is in use" : `cannot be used (${error.message})`;
      reject(new StartError(`Port ${port} on ${host} ${reason}.`));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

async function main(): Promise<void> {
  const config = readConfig(process.argv.slice(2), process.env);
  const log = pino({ level: config.logLevel, base: { process: "gpu-backend" } });
  useProxies(process.env);
  const metrics = new Metrics();
  const [first, ...others] = announcedNames(config.models).map((modelId): ModelState => ({ modelId }));
  const state: ServerState = { status: "warming", models: [must(first, "a model"), ...others] };
  const tracer = new Tracer({
    endpoint: config.otelExporterOtlpEndpoint,
    headers: config.otelExporterOtlpHeaders,
    log,
  });
  const server = createBackendServer({ config, metrics, log, tracer, state });
  const port = await listen(server, config);
  log.info({ host: config.host, port }, "listening");
  tellParent({ type: "listening", port });
  endWithSignals(config, log, server, state, tracer);

  let last = "";
  const onProgress: OnProgress = (fraction, what) => {
    if (what !== last) log.info({ fraction }, what);
    last = what;
    tellParent({ type: "progress", fraction, what });
    if (process.stderr.isTTY && !process.connected) process.stderr.write(progressBar(fraction, what));
  };
  await startModels({ config, log, metrics, state, onProgress });
  if (state.status === "warming") state.status = "ready";
  tellParent({ type: "ready" });
}

interface Start {
  readonly config: Config;
  readonly log: pino.Logger;
  readonly metrics: Metrics;
  readonly state: ServerState;
  readonly onProgress: OnProgress;
}

/** One after the other: what a first start measures, and the time of each batch, must be the model's own. */
async function startModels(start: Start): Promise<void> {
  const { config, state, onProgress } = start;
  const { models } = state;
  const memory = new MemoryBudget(config);
  for (const [index, model] of models.entries()) {
    const named = (what: string): string => (models.length === 1 ? what : `${model.modelId}: ${what}`);
    const { model: source } = must(config.models[index], "a model's source");
    model.service = await startModel(model, source, {
      ...start,
      memory,
      cardShare: 1 / (models.length - index),
      onProgress: (fraction, what) => onProgress((index + fraction) / models.length, named(what)),
    });
  }
}

async function startModel(
  state: ModelState,
  source: string,
  { config, log, metrics, memory, cardShare, onProgress }: Start & { memory: MemoryBudget; cardShare: number },
): Promise<Service> {
  const { modelId } = state;
  const found = await findModel(source, config, {
    onProgress: (fraction, what) => onProgress(fraction * 0.5, what),
    onNotice: (what) => log.warn(what),
  });
  const share = found.downloaded ? 0.5 : 0;
  const service = await startService({
    config,
    checkpointDir: found.dir,
    modelId,
    metrics,
    cardShare,
    onProgress: (fraction, what) => onProgress(share + fraction * (1 - share), what),
    onCompiled: (model) => {
      memory.take(modelId, model);
      state.facts = factsOf(model, modelId);
    },
    onDamage: (what) => log.error(what),
    onOverflow: (what) => log.error(what),
    onEngineRestart: (reason) => log.error({ model: modelId, reason }, "the engine process is started again"),
    onBatchFault: (err) => log.error({ model: modelId, err }, "a batch failed for a reason of our own"),
  });
  log.info({ model: modelId, revision: service.model.revision }, "ready");
  return service;
}

/** One line that overwrites itself, for who starts the backend by hand. */
function progressBar(fraction: number, what: string): string {
  const done = Math.round(fraction * 20);
  const percent = String(Math.round(fraction * 100)).padStart(3);
  return `\r[${"#".repeat(done)}${" ".repeat(20 - done)}] ${percent} % ${what}\u001b[K${fraction >= 1 ? "\n" : ""}`;
}

function endWithSignals(config: Config, log: pino.Logger, server: Server, state: ServerState, tracer: Tracer): void {
  const drain = (): void => {
    if (state.status === "draining") return;
    state.status = "draining";
    log.info("draining");
    const end = (): void => void Promise.all([stop(state), tracer.flush()]).finally(() => process.exit(0));
    server.close(end);
    // Connections that are kept alive would hold the server open after their last answer.
    setInterval(() => server.closeIdleConnections(), DRAIN_EVERY_MS).unref();
    setTimeout(end, config.drainMsMax).unref();
    // Before start-up has finished there is nothing to drain.
    if (state.models.every(({ service }) => service === undefined)) end();
  };
  process.on("SIGTERM", drain);
  process.on("SIGINT", drain);
  // After its parent has gone, nothing else would end this process.
  process.on("disconnect", () => void stop(state).finally(() => process.exit(0)));
}

async function stop(state: ServerState): Promise<void> {
  await Promise.all(state.models.map(async ({ service }) => service?.close()));
}

try {
  await main();
} catch (error) {
  process.exitCode = 1;
  const known = error instanceof StartError || error instanceof CheckpointError || error instanceof EngineDied;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${known ? message : `The backend cannot start: ${message}`}\n`, () => process.exit(1));
}
