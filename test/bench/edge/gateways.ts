// The systems under test, each started as a whole process, ready when it has answered one call.

import { fork, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MODEL, SHAPES, bodyOf } from "./shapes.ts";

export const ROOT = join(import.meta.dirname, "../../..");
const PEERS = join(import.meta.dirname, "peers");
const PORTKEY = join(PEERS, "node_modules/@portkey-ai/gateway");
const LITELLM = join(PEERS, ".venv/bin/litellm");
const LITELLM_KEY = "sk-bench-0123456789";
const READY_MS_MAX = 120_000;
const RETRY_MS = 200;

export interface Gateway {
  readonly name: string;
  readonly version: string;
  start(upstream: string): Promise<RunningGateway>;
}

export interface RunningGateway {
  readonly pid: number;
  /** Of the embeddings route. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of this edge: keys that are refused for want of credit (402) and for their rate (429). */
  readonly refusedKeys?: { readonly poor: string; readonly slow: string };
  stop(): Promise<void>;
}

export const EDGE: Gateway = {
  name: "this edge",
  version: readVersion(join(ROOT, "package.json")),
  start: (upstream) => startOwn(ROOT, "edge-process.ts", upstream),
};

/** The edge of another tree than this one. */
export function edgeIn(root: string): Gateway {
  return { ...EDGE, start: (upstream) => startOwn(root, "edge-process.ts", upstream) };
}

/** No gateway, but the least that any program in this runtime takes. */
export const FORWARDER: Gateway = {
  name: "workerd, forwarding",
  version: readVersion(join(ROOT, "node_modules/workerd/package.json")),
  start: (upstream) => startOwn(ROOT, "forwarder-process.ts", upstream),
};

/** The work itself, without any of what makes a product of it. */
export const BARE: Gateway = {
  name: "bare product",
  version: "",
  start: (upstream) => startOwn(ROOT, "bare-process.ts", upstream),
};

async function startOwn(root: string, program: string, upstream: string): Promise<RunningGateway> {
  const path = join(root, "test/bench/edge", program);
  const child = fork(path, [upstream], { cwd: root, execArgv: ["--import", "tsx"], detached: true });
  const { url, apiKey, poorKey, slowKey } = (await firstMessage(child)) as Readonly<Record<string, string>>;
  const headers: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const started = await running(child, `${url}/v1/embeddings`, headers);
  if (poorKey === undefined || slowKey === undefined) return started;
  return { ...started, refusedKeys: { poor: poorKey, slow: slowKey } };
}

const portkey: Gateway = {
  name: "Portkey",
  version: readVersion(join(PORTKEY, "package.json")),
  async start(upstream) {
    const port = await freePort();
    const child = spawn(process.execPath, [join(PORTKEY, "build/start-server.js"), "--headless", `--port=${port}`], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, NODE_ENV: "production", TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
    });
    return running(child, `http://127.0.0.1:${port}/v1/embeddings`, {
      authorization: "Bearer upstream-key",
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `${upstream}/v1`,
    });
  },
};

const litellm: Gateway = {
  name: "LiteLLM",
  version: pythonVersion("litellm"),
  async start(upstream) {
    const port = await freePort();
    const child = spawn(
      LITELLM,
      ["--config", join(PEERS, "litellm.yaml"), "--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"],
      {
        detached: true,
        stdio: "ignore",
        env: {
          ...process.env,
          UPSTREAM: `${upstream}/v1`,
          LITELLM_LOCAL_MODEL_COST_MAP: "True",
          LITELLM_LOG: "ERROR",
          LITELLM_MODE: "PRODUCTION",
          LITELLM_TELEMETRY: "False",
        },
      },
    );
    return running(child, `http://127.0.0.1:${port}/v1/embeddings`, { authorization: `Bearer ${LITELLM_KEY}` });
  },
};

/** Those that are installed (peers/install.mjs). */
export function installedPeers(): readonly Gateway[] {
  return [existsSync(PORTKEY) ? [portkey] : [], existsSync(LITELLM) ? [litellm] : []].flat();
}

async function running(
  child: ChildProcess,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<RunningGateway> {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${url}: not started`);
  const stop = async (): Promise<void> => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    if (child.connected) child.disconnect();
    else child.kill("SIGTERM");
    await Promise.race([ended, sleep(5000)]);
    // What it started may outlive it: its group is ours alone.
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      return; // Nothing was left.
    }
  };
  try {
    await untilAnswered(child, url, headers);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid, url, headers, stop };
}

async function untilAnswered(child: ChildProcess, url: string, headers: Readonly<Record<string, string>>) {
  const [shape] = SHAPES;
  if (shape === undefined) throw new Error("no shapes");
  let last = "";
  for (const untilMs = Date.now() + READY_MS_MAX; Date.now() < untilMs; await sleep(RETRY_MS)) {
    if (child.exitCode !== null) throw new Error(`${url}: ended with ${child.exitCode}`);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: bodyOf(shape, MODEL, "ready"),
      });
      if (response.ok) return;
      last = `${response.status} ${(await response.text()).slice(0, 300)}`;
    } catch (error) {
      last = String(error);
    }
  }
  throw new Error(`${url} did not answer: ${last}`);
}

/** What a child says first by IPC. */
export async function firstMessage(child: ChildProcess): Promise<unknown> {
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`a child ended with ${String(code)} before it was ready`);
  });
  const [message] = (await Promise.race([once(child, "message"), failed])) as unknown[];
  failed.catch(() => undefined);
  return message;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function readVersion(manifest: string): string {
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version : "";
}

function pythonVersion(name: string): string {
  const lib = join(PEERS, ".venv/lib");
  const folders = existsSync(lib) ? readdirSync(lib).map((python) => join(lib, python, "site-packages")) : [];
  const info = folders.flatMap((folder) => readdirSync(folder)).find((file) => file.startsWith(`${name}-`));
  return info?.replace(`${name}-`, "").replace(".dist-info", "") ?? "";
}
