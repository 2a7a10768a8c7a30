// A backend process on a free port for one test file, spoken to in frames as the edge does.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { decodeFrame, encodeFrame } from "../../../shared/frame.ts";
import {
  type BackendFault,
  backendFaultSchema,
  type EmbedAnswer,
  embedAnswerSchema,
  type EmbedRequest,
  type TokenizeAnswer,
  tokenizeAnswerSchema,
} from "../../../shared/wire.ts";

export const SECRET = "a secret for tests only";
export const MODEL = "gigarouter/demo-embedding";
const START = fileURLToPath(new URL("../../../gpu-backend/start.mjs", import.meta.url));
export const DEMO_DIR = fileURLToPath(new URL("../../../gpu-backend/demo-model", import.meta.url));

export interface RunningBackend {
  readonly child: ChildProcess;
  readonly origin: string;
  readonly stderr: () => string;
  close(): Promise<void>;
}

/** Starts gpu-backend/start.mjs, with the demo model unless `args` name others; resolves when it says ready. */
export async function startBackend(
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
  until: "listening" | "ready" = "ready",
): Promise<RunningBackend> {
  const data = mkdtempSync(join(tmpdir(), "backend-"));
  const threads = ["--threads", "1", "--tokenizer-threads", "1"];
  const models = args.includes("--model") ? [] : ["--model", DEMO_DIR];
  const child = fork(START, [...models, "--port", "0", "--data", data, ...threads, ...args], {
    execArgv: [],
    env: { ...process.env, BACKEND_SECRET: SECRET, LOG_LEVEL: "error", WARM_UP_SECONDS_MAX: "0.2", ...environment },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const port = await new Promise<number>((resolve, reject) => {
    let listeningOn = 0;
    child.on("message", (message: { type: string; port?: number }) => {
      listeningOn = message.port ?? listeningOn;
      if (message.type === until) resolve(listeningOn);
    });
    child.once("exit", (code) => reject(new Error(`the backend ended with ${code}: ${stderr}`)));
  });
  return {
    child,
    origin: `http://127.0.0.1:${port}`,
    stderr: () => stderr,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      rmSync(data, { recursive: true, force: true });
    },
  };
}

export interface Post {
  readonly texts: readonly (string | readonly number[])[];
  readonly header?: Partial<EmbedRequest> | Record<string, unknown>;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** POSTs texts (or token ids) as a frame to `path`. */
export function post(
  origin: string,
  path: "/embed" | "/tokenize",
  { texts, header, headers, signal }: Post,
): Promise<Response> {
  const ids = Uint32Array.from(texts.flatMap((text) => (typeof text === "string" ? [] : text)));
  const request = {
    version: 1,
    model: MODEL,
    revision: null,
    account: "account-a",
    tier: "interactive",
    truncate: "none",
    prefix: "",
    texts: texts.map((text) => (typeof text === "string" ? text : text.length)),
    ...header,
  };
  return fetch(origin + path, {
    method: "POST",
    headers: { authorization: `Bearer ${SECRET}`, ...headers },
    body: encodeFrame(JSON.stringify(request), new Uint8Array(ids.buffer)),
    ...(signal === undefined ? {} : { signal }),
  });
}

export async function embedded(response: Response): Promise<{ answer: EmbedAnswer; vectors: Uint16Array }> {
  const { header, payload } = await frameOf(response);
  return {
    answer: embedAnswerSchema.parse(header),
    vectors: new Uint16Array(payload.buffer, payload.byteOffset, payload.byteLength / 2),
  };
}

export async function tokenized(response: Response): Promise<{ answer: TokenizeAnswer; ids: Uint32Array }> {
  const { header, payload } = await frameOf(response);
  return {
    answer: tokenizeAnswerSchema.parse(header),
    ids: new Uint32Array(payload.buffer, payload.byteOffset, payload.byteLength / 4),
  };
}

async function frameOf(response: Response): Promise<{ header: unknown; payload: Uint8Array<ArrayBuffer> }> {
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
  const frame = decodeFrame(new Uint8Array(await response.arrayBuffer()));
  if (frame.kind === "broken") throw new Error(frame.reason);
  return frame;
}

export async function faultIn(response: Response): Promise<BackendFault> {
  return backendFaultSchema.parse(await response.json()).error;
}
