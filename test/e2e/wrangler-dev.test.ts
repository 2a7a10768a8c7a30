// `npx wrangler dev` as docs/operating.md says it: the local migrations, the example's settings, an account, a vector.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FakeBackendServer } from "../support/fake-backend-server.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const WRANGLER = join(ROOT, "node_modules/.bin/wrangler");
const MODEL = "gigarouter/demo-embedding";
const READY_MS = 60_000;
const example = readFileSync(join(ROOT, ".dev.vars.example"), "utf8");
const valueOf = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(example)?.[1] ?? "";

const folder = temporaryFolder();
const envFile = join(folder, "vars");
const environment = { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" };
const backend = new FakeBackendServer({ model: MODEL, secret: valueOf("BACKEND_SECRET") });
let dev: ChildProcess;
let output = "";
let url = "";

beforeAll(async () => {
  await backend.start();
  writeFileSync(envFile, example.replace("http://127.0.0.1:8190", backend.origin));
  const migrate = ["d1", "migrations", "apply", "directory", "--local", "--persist-to", folder];
  const { status, stderr } = spawnSync(WRANGLER, migrate, { cwd: ROOT, encoding: "utf8", env: environment });
  expect(status, stderr).toBe(0);
  const args = ["dev", "--port", "0", "--ip", "127.0.0.1", "--env-file", envFile, "--persist-to", folder];
  dev = spawn(WRANGLER, args, { cwd: ROOT, env: environment, detached: true });
  url = await new Promise((found, failed) => {
    setTimeout(() => failed(new Error(`not ready: ${output}`)), READY_MS).unref();
    dev.once("exit", () => failed(new Error(`ended: ${output}`)));
    for (const stream of [dev.stdout, dev.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        const ready = /Ready on (http:\/\/[\w.:]+)/.exec(output)?.[1];
        if (ready !== undefined) found(ready);
      });
    }
  });
});

afterAll(async () => {
  // Its own group: wrangler, workerd and esbuild end together.
  if (dev.pid !== undefined) process.kill(-dev.pid, "SIGKILL");
  await backend.stop();
  removeFolder(folder);
});

async function post(path: string, key: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  expect(response.status, output).toBeLessThan(300);
  return (await response.json()) as Record<string, unknown>;
}

test("serves an account that the operator makes, and leaves a line a request", async () => {
  const adminKey = valueOf("ADMIN_KEY");
  const { id } = await post("/admin/accounts", adminKey, { name: "First" });
  await post(`/admin/accounts/${String(id)}/grants`, adminKey, { amount_usd: 5, kind: "free" });
  const { key } = await post(`/admin/accounts/${String(id)}/keys`, adminKey, {});
  const { data } = await post("/v1/embeddings", String(key), { model: MODEL, input: "hello" });
  expect(data).toHaveLength(1);
  const ready = (await (await fetch(`${url}/ready`)).json()) as Record<string, unknown>;
  expect(ready).toMatchObject({ status: "ready", problems: [] });
  await expect.poll(() => output).toContain('"route":"/v1/embeddings","status":200');
});
