// The proofs of statement lines as a customer asks for them. The program that checks them: test/e2e/proofs.test.ts.
import { env, runInDurableObject } from "cloudflare:test";
import { expect, test, vi } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { Api } from "../support/api.ts";
import type { ApiAnswer } from "../support/api.ts";

const HOUR_MS = 3_600_000;
const api = new Api();

/** Sets the clock of the account's object. */
async function setClock(id: string, nowMs: () => number): Promise<void> {
  await runInDurableObject(env.ACCOUNT.get(env.ACCOUNT.idFromName(id)), (object) => {
    Object.assign(object, { nowMs });
  });
}

test("a line is proved once its hour is sealed, to its own account alone", async () => {
  const account = await api.newAccount();
  const { status, body } = await api.call("/v1/transactions/txn_1/proof", { key: account.key });
  expect([status, body["error"]]).toMatchObject([409, { code: "not_sealed_yet", param: "id" }]);
  expect(JSON.stringify(body)).toMatch(/ask again at \d{4}-\d\d-\d\dT\d\d:01:00\.000Z/);
  expect((await api.call("/v1/transactions/roots", { key: account.key })).body).toMatchObject({
    data: [],
    has_more: false,
  });

  await setClock(account.id, () => Date.now() + 2 * HOUR_MS);
  const proof = await api.call("/v1/transactions/txn_1/proof", { key: account.key });
  expect(proof.body).toMatchObject({ object: "transaction.proof", index: 0, path: [] });
  expect(JSON.parse(String(proof.body["leaf"]))).toMatchObject({ id: "txn_1", amount_nano_usd: 5_000_000_000 });
  expect(JSON.parse(String(proof.body["entry"]))).toMatchObject({ account: account.id, index: 0, lines: 1 });
  const roots = await api.call("/v1/transactions/roots", { key: account.key });
  const { entry, kid, signature } = proof.body;
  expect(roots.body["data"]).toEqual([{ object: "transaction.root", entry, kid, signature }]);

  const other = await api.newAccount();
  expect((await api.call("/v1/transactions/txn_1/proof", { key: other.key })).status).toBe(409);
});

test.each(["txn_2", "txn_0", "txn_01", "txn_", "txn_1x", "2", "txn_99999999999999999999", "req_1"])(
  "%s is no line of the account",
  async (id) => {
    const { key } = await api.newAccount();
    const { status, body } = await api.call(`/v1/transactions/${id}/proof`, { key });
    expect([status, body["error"]]).toMatchObject([404, { code: "object_not_found", param: "id" }]);
  },
);

test("a key without usage:read is told so", async () => {
  const { key } = await api.newAccount({ scopes: ["embeddings"] });
  for (const path of ["/v1/transactions/txn_1/proof", "/v1/transactions/roots"]) {
    expect((await api.call(path, { key })).status).toBe(403);
  }
});

test("roots come page by page, each chained to the one before", async () => {
  const account = await api.newAccount();
  const startMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  for (const hour of [2, 4, 5]) {
    await setClock(account.id, () => startMs + hour * HOUR_MS);
    await api.admin(`/admin/accounts/${account.id}/grants`, { amount_usd: 1, kind: "promo" });
  }
  await setClock(account.id, () => startMs + 9 * HOUR_MS);
  const indexes: number[] = [];
  let page: string | null = null;
  do {
    const query = page === null ? "" : `&page=${page}`;
    const { body }: ApiAnswer = await api.call(`/v1/transactions/roots?limit=3${query}`, { key: account.key });
    const data = body["data"] as { entry: string }[];
    indexes.push(...data.map(({ entry }) => Number((JSON.parse(entry) as { index: number }).index)));
    expect(body["has_more"]).toBe(body["next_page"] !== null);
    page = body["next_page"] as string | null;
  } while (page !== null);
  expect(indexes).toEqual([3, 2, 1, 0]);
});

test("seals are in a backup: after a restore the chain is the one that was given", async () => {
  const account = await api.newAccount();
  await setClock(account.id, () => Date.now() + 2 * HOUR_MS);
  const before = await api.call("/v1/transactions/roots", { key: account.key });
  expect(before.body["data"]).toHaveLength(1);
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName(account.id));
  const dump = (await stub.dump()) ?? "";
  expect(dump).toContain('"name":"seals"');
  await stub.deleteAccount();
  expect(await stub.restore(dump)).toBe("restored");
  await setClock(account.id, () => Date.now() + 9 * HOUR_MS);
  expect((await api.call("/v1/transactions/roots", { key: account.key })).body).toEqual(before.body);
});

test("where nothing is signed there are no proofs", async () => {
  const { key } = await api.newAccount();
  const log = vi.spyOn(console, "error").mockReturnValue();
  forgetServices();
  const unsigned = new Api({ SIGNING_KEY: "" });
  for (const path of ["/v1/transactions/txn_1/proof", "/v1/transactions/roots"]) {
    const { status, text } = await unsigned.call(path, { key });
    expect([status, text.includes("signs nothing")]).toEqual([404, true]);
  }
  expect(log.mock.calls.flat()).toEqual([expect.stringContaining("SIGNING_KEY is missing")]);
  forgetServices();
});
