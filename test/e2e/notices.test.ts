// What hangs on an account, from outside: OpenAI's own client for usage and costs, and a webhook receiver that verifies
// signatures with it.
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeBefore } from "../support/edge-server.ts";
import { FakeBackendServer } from "../support/fake-backend-server.ts";

/** Keeps what it gets; `/moved` redirects to `/hook`. */
class Receiver {
  readonly got: { path: string; headers: Record<string, string>; body: string }[] = [];
  readonly #server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => (body += text));
    request.on("end", () => {
      const path = request.url ?? "";
      this.got.push({ path, headers: request.headers as Record<string, string>, body });
      response.writeHead(path === "/moved" ? 307 : 204, { location: "/hook" }).end();
    });
  });

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

const folder = temporaryFolder();
const backend = new FakeBackendServer({
  model: FAKE_MODEL,
  secret: new DataFolder(folder).secrets().BACKEND_SECRET,
});
const start = () => startEdgeBefore(folder, FAKE_MODEL, [backend.origin], { WEBHOOK_ALLOW_LOOPBACK: "true" });
let edge: Awaited<ReturnType<typeof start>>;
const receiver = new Receiver();

beforeAll(async () => {
  await Promise.all([backend.start(), receiver.start()]);
  edge = await start();
});
afterAll(async () => {
  await Promise.all([edge.edge.stop(), backend.stop(), receiver.stop()]);
  removeFolder(folder);
});

const admin = (path: string, body?: unknown) => call(edge.url, edge.adminKey, path, body);
const client = (key: string) => new OpenAI({ apiKey: key, adminAPIKey: key, baseURL: `${edge.url}/v1`, maxRetries: 0 });

async function newAccount(): Promise<{ id: string; key: string }> {
  const id = String((await admin("/admin/accounts", { name: "Owner" })).body["id"]);
  await admin(`/admin/accounts/${id}/grants`, { amount_usd: 1, kind: "promo" });
  return { id, key: String((await admin(`/admin/accounts/${id}/keys`, {})).body["key"]) };
}

const embed = (key: string, input: string) =>
  call(edge.url, key, "/v1/embeddings", { model: FAKE_MODEL, input }, { "cache-control": "no-store" });

test("OpenAI's client reads usage and costs, and they are the ledger's to the nano-dollar", async () => {
  const { id, key } = await newAccount();
  for (const text of ["a", "some words", "and a longer text"]) await embed(key, text);
  await expect
    .poll(async () => (await admin(`/admin/accounts/${id}`)).body["charged_nano_usd"], { timeout: 10_000 })
    .toBeGreaterThan(0);
  const { usage } = client(key).admin.organization;
  const start_time = Math.floor(Date.now() / 1000) - 86_400;
  const embeddings = await usage.embeddings({ start_time, bucket_width: "1d", group_by: ["model", "api_key_id"] });
  const used = embeddings.data.flatMap((bucket) => bucket.results);
  expect(used).toMatchObject([{ object: "organization.usage.embeddings.result", model: FAKE_MODEL }]);
  // A letter is a token of the fake backend, the ending token one more.
  expect(used[0]).toMatchObject({ input_tokens: 1 + 10 + 17 + 3, num_model_requests: 3 });
  const costs = await usage.costs({ start_time, group_by: ["line_item"] });
  const amounts = costs.data.flatMap((bucket) =>
    bucket.results.map((result) => (result.object === "organization.costs.result" ? (result.amount?.value ?? 0) : NaN)),
  );
  const nano = amounts.reduce((sum, value) => sum + Math.round(value * 1e9), 0);
  expect(nano).toBe((await admin(`/admin/accounts/${id}`)).body["charged_nano_usd"]);
});

test("an alert reaches its webhook, signed so that OpenAI's client accepts it, and no redirect is followed", async () => {
  const { id, key } = await newAccount();
  const hook = await call(edge.url, key, "/v1/webhooks", { url: `${receiver.origin}/hook` });
  const secret = String(hook.body["secret"]);
  const alert = await call(edge.url, key, "/v1/alerts", { kind: "monthly_spend", threshold_nano_usd: 1 });
  await embed(key, "spend");
  await expect.poll(() => receiver.got.length, { timeout: 15_000 }).toBe(1);
  const [got] = receiver.got;
  const event = (await client(key).webhooks.unwrap(got?.body ?? "", got?.headers ?? {}, secret)) as unknown;
  expect(event).toMatchObject({ type: "alert.triggered", data: { account_id: id, alert_id: alert.body["id"] } });
  const moved = await call(edge.url, key, "/v1/webhooks", { url: `${receiver.origin}/moved` });
  const tried = await call(edge.url, key, `/v1/webhooks/${String(moved.body["id"])}/test`, {});
  expect(tried.body).toMatchObject({ delivered: false, detail: "HTTP 307: redirects are not followed" });
  expect(receiver.got.map(({ path }) => path)).toEqual(["/hook", "/moved"]);
});
