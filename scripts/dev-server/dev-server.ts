// Starts and stops backend and edge together on one machine, for `npm start` and the e2e tests.

import { createServer } from "node:net";
import { join } from "node:path";
import { ensureDevAccount } from "./account.ts";
import { BackendProcess } from "./backend.ts";
import { DataFolder } from "./data-folder.ts";
import type { DevFile } from "./data-folder.ts";
import type { RunningEdge } from "./edge.ts";
import type { DevOptions } from "./options.ts";
import { StartError } from "./options.ts";
import { ProcessFile, childrenOf } from "./processes.ts";

export interface Reporter {
  progress(what: string): void;
  log(text: string): void;
}

export interface DevServer extends DevFile {
  readonly accountId: string;
  /** The ids of all that are served; `model` is the first. */
  readonly models: readonly string[];
  readonly backend: BackendProcess;
  readonly edge: RunningEdge;
  stop(): Promise<void>;
}

/**
 * Starts everything and resolves when a call would be answered. Throws StartError, with nothing left running, if the
 * port is taken, another start uses the folder, or the model cannot be served. `settings` are passed to the Worker on
 * top of wrangler.toml's vars.
 */
export async function startDevServer(
  options: DevOptions,
  report: Reporter,
  settings: Readonly<Record<string, string>> = {},
): Promise<DevServer> {
  const folder = new DataFolder(options.dataDir);
  const processes = new ProcessFile(options.dataDir);
  await processes.take();
  await refuseBusyPort(options.port);
  folder.removeDevFile();
  const secrets = folder.secrets();
  const noteChildren = (): void => {
    const backendPid = backend.pid === undefined ? [] : [backend.pid];
    processes.note([...backendPid, ...childrenOf(process.pid, /workerd/)]);
  };
  const backend = new BackendProcess({
    models: options.models,
    target: options.target,
    dataDir: options.dataDir,
    secret: secrets.BACKEND_SECRET,
    onProgress: (fraction, what) => report.progress(`backend: ${what} (${Math.round(fraction * 100)} %)`),
    onLog: (text) => report.log(text),
    onPid: noteChildren,
  });
  let edge: RunningEdge | undefined;
  const stop = async (): Promise<void> => {
    folder.removeDevFile();
    await Promise.all([backend.stop(), edge?.stop()]);
    processes.release();
  };
  try {
    const { listening, ready } = backend.start();
    report.progress("backend: starting");
    // The Workers runtime's library takes most of a start's loading: a start that is refused does without, others load it
    // while the backend loads.
    const [{ startEdge }] = await Promise.all([import("./edge.ts"), listening]);
    report.progress("edge: bundling and starting the Workers runtime");
    edge = await startEdge({
      port: options.port,
      persistDir: join(options.dataDir, "edge"),
      bindings: {
        ...secrets,
        ...settings,
        BACKENDS: JSON.stringify(options.models.map(({ modelId }) => ({ model: modelId, origin: backend.url }))),
      },
      onLog: (line) => report.log(line),
    });
    noteChildren();
    const account = await ensureDevAccount(folder, edge.url, secrets.ADMIN_KEY);
    report.progress("backend: loading the model");
    await ready;
    const file = {
      url: edge.url,
      apiKey: account.apiKey,
      adminKey: secrets.ADMIN_KEY,
      model: options.models[0].modelId,
      backendUrl: backend.url,
    };
    folder.writeDevFile(file);
    const models = options.models.map(({ modelId }) => modelId);
    return { ...file, models, accountId: account.accountId, backend, edge, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Throws StartError for a busy port: Miniflare would take another one, and workerd's own message does not name it. */
async function refuseBusyPort(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "EADDRINUSE"
          ? "is in use by another program"
          : `cannot be used (${error.code ?? error.message})`;
      reject(new StartError(`Port ${port} ${why}: stop that program, or start with --port N (0 takes a free one).`));
    });
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  });
}
