// The edge in the real Workers runtime: Miniflare's API over options read from wrangler.toml, so that this server and
// a deployment cannot drift. Durable Objects, KV, D1, R2 and the cache live in explicit folders and survive `kill -9`.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { Log, LogLevel, Miniflare, Response } from "miniflare";
import type { MiniflareOptions, WorkerOptions } from "miniflare";
import { parse } from "smol-toml";
import * as z from "zod";
import { openFrontDoor } from "./front-door.ts";
import { ROOT } from "./options.ts";
import { callPublic } from "./webhook-egress.ts";
import type { Outgoing } from "./webhook-egress.ts";
import { builtEdge } from "./built-edge.ts";
import { applyMigrations, migrationsWorker } from "./migrations.ts";
import { bundleWorker } from "./worker-bundle.ts";

const wranglerSchema = z.object({
  name: z.string(),
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  vars: z.record(z.string(), z.string()).default({}),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  kv_namespaces: z.array(z.object({ binding: z.string(), id: z.string() })).default([]),
  d1_databases: z
    .array(z.object({ binding: z.string(), database_id: z.string(), migrations_dir: z.string().optional() }))
    .default([]),
  assets: z.object({ binding: z.string() }),
  r2_buckets: z.array(z.object({ binding: z.string(), bucket_name: z.string() })).default([]),
});
type WranglerConfig = z.infer<typeof wranglerSchema>;

export interface EdgeOptions {
  readonly port: number;
  /** Where the runtime's state lives. */
  readonly persistDir: string;
  /** Settings and secrets on top of wrangler.toml's vars. */
  readonly bindings: Readonly<Record<string, string>>;
  /** Replaces wrangler.toml's entry, relative to the repository's root, for tests that wrap the Worker. */
  readonly entry?: string;
  /** The Worker's own log lines; absent: this program's stdout. */
  readonly onLog?: (line: string) => void;
}

export interface RunningEdge {
  readonly url: string;
  /** The Worker itself, without the front door: for measurements. */
  readonly workerUrl: string;
  readonly miniflare: Miniflare;
  stop(): Promise<void>;
}

/** Starts the Worker; resolves when it answers. Rejects when the port is taken or the bundle is broken. */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const config = wranglerSchema.parse(parse(readFileSync(resolve(ROOT, "wrangler.toml"), "utf8")));
  const { worker, assetsDir } = await builtEdge(config.main);
  const script = options.entry === undefined ? worker : await bundleWorker(options.entry);
  const before = signalListeners();
  const miniflare = new Miniflare(miniflareOptions(config, script, assetsDir, options));
  removeAddedListeners(before);
  await miniflare.ready;
  await applyMigrations(miniflare);
  const workerUrl = await miniflare.unsafeGetDirectURL();
  const door = await openFrontDoor(options.port, Number(workerUrl.port));
  const stop = async (): Promise<void> => {
    await door.close();
    await miniflare.dispose();
  };
  return { url: door.url, workerUrl: workerUrl.origin, miniflare, stop };
}

const ENDING_SIGNALS = ["SIGINT", "SIGTERM"] as const;

function signalListeners(): ReadonlyMap<(typeof ENDING_SIGNALS)[number], readonly NodeJS.SignalsListener[]> {
  return new Map(ENDING_SIGNALS.map((signal) => [signal, process.listeners(signal)]));
}

/** Removes Miniflare's signal handlers, which would end the process before the backend has drained. */
function removeAddedListeners(before: ReturnType<typeof signalListeners>): void {
  for (const [signal, known] of before) {
    for (const listener of process.listeners(signal)) {
      if (!known.includes(listener)) process.removeListener(signal, listener);
    }
  }
}

function miniflareOptions(
  config: WranglerConfig,
  script: string,
  assetsDir: string,
  options: EdgeOptions,
): MiniflareOptions {
  const persist = (what: string) => join(options.persistDir, what);
  const { onLog } = options;
  const worker: WorkerOptions = {
    name: config.name,
    modules: [{ type: "ESModule", path: "worker.mjs", contents: script }],
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
    bindings: { ...config.vars, ...options.bindings },
    durableObjects: Object.fromEntries(
      config.durable_objects.bindings.map(({ name, class_name }) => [name, { className: class_name, useSQLite: true }]),
    ),
    kvNamespaces: Object.fromEntries(config.kv_namespaces.map(({ binding, id }) => [binding, id])),
    d1Databases: Object.fromEntries(config.d1_databases.map(({ binding, database_id }) => [binding, database_id])),
    r2Buckets: Object.fromEntries(config.r2_buckets.map(({ binding, bucket_name }) => [binding, bucket_name])),
    // Not Miniflare's `assets`, whose router would be one more hop in front of every call. The folder is served as it
    // is, and the Worker requests only files that the manifest lists.
    serviceBindings: {
      [config.assets.binding]: { disk: { path: assetsDir } },
      WEBHOOK_EGRESS: async (request: Outgoing) => new Response(null, { status: await callPublic(request) }),
    },
    // Miniflare's own workers around every request and subrequest do not exist in production and cost 0.4 ms of CPU
    // each (test/bench/edge), so the Worker has its own socket and sends its subrequests directly.
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    stripCfConnectingIp: false,
  };
  return {
    workers: [worker, migrationsWorker(config.d1_databases, config.compatibility_date)],
    // Any free port: the front door has the port that clients know.
    host: "127.0.0.1",
    port: 0,
    cf: false,
    log: new Log(LogLevel.NONE),
    durableObjectsPersist: persist("durable-objects"),
    kvPersist: persist("kv"),
    d1Persist: persist("d1"),
    r2Persist: persist("r2"),
    cachePersist: persist("cache"),
    handleRuntimeStdio(stdout: Readable, stderr: Readable) {
      for (const stream of [stdout, stderr]) {
        stream.setEncoding("utf8");
        stream.on("data", (text: string) => (onLog === undefined ? process.stdout.write(text) : onLog(text)));
      }
    },
  };
}
