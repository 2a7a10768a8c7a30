// A refund under kills, from outside: the runtime dies with SIGKILL before Stripe hears of it, and between Stripe's answer
// and the books; the operator's call is repeated, and money and credit agree.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataFolder } from "../../scripts/dev-server/data-folder.ts";
import { childrenOf } from "../../scripts/dev-server/processes.ts";
import { call, removeFolder, temporaryFolder } from "../support/dev-server.ts";
import { FAKE_MODEL, startEdgeBefore } from "../support/edge-server.ts";
import { FakeBackendServer } from "../support/fake-backend-server.ts";
import { FakeStripe, STRIPE_ORIGIN, signedEvent } from "../support/fake-stripe.ts";
import { TEST_BINDINGS } from "../support/test-bindings.ts";

const dataDir = temporaryFolder();
const backend = new FakeBackendServer({ model: FAKE_MODEL, secret: new DataFolder(dataDir).secrets().BACKEND_SECRET });
const stripe = new FakeStripe();
/** What becomes of an order of a refund that arrives at Stripe. */
let orders: "answered" | "done, and never answered" | "never read" = "answered";
let arrived = (): void => undefined;
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const { url = "", method = "GET", headers } = request;
    const isOrder = method === "POST" && url === "/v1/refunds";
    if (isOrder) arrived();
    if (isOrder && orders === "never read") return;
    const init = { method, headers: headers as Record<string, string>, body: Buffer.concat(parts).toString() };
    void stripe
      .fetch(STRIPE_ORIGIN + url, init)
      .text()
      .then((text) => (isOrder && orders !== "answered" ? undefined : response.end(text)));
  });
});
let edge: Awaited<ReturnType<typeof startEdgeBefore>>;

beforeAll(async () => {
  await Promise.all([backend.start(), new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))]);
  edge = await start();
});
afterAll(async () => {
  server.closeAllConnections();
  await Promise.all([edge.edge.stop(), backend.stop(), new Promise((resolve) => server.close(resolve))]);
  removeFolder(dataDir);
});

function start(): ReturnType<typeof startEdgeBefore> {
  const { STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET } = TEST_BINDINGS;
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, STRIPE_API_ORIGIN: origin };
  return startEdgeBefore(dataDir, FAKE_MODEL, [backend.origin], settings);
}

async function killAndRestart(): Promise<void> {
  for (const pid of childrenOf(process.pid, /workerd/)) process.kill(pid, "SIGKILL");
  await edge.edge.stop().catch(() => undefined);
  edge = await start();
}

async function deliverAll(): Promise<void> {
  for (const { type, data } of stripe.events) {
    const { body, headers } = await signedEvent(type, data.object);
    expect((await fetch(`${edge.url}/stripe/webhook`, { method: "POST", headers, body })).status).toBe(200);
  }
}

test.each(["never read", "done, and never answered"] as const)(
  "an order that is %s when the runtime is killed",
  async (fate) => {
    const admin = (path: string, body?: unknown, headers = {}) => call(edge.url, edge.adminKey, path, body, headers);
    const id = String((await admin("/admin/accounts", { name: "Payer" })).body["id"]);
    const payment = stripe.newPayment(id, 2000, `pi_${id.slice(5)}`);
    const order = () =>
      admin(`/admin/accounts/${id}/refunds`, { payment: payment.id, amount_usd: 5 }, { "idempotency-key": "one" });
    const atStripe = new Promise<void>((resolve) => (arrived = resolve));
    orders = fate;
    const cut = order().catch(() => undefined);
    await atStripe;
    await killAndRestart();
    await cut;
    orders = "answered";
    // Taken before Stripe was asked, so that nobody spends what goes back.
    expect((await admin(`/admin/accounts/${id}`)).body).toMatchObject({ balance_usd: "15", refunded_usd: "5" });
    await deliverAll();
    const [first, second] = [await order(), await order()];
    expect(first.body).toMatchObject({ status: "succeeded", amount_usd: "5", balance_usd: "15" });
    expect(second.body).toEqual(first.body);
    await deliverAll();
    expect((await admin("/admin/reconcile", {})).body).toMatchObject({ missed: [], refused: [] });
    expect((await admin(`/admin/accounts/${id}`)).body).toMatchObject({ balance_usd: "15", refunded_usd: "5" });
    expect(stripe.refunds.filter((refund) => refund.payment_intent === payment.id)).toHaveLength(1);
  },
  120_000,
);
