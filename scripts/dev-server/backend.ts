// Runs the GPU backend as a child of the development server and ends it with the server. If it dies after it has
// served, it is restarted on the same port. If it never became ready, it is not restarted: its error message is shown
// to the user.

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { resolve as resolvePath } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import type { DevModel } from "./options.ts";
import { ROOT, StartError } from "./options.ts";

const messageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("listening"), port: z.number() }),
  z.object({ type: z.literal("progress"), fraction: z.number(), what: z.string() }),
  z.object({ type: z.literal("ready") }),
]);

const RESTART_WAIT_MS = 500;
const STOP_WAIT_MS = 10_000;
/** Characters kept of the child's stderr, which is shown if it fails to start. */
const STDERR_KEPT = 4000;

export interface BackendOptions {
  readonly models: readonly DevModel[];
  readonly target?: string | undefined;
  readonly dataDir: string;
  readonly secret: string;
  readonly onProgress: (fraction: number, what: string) => void;
  readonly onLog: (text: string) => void;
  /** Called with each new process id. */
  readonly onPid: (pid: number) => void;
}

export class BackendProcess {
  readonly #options: BackendOptions;
  #child: ChildProcess | undefined;
  #port = 0;
  #stopping = false;
  #served = false;
  #stderr = "";

  constructor(options: BackendOptions) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts the process. `listening` resolves once its port is known, `ready` once it serves; both reject with
   * StartError if it ends before.
   */
  start(): { listening: Promise<void>; ready: Promise<void> } {
    const child = this.#spawn();
    const events = this.#events(child);
    child.once("exit", (code, signal) => {
      events.fail(
        new StartError(this.#stderr.trim() || `The backend ended before it was ready (${signal ?? `code ${code}`}).`),
      );
      if (!this.#stopping && this.#served) void this.#restart();
    });
    return events;
  }

  /** Asks the process to drain and end; kills it after ten seconds. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((done) => child.once("exit", () => done()));
    child.kill("SIGTERM");
    const late = sleep(STOP_WAIT_MS, undefined, { ref: false }).then(() => child.kill("SIGKILL"));
    await Promise.race([ended, late]);
  }

  async #restart(): Promise<void> {
    this.#options.onLog("The backend ended unexpectedly; starting it again.\n");
    await sleep(RESTART_WAIT_MS);
    if (this.#stopping) return;
    const { listening, ready } = this.start();
    await Promise.all([listening, ready]).catch((error: unknown) => this.#options.onLog(`${String(error)}\n`));
  }

  #spawn(): ChildProcess {
    const { models, target, dataDir, secret, onPid } = this.#options;
    const child = fork(
      resolvePath(ROOT, "gpu-backend/start.mjs"),
      [
        ...models.flatMap(({ model, modelId }) => ["--model", model, "--model-id", modelId]),
        "--port",
        String(this.#port),
        "--data",
        dataDir,
        ...(target === undefined ? [] : ["--target", target]),
      ],
      {
        cwd: ROOT,
        execArgv: [],
        env: { ...process.env, BACKEND_SECRET: secret },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        // Ctrl-C signals the whole process group; the child needs its own group, so that it can drain its work first.
        detached: process.platform !== "win32",
      },
    );
    this.#child = child;
    this.#stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#options.onLog(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
      if (this.#served) this.#options.onLog(text);
    });
    if (child.pid !== undefined) onPid(child.pid);
    return child;
  }

  #events(child: ChildProcess) {
    const listening = deferred();
    const ready = deferred();
    child.on("message", (message) => {
      const parsed = messageSchema.safeParse(message);
      if (!parsed.success) return;
      switch (parsed.data.type) {
        case "listening":
          this.#port = parsed.data.port;
          listening.resolve();
          break;
        case "progress":
          this.#options.onProgress(parsed.data.fraction, parsed.data.what);
          break;
        case "ready":
          this.#served = true;
          ready.resolve();
          break;
      }
    });
    const fail = (error: Error): void => {
      listening.reject(error);
      ready.reject(error);
    };
    ready.promise.catch(() => undefined);
    return { listening: listening.promise, ready: ready.promise, fail };
  }
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred(): Deferred {
  const callbacks: { resolve?: () => void; reject?: (error: Error) => void } = {};
  const promise = new Promise<void>((resolve, reject) => {
    callbacks.resolve = resolve;
    callbacks.reject = reject;
  });
  return { promise, resolve: () => callbacks.resolve?.(), reject: (error) => callbacks.reject?.(error) };
}
