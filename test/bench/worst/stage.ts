// The whole product with two callers, one of whom attacks: what a call costs its processes, and how long the other
// caller's small calls take meanwhile.

import { setTimeout } from "node:timers/promises";
import { childrenOf } from "../../../scripts/dev-server/processes.ts";
import { DEMO_MODEL_ID } from "../../../shared/catalog.ts";
import { treeCpuMs } from "../edge/process-tree.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../../support/dev-server.ts";
import type { Attack } from "./inputs.ts";

export interface Cost {
  readonly status: number;
  readonly code: string;
  readonly ms: number;
  readonly edgeCpuMs: number;
  readonly backendCpuMs: number;
}

export interface Stage {
  /** One call of the attacker, and what it cost; nothing else may run. */
  measure(attack: Attack): Promise<Cost>;
  send(attack: Attack): Promise<Response>;
  /** Uploads a file of the attacker's and runs a batch over it to its end; what all of it cost. */
  measureBatch(file: string): Promise<Cost>;
  /** How long the other caller's small calls take until `attack` is over, a few at least; `computed`: by the model, not from the cache. */
  smallCallsMs(computed: boolean, attack: Promise<unknown>): Promise<readonly number[]>;
  /** A call of the other caller for 2,048 texts; answers its status. */
  largeCall(): Promise<number>;
  /** Of the attacker, who has no credit. */
  readonly key: string;
  readonly edgePid: number;
  readonly url: string;
  stop(): Promise<void>;
}

export const MODEL = DEMO_MODEL_ID;
const SMALL_CALLS_MIN = 5;
const ENDED = new Set(["completed", "failed", "expired", "cancelled"]);
const POLL_MS = 20;
const LIMITS = { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 };

export async function startStage(): Promise<Stage> {
  const folder = temporaryFolder();
  const before = new Set(childrenOf(process.pid, /workerd|gpu-backend/));
  const server = await startTestServer(folder);
  const { url, adminKey } = server;
  const started = childrenOf(process.pid, /workerd|gpu-backend/).filter((pid) => !before.has(pid));
  const edgePid = childrenOf(process.pid, /workerd/).find((pid) => started.includes(pid)) ?? 0;
  const backendPids = started.filter((pid) => pid !== edgePid);
  const attacker = await newKey(0);
  const other = await newKey(5_000_000_000);
  await small(true);
  await small(false);

  async function newKey(nanoUsd: number): Promise<string> {
    const account = (await call(url, adminKey, "/admin/accounts", { name: "Caller" })).body;
    const path = `/admin/accounts/${String(account["id"])}`;
    await fetch(url + path, {
      method: "PATCH",
      headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ limits: LIMITS }),
    });
    if (nanoUsd > 0) await call(url, adminKey, `${path}/grants`, { amount_nano_usd: nanoUsd, kind: "promo" });
    return String((await call(url, adminKey, `${path}/keys`, {})).body["key"]);
  }

  async function embed(input: string | string[]): Promise<number> {
    const init = {
      method: "POST",
      headers: { authorization: `Bearer ${other}`, "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, input, encoding_format: "base64" }),
    };
    const post = () => fetch(`${url}/v1/embeddings`, init);
    const response = await post().catch(post);
    await response.arrayBuffer();
    return response.status;
  }

  async function small(computed: boolean): Promise<number> {
    const began = performance.now();
    const status = await embed(computed ? `words ${began}` : "always the same");
    if (status !== 200) throw new Error(`the other caller was answered ${status}`);
    return performance.now() - began;
  }

  async function smallCallsMs(computed: boolean, attack: Promise<unknown>): Promise<readonly number[]> {
    const progress = { isOver: false };
    const over = attack.finally(() => {
      progress.isOver = true;
    });
    const times: number[] = [];
    while (!progress.isOver || times.length < SMALL_CALLS_MIN) times.push(await small(computed));
    await over;
    return times;
  }

  const largeCall = () => embed(Array.from({ length: 2048 }, (_, index) => `word ${index}`));

  async function send({ path, body, headers = {}, method = "POST" }: Attack): Promise<Response> {
    const authorization = `Bearer ${attacker}`;
    const init = { headers: { authorization, "content-type": "application/json", ...headers } };
    const post = () => fetch(url + path, { method, ...init, ...(method === "POST" && { body }) });
    // A connection over which a body was refused before its end is closed: by the time this one is sent, perhaps.
    return post().catch(post);
  }

  const measure = (attack: Attack): Promise<Cost> =>
    costOf(async () => {
      const response = await send(attack);
      return [response.status, await response.text()];
    });

  const measureBatch = (file: string): Promise<Cost> =>
    costOf(async () => {
      const form = new FormData();
      form.set("purpose", "batch");
      form.set("file", new Blob([file]), "in.jsonl");
      const headers = { authorization: `Bearer ${attacker}` };
      const uploaded = await fetch(`${url}/v1/files`, { method: "POST", headers, body: form });
      const text = await uploaded.text();
      if (!uploaded.ok) return [uploaded.status, text];
      const { id } = JSON.parse(text) as { id: string };
      const order = { input_file_id: id, endpoint: "/v1/embeddings", completion_window: "24h" };
      const path = `/v1/batches/${String((await call(url, attacker, "/v1/batches", order)).body["id"])}`;
      for (;;) {
        const { status, body } = await call(url, attacker, path);
        if (ENDED.has(String(body["status"]))) return [status, JSON.stringify(body)];
        await setTimeout(POLL_MS);
      }
    });

  async function costOf(work: () => Promise<readonly [status: number, text: string]>): Promise<Cost> {
    const edge = treeCpuMs(edgePid);
    const backend = backendPids.reduce((sum, pid) => sum + treeCpuMs(pid), 0);
    const began = performance.now();
    const [status, text] = await work();
    return {
      status,
      code: /"code": ?"(\w+)"/.exec(text)?.[1] ?? "",
      ms: performance.now() - began,
      edgeCpuMs: treeCpuMs(edgePid) - edge,
      backendCpuMs: backendPids.reduce((sum, pid) => sum + treeCpuMs(pid), 0) - backend,
    };
  }

  const stop = async (): Promise<void> => {
    await server.stop();
    removeFolder(folder);
  };
  return { measure, measureBatch, send, smallCallsMs, largeCall, key: attacker, edgePid, url, stop };
}
